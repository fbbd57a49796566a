public import Telemetry

/// A rule as its author wrote it, checked. Where it comes from (file, line) is not kept here.
public struct RuleDefinition: Sendable, Equatable {
    /// Unique among all rules, `[A-Za-z0-9._-]{1,64}`; part of every alert's id.
    public var id: String
    public var titleEnglish: String
    public var titleChinese: String
    /// Templates for the alert's text, see ``AlertText``; empty where there is none.
    public var textEnglish = ""
    public var textChinese = ""
    public var kind: Kind
    public var condition: Condition
    /// `for`: how long the condition must hold before the alert fires; 0 fires at once.
    public var holdMilliseconds: Int64
    /// When it is awake.
    public var when = When.always
    public var scope = Scope()
    /// What permits of the device's site lift the rule: their `what`; empty where none does.
    public var liftedBy: [String] = []
    /// Whether readings flagged rain, wind, calibration or fault count like any other.
    public var countsFlagged = false

    public enum Severity: String, Sendable, CaseIterable { case info, warning, critical }

    public var severity: Severity
    public var escalations: [Escalation] = []
    /// The kind of the task that a firing alert makes; nil makes none.
    public var taskKind: String?

    /// The alert goes on for so long after the condition has ended.
    public var keepFiringMilliseconds: Int64 = 0
    /// Without a reading for so long, by the engine's clock, it resolves.
    public var resolveAfterMilliseconds: Int64?
    /// After its end no new one begins for so long.
    public var coolDownMilliseconds: Int64 = 0
    public var maximumRate: MaximumRate?
    /// While one of these rules fires at the same device, this one does not begin to fire.
    public var inhibitedBy: [String] = []
    public var group: Group?
    /// Only a person ends it.
    public var isLatched = false

    /// Severity rises when it has fired for so long, or when the value passes a level.
    public struct Escalation: Sendable, Equatable {
        public enum When: Sendable, Equatable { case after(milliseconds: Int64), beyond(Double) }
        public var to: Severity
        public var when: When
        public init(to: Severity, when: When) {
            self.to = to
            self.when = when
        }
    }

    /// At most so many alerts of the rule begin to fire within the time.
    public struct MaximumRate: Sendable, Equatable {
        public var alerts: Int
        public var milliseconds: Int64
        public init(alerts: Int, milliseconds: Int64) {
            self.alerts = alerts
            self.milliseconds = milliseconds
        }
    }

    /// One alert for all devices of a subject, while at least so many of them fire, or have begun to within a time.
    public struct Group: Sendable, Equatable {
        /// `fence`: the fence of the rule's condition in which the device is; `rule`: all devices are one.
        public enum Subject: String, Sendable, CaseIterable { case site, area, team, fence, rule }
        public var by: Subject
        public var atLeast: Int
        /// Counts how often a device began to fire within this time, instead of those that fire.
        public var withinMilliseconds: Int64?
        /// Beginnings that are counted at most.
        public static let maximumEvents = 10_000
        public init(by: Subject, atLeast: Int, withinMilliseconds: Int64? = nil) {
            self.by = by
            self.atLeast = atLeast
            self.withinMilliseconds = withinMilliseconds
        }
    }

    public init(
        id: String, titleEnglish: String, titleChinese: String, kind: Kind, condition: Condition, holdMilliseconds: Int64,
        severity: Severity, taskKind: String?
    ) {
        self.id = id
        self.titleEnglish = titleEnglish
        self.titleChinese = titleChinese
        self.kind = kind
        self.condition = condition
        self.holdMilliseconds = holdMilliseconds
        self.severity = severity
        self.taskKind = taskKind
    }

    /// A level on a metric: the smallest rule.
    public enum Bound: Sendable, Equatable {
        case above(Double)
        case below(Double)
    }

    /// - Precondition: the kind has the metric.
    public init(
        id: String, titleEnglish: String, titleChinese: String, kind: Kind, metric: String, bound: Bound,
        holdMilliseconds: Int64, clear: Double?, severity: Severity, taskKind: String?
    ) {
        guard let metric = RuleMetric.named(metric, of: kind) else {
            preconditionFailure("rule \(id): \(kind.name) has no metric \(metric)")
        }
        let test: Leaf.Test =
            switch bound {
            case .above(let level): .above(level)
            case .below(let level): .below(level)
            }
        self.init(
            id: id, titleEnglish: titleEnglish, titleChinese: titleChinese, kind: kind,
            condition: .leaf(Leaf(.metric(metric), test, clear: clear)), holdMilliseconds: holdMilliseconds,
            severity: severity, taskKind: taskKind)
    }

    /// The leaf whose values the alert carries: the first that has any.
    public var leadingLeaf: Leaf { condition.leaves.first { $0.test != .holds } ?? condition.leaves[0] }

    /// Of the alert's value.
    public var unit: String { leadingLeaf.unit }

    /// What the rule judges, as one number: unchanged rules keep their state over a reload. Titles and texts are words
    /// about the alert and are left out.
    public var contentHash: UInt64 {
        var content = self
        (content.titleEnglish, content.titleChinese, content.textEnglish, content.textChinese) = ("", "", "", "")
        return Identifier.fnv1a("\(content)".utf8)
    }
}
