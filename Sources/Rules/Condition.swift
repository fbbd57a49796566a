/// What must hold for a rule to raise an alert: a tree whose leaves look at one thing each.
public indirect enum Condition: Sendable, Equatable {
    case all([Condition])
    case any([Condition])
    case not(Condition)
    case leaf(Leaf)

    /// Leaves in the order in which they are written.
    public var leaves: [Leaf] {
        switch self {
        case .all(let parts), .any(let parts): parts.flatMap(\.leaves)
        case .not(let part): part.leaves
        case .leaf(let leaf): [leaf]
        }
    }

    /// Leaves of one rule at most: their state is a bit each.
    public static let maximumLeaves = 16
    /// Conditions inside conditions at most.
    public static let maximumDepth = 8
}

public struct Leaf: Sendable, Equatable {
    public enum Subject: Sendable, Equatable {
        /// The newest value.
        case metric(RuleMetric)
        case window(RuleMetric, Aggregate, milliseconds: Int64)
        /// Change between two successive readings, brought to this time.
        case rate(RuleMetric, perMilliseconds: Int64)
        /// The value is another than in the reading before.
        case changes(RuleMetric)
        /// The value is again what it was before it last changed: two senders under one id.
        case returns(RuleMetric)
        /// Nothing was heard for this long, by the engine's clock.
        case absence(milliseconds: Int64)
        /// As `absence`, for so many periods of the device's newest reading.
        case missed(Int)
        /// How often the condition began to hold within the time.
        indirect case count(Condition, milliseconds: Int64)
        /// Where the newest fix lies, judged by ``FenceLeaf``.
        case fence(FenceLeaf)
    }

    public enum Test: Sendable, Equatable {
        case above(Double), below(Double), equals(Double)
        /// Above the limit that applies at the device's zone and local hour, plus the margin.
        case aboveLimit(standard: String, margin: Double)
        /// Above the speed limit of the fence in which the vehicle is, plus the margin.
        case aboveFenceLimit(margin: Double)
        /// The subject itself says yes or no.
        case holds
    }

    public var subject: Subject
    public var test: Test
    /// `clear_below` of an `above`, `clear_above` of a `below`; nil clears at the bound itself.
    public var clear: Double?
    /// Share of a window that readings must cover, 0 to 1.
    public var minimumCoverage: Double
    /// Of a window of `laeq`: the meter whose level over the same window is taken away.
    public var background: String?

    public static let defaultCoverage = 0.75

    public init(_ subject: Subject, _ test: Test, clear: Double? = nil, minimumCoverage: Double = defaultCoverage) {
        self.subject = subject
        self.test = test
        self.clear = clear
        self.minimumCoverage = minimumCoverage
    }

    /// What the leaf's values are, where they are numbers of a metric.
    public var metric: RuleMetric? {
        switch subject {
        case .metric(let metric), .window(let metric, _, _), .rate(let metric, _), .changes(let metric), .returns(let metric):
            metric
        case .absence, .missed, .count, .fence: nil
        }
    }

    /// Of its values, for people.
    public var unit: String {
        switch subject {
        case .metric(let metric), .window(let metric, _, _): metric.unit
        case .rate(let metric, let per): metric.unit + "/" + durationText(per)
        case .absence, .missed: "s"
        case .changes, .returns, .count, .fence: ""
        }
    }
}

/// A fence, or every fence of a kind, and how the device stands to it.
public struct FenceLeaf: Sendable, Equatable {
    public enum Relation: String, Sendable, CaseIterable { case inside, outside, entered, left }

    public var relation: Relation
    /// Ids of fences, or `kind:NAME` for all of a kind.
    public var fences: [String]
    /// A new side counts when it has lasted so long.
    public var debounceMilliseconds: Int64
    /// Fixes less accurate than this say nothing.
    public var accuracyMetres: Double

    public init(_ relation: Relation, _ fences: [String], debounceMilliseconds: Int64, accuracyMetres: Double) {
        self.relation = relation
        self.fences = fences
        self.debounceMilliseconds = debounceMilliseconds
        self.accuracyMetres = accuracyMetres
    }
}

/// `90s`, `10m`, `1h`: the shortest whole form of a duration.
public func durationText(_ milliseconds: Int64) -> String {
    for (unit, scale) in [("d", Int64(86_400_000)), ("h", 3_600_000), ("m", 60_000), ("s", 1000)]
    where milliseconds >= scale && milliseconds % scale == 0 {
        return "\(milliseconds / scale)\(unit)"
    }
    return "\(milliseconds)ms"
}
