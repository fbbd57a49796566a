import Foundation

/// `STORE.token`: where a running Patrol listens and the bearer token that changes need. Written at each start with a new
/// token, readable by its owner alone, taken away at a clean end.
public struct TokenFile: Sendable, Equatable {
    public var url: String
    public var token: String

    public init(url: String, token: String) {
        self.url = url
        self.token = token
    }

    /// A server that listens on every address is reached by loopback.
    public init(host: String, port: Int) {
        let name = ["0.0.0.0", "::", ""].contains(host) ? "127.0.0.1" : host
        url = "http://\(name.contains(":") ? "[\(name)]" : name):\(port)"
        var random = SystemRandomNumberGenerator()
        token = (0..<4).map { _ in
            let digits = String(random.next(), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    public static func path(ofStore store: String) -> String { store + ".token" }

    /// Nil where there is none or it is not one.
    public init?(store: String) {
        guard let data = FileManager.default.contents(atPath: Self.path(ofStore: store)) else { return nil }
        let lines = String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
        guard lines.count == 2, lines[0].hasPrefix("http://"), !lines[1].isEmpty else { return nil }
        (url, token) = (lines[0], lines[1])
    }

    /// The file appears whole: it is written beside its place and moved there.
    public func write(besideStore store: String) throws {
        let path = Self.path(ofStore: store)
        let draft = path + ".new"
        try? FileManager.default.removeItem(atPath: draft)
        let isMade = FileManager.default.createFile(
            atPath: draft, contents: Data("\(url)\n\(token)\n".utf8), attributes: [.posixPermissions: 0o600])
        guard isMade, unsafe rename(draft, path) == 0 else { throw CocoaError(.fileWriteNoPermission, userInfo: [NSFilePathErrorKey: path]) }
    }

    public static func remove(besideStore store: String) {
        try? FileManager.default.removeItem(atPath: path(ofStore: store))
    }
}
