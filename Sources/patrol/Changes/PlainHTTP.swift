import Foundation

/// One HTTP/1.1 request to the Patrol that has the store: a connection, a request, an answer.
enum PlainHTTP {
    enum Failure: Error {
        /// Nobody listens there.
        case unreachable(String)
        /// The connection was made and no answer came: what was asked may have been done.
        case noAnswer(String)
    }

    static let secondsToAnswer = 30

    /// - Parameter url: `http://host:port`.
    static func post(_ path: String, to url: String, token: String, json: String) throws(Failure) -> (status: Int, body: String) {
        try ask("POST", path, of: url, "Authorization: Bearer \(token)\r\nContent-Type: application/json\r\n", json)
    }

    static func get(_ path: String, from url: String) throws(Failure) -> (status: Int, body: String) {
        try ask("GET", path, of: url, "", "")
    }

    /// - Parameter headers: each with its line's end.
    private static func ask(
        _ method: String, _ path: String, of url: String, _ headers: String, _ text: String
    ) throws(Failure) -> (status: Int, body: String) {
        guard let parts = URLComponents(string: url), let host = parts.host, let port = parts.port else {
            throw .unreachable("'\(url)' is no address")
        }
        let descriptor = try connect(host.trimmingCharacters(in: CharacterSet(charactersIn: "[]")), port)
        defer { close(descriptor) }
        let body = Array(text.utf8)
        let head = """
            \(method) \(path) HTTP/1.1\r\nHost: \(host):\(port)\r\n\(headers)Content-Length: \(body.count)\r\n\
            Connection: close\r\n\r\n
            """
        try send(Array(head.utf8) + body, descriptor)
        return try answer(descriptor)
    }

    private static func connect(_ host: String, _ port: Int) throws(Failure) -> Int32 {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, "\(port)", &hints, &found) == 0, let first = unsafe found else {
            throw .unreachable("\(host) has no address")
        }
        defer { unsafe freeaddrinfo(first) }
        let descriptor = unsafe socket(first.pointee.ai_family, first.pointee.ai_socktype, 0)
        guard descriptor >= 0 else { throw .unreachable(reason) }
        var patience = timeval(tv_sec: secondsToAnswer, tv_usec: 0)
        for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
            _ = unsafe setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        guard unsafe Glibc.connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0 else {
            let reason = self.reason
            close(descriptor)
            throw .unreachable(reason)
        }
        return descriptor
    }

    private static var reason: String { unsafe String(cString: strerror(errno)) }

    private static func send(_ bytes: [UInt8], _ descriptor: Int32) throws(Failure) {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.send(descriptor, $0.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw .noAnswer(reason) }
            done += count
        }
    }

    private static func answer(_ descriptor: Int32) throws(Failure) -> (status: Int, body: String) {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = unsafe recv(descriptor, &chunk, chunk.count, 0)
            if count == 0 { break }
            guard count > 0 else { throw .noAnswer("no answer within \(secondsToAnswer) s") }
            bytes += chunk[..<count]
        }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n"), let status = Int(text.dropFirst(9).prefix(3)) else {
            throw .noAnswer("the answer is not HTTP")
        }
        return (status, String(text[end.upperBound...]))
    }
}
