import Foundation
import Telemetry
import Yams

extension Settings {
    /// Keys of the file by section; the first are those outside of one. Each may be set by the environment too:
    /// `PATROL_` + section + key, in capitals: `PATROL_BROKER_CLIENT_ID`, `PATROL_TIMEZONE`.
    static let keys: [(section: String, names: [String])] = [
        ("", [
            "timezone", "topic_root", "devices", "unknown_devices", "units", "dispatch", "matters", "areas", "sites", "fences", "rules", "calendars",
            "permits", "limits", "backfill_allowance", "reload_on_change",
        ]),
        ("broker", ["url", "client_id", "keep_alive", "username", "password_file", "ca", "cert", "key"]),
        ("store", ["path", "wal_cap_mb", "reject_rows"]),
        ("http", ["listen"]),
        ("ingest", ["qos0_when_full", "future_allowance"]),
        ("retention", retentionKeys),
        ("rollups", rollupKeys),
        ("engine", ["clock"]),
    ]
    /// A secret: from the environment or a file, never in the settings.
    static let passwordVariable = "PATROL_BROKER_PASSWORD"

    static func variable(_ section: String, _ name: String) -> String {
        "PATROL_" + (section.isEmpty ? "" : section.uppercased() + "_") + name.uppercased()
    }

    /// Loads a settings file and everything it names; all problems at once where there are any.
    public static func load(
        path: String, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(Problems) -> Settings {
        let reader = YAMLReader(path: path, environment: environment)
        guard let root = reader.root() else { throw Problems(reader.problems) }
        // Lists of outlets have no variables: their secrets have.
        let sections = reader.mapping(
            root, "the settings", known: keys[0].names + keys.dropFirst().map(\.section) + ["outlets"])
        var members: [String: [String: Node]] = [:]
        for (section, names) in keys.dropFirst() {
            members[section] = reader.mapping(
                sections[section], section, known: names, variables: variable(section, ""))
        }
        let outside = reader.mapping(
            nil, "the settings", known: keys[0].names, variables: variable("", "")
        ).merging(sections) { variable, _ in variable }
        var loader = SettingsLoader(
            reader: reader, folder: (path as NSString).deletingLastPathComponent, environment: environment)
        loader.unknownVariables()
        var settings = loader.settings(outside, members)
        settings.files.append(path)
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

    mutating func settings(_ outside: [String: Node], _ members: [String: [String: Node]]) -> Settings {
        func member(_ section: String, _ name: String) -> Node? { members[section]?[name] }
        var settings = Settings(storePath: "")
        if let path = reader.text(member("store", "path"), "store.path") {
            settings.storePath = resolve(path)
        } else {
            reader.problem("the settings need store: { path: … }")
        }
        if let megabytes = number(member("store", "wal_cap_mb"), "store.wal_cap_mb", 1...65536) {
            settings.walCapBytes = Int64(megabytes) << 20
        }
        if let rows = number(member("store", "reject_rows"), "store.reject_rows", 1000...1_000_000_000) {
            settings.rejectRows = Int64(rows)
        }
        settings.broker = broker(members["broker"] ?? [:])
        listen(member("http", "listen"), &settings)
        settings.timezone = reader.text(outside["timezone"], "timezone") ?? settings.timezone
        if TimeZone(identifier: settings.timezone) == nil {
            reader.problem(
                "no time zone is called '\(settings.timezone)'; write for example Asia/Shanghai", at: outside["timezone"])
        }
        if let root = reader.text(outside["topic_root"], "topic_root") {
            settings.topicRoot = root
            let levels = root.split(separator: "/", omittingEmptySubsequences: false)
            if levels.contains(where: { $0.isEmpty || $0.contains("+") || $0.contains("#") }) || root.utf8.count > 100 {
                reader.problem("topic_root is levels such as patrol/v1, without '+' and '#', not '\(root)'", at: outside["topic_root"])
            }
        }
        let policy = reader.choice(
            member("ingest", "qos0_when_full"), "ingest.qos0_when_full", Settings.FullPolicy.allCases.map(\.rawValue))
        settings.qos0WhenFull = policy.flatMap(Settings.FullPolicy.init) ?? settings.qos0WhenFull
        settings.futureAllowanceMilliseconds =
            reader.duration(member("ingest", "future_allowance"), "ingest.future_allowance")
            ?? settings.futureAllowanceMilliseconds
        settings.backfillAllowanceMilliseconds =
            reader.duration(outside["backfill_allowance"], "backfill_allowance") ?? settings.backfillAllowanceMilliseconds
        retention(members["retention"] ?? [:], &settings)
        rollups(members["rollups"] ?? [:], &settings)
        let clock = reader.choice(member("engine", "clock"), "engine.clock", Settings.Clock.allCases.map(\.rawValue))
        settings.clock = clock.flatMap(Settings.Clock.init) ?? settings.clock
        if let policy = reader.choice(outside["unknown_devices"], "unknown_devices", ["register", "reject"]) {
            settings.registersUnknownDevices = policy == "register"
        }
        settings.outlets = OutletSettingsReader(reader: reader, environment: environment, resolve: resolve)
            .outlets(outside["outlets"])
        settings.reloadsOnChange = reader.flag(outside["reload_on_change"], "reload_on_change") ?? false
        settings.files = ["limits", "areas", "sites", "fences", "calendars", "permits", "units", "rules"].flatMap { paths($0, outside) ?? [] }
        world(outside, &settings)
        rules(outside["rules"], &settings)
        return settings
    }

    /// Variables that look like a section's and are none.
    mutating func unknownVariables() {
        var known = [Settings.passwordVariable]
        for (section, names) in Settings.keys { known += names.map { Settings.variable(section, $0) } }
        let beginnings = Settings.keys.dropFirst().map { Settings.variable($0.section, "") }
        for name in environment.keys.sorted()
        where !known.contains(name) && beginnings.contains(where: { name.hasPrefix($0) }) {
            let hint = nearest(name, in: known).map { "; did you mean '\($0)'?" } ?? ""
            otherProblems.append(Problem(path: name, message: "no setting has this environment variable\(hint)"))
        }
    }

    /// A whole number of a range.
    func number(_ node: Node?, _ key: String, _ range: ClosedRange<Int>) -> Int? {
        guard let text = reader.text(node, key) else { return nil }
        if let value = Int(text), range.contains(value) { return value }
        reader.problem("\(key) is a whole number from \(range.lowerBound) to \(range.upperBound), not '\(text)'", at: node)
        return nil
    }

    /// A path relative to the settings file.
    func resolve(_ path: String) -> String { path.hasPrefix("/") || folder.isEmpty ? path : folder + "/" + path }

    func mustExist(_ name: String, _ key: String, _ node: Node) {
        let path = resolve(name)
        var isFolder: ObjCBool = false
        if unsafe !FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
            reader.problem("\(key): there is no file \(path)", at: node)
        } else if isFolder.boolValue {
            reader.problem("\(key): \(path) is a folder, not a file", at: node)
        } else if !FileManager.default.isReadableFile(atPath: path) {
            reader.problem("\(key): the file \(path) cannot be read; see its permissions", at: node)
        }
    }

    func broker(_ members: [String: Node]) -> Settings.Broker {
        var broker = Settings.Broker()
        if let url = reader.text(members["url"], "broker.url") {
            broker.url = url
        } else {
            reader.problem("the settings need broker: { url: mqtt://host:1883 }")
        }
        if !Settings.isBrokerURL(broker.url) {
            reader.problem(
                "broker.url is mqtt://host:port or mqtts://host:port with a port from 1 to 65535, not '\(broker.url)'",
                at: members["url"])
        }
        broker.clientID = reader.text(members["client_id"], "broker.client_id") ?? broker.clientID
        if broker.clientID.isEmpty || broker.clientID.utf8.count > Limits.idBytes {
            reader.problem("broker.client_id has 1 to \(Limits.idBytes) bytes", at: members["client_id"])
        }
        broker.keepAliveSeconds =
            number(members["keep_alive"], "broker.keep_alive", 5...65535) ?? broker.keepAliveSeconds
        broker.username = reader.text(members["username"], "broker.username")
        if let node = members["password_file"], let name = reader.text(node, "broker.password_file") {
            mustExist(name, "broker.password_file", node)
            broker.password = FileManager.default.contents(atPath: resolve(name)).map {
                String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            }
        }
        broker.password = environment[Settings.passwordVariable] ?? broker.password
        if broker.password != nil && broker.username == nil {
            reader.problem("a password needs broker.username too", at: members["password_file"])
        }
        func file(_ key: String) -> String? {
            guard let node = members[key], let name = reader.text(node, "broker.\(key)") else { return nil }
            mustExist(name, "broker.\(key)", node)
            return resolve(name)
        }
        broker.ca = file("ca")
        broker.certificate = file("cert")
        broker.key = file("key")
        return broker
    }

    func listen(_ node: Node?, _ settings: inout Settings) {
        guard let text = reader.text(node, "http.listen") else { return }
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65535).contains(port), colon > text.startIndex
        else {
            reader.problem("http.listen is address:port with a port from 1 to 65535, not '\(text)'", at: node)
            return
        }
        settings.listenHost = String(text[..<colon]).trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        settings.listenPort = port
    }

    mutating func rules(_ node: Node?, _ settings: inout Settings) {
        guard let node else { return }
        var names: [String] = []
        if case .sequence(let list) = node {
            names = list.compactMap { reader.text($0, "rules") }
        } else if let name = reader.text(node, "rules") {
            // In a variable: paths with commas between them.
            names = node.mark == nil ? name.split(separator: ",").map(String.init) : [name]
        }
        do throws(Problems) {
            settings.rules = try RuleFile.load(names.map(resolve), world: settings.world)
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
