import CMosquitto

/// What libmosquitto or the broker said, for the reader.
public struct MosquittoError: Error, CustomStringConvertible, Sendable {
    public let description: String

    init(_ what: String, code: Int32) {
        let said = unsafe String(cString: mosquitto_strerror(code))
        description = "\(what): \(said)"
    }

    public init(_ description: String) { self.description = description }
}

/// Where the broker is: `mqtt://host:port` or `mqtts://host:port`.
public struct BrokerAddress: Sendable, Equatable, CustomStringConvertible {
    public var host: String
    public var port: Int32
    public var usesTLS: Bool

    public init(host: String, port: Int32, usesTLS: Bool = false) {
        self.host = host
        self.port = port
        self.usesTLS = usesTLS
    }

    /// Nil where the text is no such URL.
    public init?(url: String) {
        let parts = url.split(separator: "://", maxSplits: 1).map(String.init)
        guard parts.count == 2, parts[0] == "mqtt" || parts[0] == "mqtts" else { return nil }
        usesTLS = parts[0] == "mqtts"
        var rest = parts[1][...]
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        let standardPort: Int32 = usesTLS ? 8883 : 1883
        if rest.hasPrefix("["), let close = rest.firstIndex(of: "]") {
            host = String(rest[rest.index(after: rest.startIndex)..<close])
            let after = rest[rest.index(after: close)...]
            guard after.isEmpty || after.hasPrefix(":") else { return nil }
            guard let port = after.isEmpty ? standardPort : Int32(after.dropFirst()) else { return nil }
            self.port = port
        } else {
            let pieces = rest.split(separator: ":", omittingEmptySubsequences: false)
            guard pieces.count <= 2, let name = pieces.first else { return nil }
            host = String(name)
            guard let port = pieces.count == 2 ? Int32(pieces[1]) : standardPort else { return nil }
            self.port = port
        }
        guard !host.isEmpty, (1...65535).contains(port), !host.contains("/") else { return nil }
    }

    public var description: String { "\(usesTLS ? "mqtts" : "mqtt")://\(host):\(port)" }
}

/// How to reach a broker and as whom.
public struct ConnectionOptions: Sendable {
    public var address: BrokerAddress
    public var clientID: String
    public var keepAliveSeconds: Int32 = 60
    public var username: String?
    public var password: String?
    public var caFile: String?
    public var certificateFile: String?
    public var keyFile: String?

    public init(address: BrokerAddress, clientID: String) {
        self.address = address
        self.clientID = clientID
    }
}
