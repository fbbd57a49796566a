public import Telemetry

/// A rule as its author wrote it, checked: a level that must not be passed for longer than a time, on one kind of
/// device. Where it comes from (file, line) is not kept here.
public struct RuleDefinition: Sendable, Equatable {
    /// Unique among all rules, `[A-Za-z0-9._-]{1,64}`; part of every alert's id.
    public var id: String
    public var titleEnglish: String
    public var titleChinese: String
    public var kind: Kind
    /// A numeric or boolean field of the kind (`laeq`, `battery`, `sos`); a boolean counts as 0 or 1.
    public var metric: String

    public enum Bound: Sendable, Equatable {
        case above(Double)
        case below(Double)
    }

    public var bound: Bound
    /// `for`: how long the level must be passed before the alert fires; 0 fires at once.
    public var holdMilliseconds: Int64
    /// `clear_below` of an `above`, `clear_above` of a `below`; nil clears at the bound itself.
    public var clear: Double?

    public enum Severity: String, Sendable, CaseIterable { case info, warning, critical }

    public var severity: Severity
    /// The kind of the task that a firing alert makes; nil makes none.
    public var taskKind: String?

    public init(
        id: String, titleEnglish: String, titleChinese: String, kind: Kind, metric: String, bound: Bound,
        holdMilliseconds: Int64, clear: Double?, severity: Severity, taskKind: String?
    ) {
        self.id = id
        self.titleEnglish = titleEnglish
        self.titleChinese = titleChinese
        self.kind = kind
        self.metric = metric
        self.bound = bound
        self.holdMilliseconds = holdMilliseconds
        self.clear = clear
        self.severity = severity
        self.taskKind = taskKind
    }
}
