import Foundation
import Yams

extension Settings {
    private static let keys = [
        "broker", "store", "http", "timezone", "topic_root", "devices", "unknown_devices", "units", "areas", "sites", "fences", "rules",
        "calendars", "permits", "limits", "ingest", "retention", "backfill_allowance", "engine",
    ]
    private static let brokerKeys = [
        "url", "client_id", "keep_alive", "username", "password_file", "ca", "cert", "key",
    ]

    /// Loads a settings file and everything it names; all problems at once where there are any.
    public static func load(
        path: String, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(Problems) -> Settings {
        let reader = YAMLReader(path: path)
        let top = reader.root().map { reader.mapping($0, "the settings", known: keys) }
        guard let top else { throw Problems(reader.problems) }
        var loader = SettingsLoader(reader: reader, folder: (path as NSString).deletingLastPathComponent, environment: environment)
        let store = reader.mapping(top["store"], "store", known: ["path", "wal_cap_mb"])
        var settings = Settings(storePath: "")
        if let path = loader.overridden("STORE_PATH", reader.text(store["path"], "store.path")) {
            settings.storePath = loader.resolve(path)
        } else {
            reader.problem("the settings need store: { path: … }")
        }
        if let megabytes = loader.number("STORE_WAL_CAP_MB", store["wal_cap_mb"], "store.wal_cap_mb", 1...65536) {
            settings.walCapBytes = Int64(megabytes) << 20
        }
        let broker = reader.mapping(top["broker"], "broker", known: brokerKeys)
        settings.broker = loader.broker(broker)
        let http = reader.mapping(top["http"], "http", known: ["listen"])
        loader.listen(http["listen"], &settings)
        settings.timezone = loader.overridden("TIMEZONE", reader.text(top["timezone"], "timezone")) ?? settings.timezone
        if TimeZone(identifier: settings.timezone) == nil {
            reader.problem("no time zone is called '\(settings.timezone)'; write for example Asia/Shanghai", at: top["timezone"])
        }
        settings.topicRoot = loader.overridden("TOPIC_ROOT", reader.text(top["topic_root"], "topic_root")) ?? settings.topicRoot
        let ingest = reader.mapping(top["ingest"], "ingest", known: ["qos0_when_full", "future_allowance"])
        if let policy = reader.choice(ingest["qos0_when_full"], "qos0_when_full", FullPolicy.allCases.map(\.rawValue)) {
            settings.qos0WhenFull = FullPolicy(rawValue: policy)!
        }
        settings.futureAllowanceMilliseconds =
            reader.duration(ingest["future_allowance"], "future_allowance") ?? settings.futureAllowanceMilliseconds
        settings.backfillAllowanceMilliseconds =
            reader.duration(top["backfill_allowance"], "backfill_allowance") ?? settings.backfillAllowanceMilliseconds
        let retention = reader.mapping(top["retention"], "retention", known: ["raw"])
        if let raw = retention["raw"] {
            settings.retentionMilliseconds = raw.string == "off" ? nil : reader.duration(raw, "retention.raw")
        }
        let engine = reader.mapping(top["engine"], "engine", known: ["clock"])
        if let clock = reader.choice(engine["clock"], "engine.clock", Clock.allCases.map(\.rawValue)) {
            settings.clock = Clock(rawValue: clock)!
        }
        if let policy = reader.choice(top["unknown_devices"], "unknown_devices", ["register", "reject"]) {
            settings.registersUnknownDevices = policy == "register"
        }
        for key in ["units", "areas", "sites", "fences", "permits", "limits"] {
            if let node = top[key], let name = reader.text(node, key) { loader.mustExist(name, key, node) }
        }
        loader.devices(top["devices"], &settings)
        loader.rules(top["rules"], &settings)
        let problems = reader.problems + loader.otherProblems
        guard problems.isEmpty else { throw Problems(problems) }
        return settings
    }
}

/// The steps of a load that need the file's folder and the environment.
struct SettingsLoader {
    let reader: YAMLReader
    let folder: String
    let environment: [String: String]
    /// Problems of files that the settings name.
    var otherProblems: [Problem] = []

    init(reader: YAMLReader, folder: String, environment: [String: String]) {
        self.reader = reader
        self.folder = folder
        self.environment = environment
    }

    func overridden(_ name: String, _ value: String?) -> String? { environment["PATROL_" + name] ?? value }

    /// A whole number of a range, from the environment or the file.
    func number(_ name: String, _ node: Node?, _ key: String, _ range: ClosedRange<Int>) -> Int? {
        guard let text = overridden(name, reader.text(node, key)) else { return nil }
        if let value = Int(text), range.contains(value) { return value }
        reader.problem("\(key) is a whole number from \(range.lowerBound) to \(range.upperBound), not '\(text)'", at: node)
        return nil
    }

    /// A path relative to the settings file.
    func resolve(_ path: String) -> String { path.hasPrefix("/") || folder.isEmpty ? path : folder + "/" + path }

    func mustExist(_ name: String, _ key: String, _ node: Node) {
        if !FileManager.default.isReadableFile(atPath: resolve(name)) {
            reader.problem("\(key): there is no file \(resolve(name))", at: node)
        }
    }

    func broker(_ members: [String: Node]) -> Settings.Broker {
        var broker = Settings.Broker()
        if let url = overridden("BROKER_URL", reader.text(members["url"], "broker.url")) {
            broker.url = url
        } else {
            reader.problem("the settings need broker: { url: mqtt://host:1883 }")
        }
        if !Settings.isBrokerURL(broker.url) {
            reader.problem("broker.url is mqtt://host:port or mqtts://host:port, not '\(broker.url)'", at: members["url"])
        }
        broker.clientID = overridden("BROKER_CLIENT_ID", reader.text(members["client_id"], "client_id")) ?? broker.clientID
        if let seconds = reader.number(members["keep_alive"], "keep_alive") {
            if seconds >= 5 && seconds <= 65535 && seconds == seconds.rounded() {
                broker.keepAliveSeconds = Int(seconds)
            } else {
                reader.problem("keep_alive is 5 to 65535 whole seconds", at: members["keep_alive"])
            }
        }
        broker.username = overridden("BROKER_USERNAME", reader.text(members["username"], "username"))
        broker.password = environment["PATROL_BROKER_PASSWORD"]
        if let node = members["password_file"], let name = reader.text(node, "password_file") {
            if let data = FileManager.default.contents(atPath: resolve(name)) {
                broker.password = broker.password
                    ?? String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            } else {
                reader.problem("password_file: there is no file \(resolve(name))", at: node)
            }
        }
        func file(_ key: String) -> String? {
            guard let node = members[key], let name = reader.text(node, key) else { return nil }
            mustExist(name, key, node)
            return resolve(name)
        }
        broker.ca = file("ca")
        broker.certificate = file("cert")
        broker.key = file("key")
        return broker
    }

    func listen(_ node: Node?, _ settings: inout Settings) {
        guard let text = overridden("HTTP_LISTEN", reader.text(node, "http.listen")) else { return }
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65535).contains(port), colon > text.startIndex
        else {
            reader.problem("http.listen is address:port with a port from 1 to 65535, not '\(text)'", at: node)
            return
        }
        settings.listenHost = String(text[..<colon]).trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        settings.listenPort = port
    }

    mutating func devices(_ node: Node?, _ settings: inout Settings) {
        guard let node, let name = reader.text(node, "devices") else { return }
        guard FileManager.default.isReadableFile(atPath: resolve(name)) else { return mustExist(name, "devices", node) }
        let file = DevicesFile.load(path: resolve(name))
        otherProblems += file.problems
        settings.devices = file.devices
    }

    mutating func rules(_ node: Node?, _ settings: inout Settings) {
        guard let node else { return }
        var names: [String] = []
        if case .sequence(let list) = node {
            names = list.compactMap { reader.text($0, "rules") }
        } else if let name = reader.text(node, "rules") {
            names = [name]
        }
        do throws(Problems) {
            settings.rules = try RuleFile.load(names.map(resolve))
        } catch {
            otherProblems += error.all
        }
    }
}

extension Settings {
    static func isBrokerURL(_ url: String) -> Bool {
        guard let parts = URLComponents(string: url), parts.scheme == "mqtt" || parts.scheme == "mqtts",
            let host = parts.host, !host.isEmpty, parts.path.isEmpty || parts.path == "/"
        else { return false }
        return parts.port.map { (1...65535).contains($0) } ?? true
    }
}
