import Telemetry
import Yams

extension Settings {
    /// `raw`, `compact` and `minutes` are every kind's; with a kind's name before them they are its own. Cameras have no rollups
    /// below an hour.
    static let retentionKeys = ["events"] + SettingsLoader.retentionAges.map(\.name)
        + Kind.allCases.flatMap { kind in
            SettingsLoader.retentionAges.map { "\(kind.name)_\($0.name)" }.filter { $0 != "bodycam_minutes" }
        }
}

extension SettingsLoader {
    fileprivate typealias AgePath = WritableKeyPath<Retention.Ages, Int64?> & Sendable
    fileprivate static let retentionAges: [(name: String, path: AgePath)] = [
        ("raw", \.rawMilliseconds), ("compact", \.historyMilliseconds), ("minutes", \.minuteMilliseconds),
    ]

    func retention(_ members: [String: Node], _ settings: inout Settings) {
        func age(_ key: String) -> Int64?? {
            members[key].map { $0.string == "off" ? nil : reader.duration($0, "retention.\(key)") }
        }
        if let events = age("events") { settings.eventRetentionMilliseconds = events }
        for (name, path) in SettingsLoader.retentionAges {
            let everyKind = age(name)
            for kind in Kind.allCases {
                if let own = age("\(kind.name)_\(name)") ?? everyKind { settings.retention[kind][keyPath: path] = own }
            }
        }
        var told: Set<String> = []
        for kind in [Kind.noise, .vehicle] {
            let key = members["\(kind.name)_minutes"] == nil ? "minutes" : "\(kind.name)_minutes"
            let ages = settings.retention[kind]
            guard let minutes = ages.minuteMilliseconds, let node = members[key], minutes < (ages.rawMilliseconds ?? .max) else { continue }
            if told.insert(key).inserted {
                let raw = members["\(kind.name)_raw"] == nil ? "raw" : "\(kind.name)_raw"
                reader.problem("retention.\(key) must not be shorter than retention.\(raw): late readings correct minutes", at: node)
            }
        }
    }
}
