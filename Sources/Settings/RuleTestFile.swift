public import Rules
import Foundation
public import Telemetry
import Yams

/// A file of scenarios for rules, as a user writes them:
///
/// ```yaml
/// settings: ../patrol.yaml        # places, calendars, limits and rules; or
/// rules: [noise.yaml]             # rule files alone
/// tests:
///   - name: loud by night
///     start: 2024-06-07T22:00:00  # local time of the settings' zone
///     every: 1s                   # from one step of a series to the next, and how long a reading holds
///     devices: [{ id: m1, kind: noise, site: s1, zone: "2" }]
///     readings:
///       - { device: m1, laeq: "55x60 72x40 _x10" }
///     until: 10m                  # after start; the end of the series without it
///     actions: [{ at: 5m, end: loud, device: m1 }, { at: 6m, second_gateway: m1 }]
///     expect:
///       - { rule: loud, device: m1, started: 1m, fired: 90s, resolved: 100s, value: 72, severity: warning }
/// ```
///
/// `72x40` is forty steps of 72, `_x10` ten steps without a reading; times of `expect` are after `start`.
public struct RuleTestFile: Sendable {
    public var path: String
    public var rules: [RuleDefinition]
    public var world: World
    public var tests: [RuleTest]
}

public struct RuleTest: Sendable {
    public struct Step: Sendable {
        public var reading: Reading
        public var text: [UInt8]
    }

    public struct Action: Sendable {
        public var at: Timestamp
        /// Whose alert a person ends; nil: another gateway brings the device's id.
        public var rule: String?
        public var device: String
    }

    /// What an alert must be; nil is not asked.
    public struct Expected: Sendable {
        public var rule: String
        public var device: String?
        public var subject: String?
        public var started: Int64?
        public var fired: Int64?
        /// `never` asks that it has not ended.
        public var resolved: Int64?
        public var isOpen = false
        public var value: Double?
        public var severity: String?
        public var reason: String?
        /// Parts of the texts.
        public var english: String?
        public var chinese: String?
    }

    public var name: String
    public var line: Int
    public var start: Timestamp
    public var devices: [Device] = []
    /// By time.
    public var steps: [Step] = []
    public var actions: [Action] = []
    public var until: Timestamp
    public var expected: [Expected] = []
}

extension RuleTestFile {
    static let keys = ["settings", "rules", "tests"]
    static let testKeys = ["name", "start", "every", "devices", "readings", "until", "actions", "expect"]
    static let deviceKeys = ["id", "kind", "name", "area", "site", "zone", "lat", "lon", "team", "tags"]
    static let expectKeys = [
        "rule", "device", "subject", "started", "fired", "resolved", "value", "severity", "reason", "en", "zh",
    ]
    /// Steps of one test at most.
    static let maximumSteps = 1_000_000

    public static func load(_ path: String) throws(Problems) -> RuleTestFile {
        let reader = YAMLReader(path: path)
        guard let root = reader.root() else { throw Problems(reader.problems) }
        let members = reader.mapping(root, "a test file", known: keys)
        let folder = (path as NSString).deletingLastPathComponent
        func resolve(_ name: String) -> String { name.hasPrefix("/") || folder.isEmpty ? name : folder + "/" + name }
        var world = World(zone: LocalZone(identifier: "Asia/Shanghai") ?? .utc)
        var rules: [RuleDefinition] = []
        if let node = members["settings"], let name = reader.text(node, "settings") {
            let settings = try Settings.load(path: resolve(name), environment: [:])
            (world, rules) = (settings.world, settings.rules)
        }
        if let node = members["rules"] {
            rules = try RuleFile.load(reader.texts(node, "rules").map { resolve($0.text) }, world: members["settings"] == nil ? nil : world)
        }
        if members["settings"] == nil && members["rules"] == nil { reader.problem("a test file needs the key 'settings' or 'rules'", at: root) }
        var tests: [RuleTest] = []
        if case .sequence(let list)? = members["tests"] {
            let ids = rules.map(\.id)
            tests = list.compactMap { RuleTestReader(reader: reader, zone: world.zone, rules: ids).test($0) }
        } else {
            reader.problem("a test file needs the key 'tests', a list", at: members["tests"] ?? root)
        }
        guard reader.problems.isEmpty else { throw Problems(reader.problems) }
        return RuleTestFile(path: path, rules: rules, world: world, tests: tests)
    }
}
