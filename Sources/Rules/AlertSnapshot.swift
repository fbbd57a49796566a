public import Telemetry

/// An alert as it stands after a change.
public struct AlertSnapshot: Sendable, Equatable {
    public enum State: String, Sendable { case pending, firing, resolved }

    /// Why an alert ended.
    public enum Reason: String, Sendable {
        case condition
        /// No reading for `resolve_after`.
        case silence
        /// The rule's schedule ended.
        case schedule
        /// A permit began.
        case permit
        /// The rule was changed or taken away.
        case rule
        /// A person ended it.
        case person
    }

    /// Index into ``RuleSet/definitions``.
    public var rule: Int
    /// Of a group: the device that was first.
    public var device: UInt32
    public var state: State
    public var startedAt: Timestamp
    public var firedAt: Timestamp?
    public var resolvedAt: Timestamp?
    public var value: Double
    /// The engine's clock at the change.
    public var clock: Timestamp
    /// A pending alert's start as the store has it, where pending has begun afresh since.
    public var replaces: Timestamp?
    public var severity: RuleDefinition.Severity
    /// The severity has risen: the state is firing as before.
    public var isEscalation = false
    /// When it rose.
    public var escalatedAt: Timestamp?
    /// Of a resolved alert.
    public var reason = Reason.condition
    /// What the value was held against.
    public var bound = 0.0
    /// Share of the window that was covered, 1 where there is no window.
    public var coverage = 1.0
    /// Of a group: its subject (`site/ID`) and the devices that fire.
    public var subject: String?
    public var devices: [UInt32] = []
}
