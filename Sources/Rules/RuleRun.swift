public import Telemetry

/// The rules over readings that are at hand, without a store: for tests of rule files, for what would have been, and for
/// explanations. The same engine as the live one.
public struct RuleRun {
    /// An alert that fired.
    public struct Fired: Sendable {
        public var last: AlertSnapshot
        /// Severities it rose to, and when.
        public var escalations: [(severity: RuleDefinition.Severity, at: Timestamp)] = []
        public var resolvedAt: Timestamp?
    }

    public let engine: AlertEngine
    private var evaluated: [Evaluated] = []
    /// In the order in which they fired.
    public private(set) var alerts: [Fired] = []
    private var open: [Key: Int] = [:]

    private struct Key: Hashable {
        var rule: Int
        var device: UInt32
        var subject: String?
    }

    public init(rules: RuleSet, world: World) { engine = AlertEngine(rules: rules, world: world) }

    public mutating func add(device: Device) {
        engine.add(device: device)
        while evaluated.count <= Int(device.number) { evaluated.append(Evaluated()) }
    }

    /// One reading in the order of arrival; `text` are its texts, `officer` and then `boot`.
    public mutating func take(_ reading: Reading, text: [UInt8] = [], clock: Timestamp) {
        let device = Int(reading.device)
        if !reading.isBackfill {
            let before = evaluated[device]
            let engine = engine
            unsafe text.withUnsafeBufferPointer {
                unsafe engine.evaluate(reading, text: text.isEmpty ? nil : $0.baseAddress, before: before, clock: clock)
            }
            evaluated[device].advance(reading)
        }
        if engine.hasChanges { gather() }
    }

    /// Another gateway has brought the id of a device.
    public func contest(_ device: UInt32) { _ = engine.contest(device) }

    /// Time passes without a reading.
    public mutating func advance(to clock: Timestamp) {
        engine.advance(to: clock)
        gather()
    }

    /// A person ends an alert. False where none fires.
    public mutating func end(rule: Int, device: UInt32, at moment: Timestamp) -> Bool {
        advance(to: moment)
        defer { gather() }
        return engine.end(rule: rule, device: device, at: moment)
    }

    private mutating func gather() {
        var transitions: [AlertSnapshot] = []
        var rows: [AlertSnapshot] = []
        engine.drain(vanished: { _ in }, transitions: { transitions.append($0) }, open: { rows.append($0) })
        for transition in transitions {
            // A group is known by its subject, its first device may be another each time.
            let key = Key(
                rule: transition.rule, device: transition.subject == nil ? transition.device : 0, subject: transition.subject)
            if transition.isEscalation {
                if let index = open[key] {
                    alerts[index].last = transition
                    alerts[index].escalations.append((transition.severity, transition.escalatedAt ?? transition.clock))
                }
            } else if transition.state == .firing {
                open[key] = alerts.count
                alerts.append(Fired(last: transition))
            } else if transition.state == .resolved, let index = open.removeValue(forKey: key) {
                alerts[index].last = transition
                alerts[index].resolvedAt = transition.resolvedAt
            }
        }
        for row in rows where row.state == .firing {
            let key = Key(rule: row.rule, device: row.subject == nil ? row.device : 0, subject: row.subject)
            if let index = open[key] { alerts[index].last = row }
        }
    }
}
