public import Telemetry

/// A quantity of a kind that a rule may judge. Those that are sent come from the kind's description; those that are
/// computed are named in ``derived(of:)``: here and nowhere else.
public struct RuleMetric: Sendable, Equatable, CustomStringConvertible {
    public enum Source: Sendable, Equatable {
        /// `Reading.values[index]`.
        case value(index: Int)
        /// `Reading.bits`, 0 or 1.
        case bit(Int)
        case text(TextKind)
        /// Speed in km/h that two successive fixes imply.
        case impliedSpeed
        /// Metres between two successive fixes.
        case jump
        /// Whether another gateway has brought the device's id since its reading before, 0 or 1.
        case secondGateway
    }

    public enum TextKind: UInt8, Sendable { case officer, boot }

    public let name: String
    public let unit: String
    public let range: ClosedRange<Double>
    public let source: Source

    /// Enough in a rule, which is of one kind.
    public var description: String { name }

    /// Whether its values are sound levels, which are averaged by energy.
    public var isLevel: Bool { unit == "dB(A)" }

    public var isText: Bool {
        if case .text = source { return true }
        return false
    }

    /// Every metric of a kind, in the order of the payload.
    public static func all(of kind: Kind) -> [RuleMetric] {
        kind.description.fields.compactMap { field in
            switch field.storage {
            case .number(let index, let range, _):
                RuleMetric(name: field.name, unit: field.unit, range: range, source: .value(index: index))
            case .bool(let bit): RuleMetric(name: field.name, unit: "", range: 0...1, source: .bit(bit))
            case .text(.officer): RuleMetric(name: field.name, unit: "", range: 0...1, source: .text(.officer))
            case .text(.boot): RuleMetric(name: field.name, unit: "", range: 0...1, source: .text(.boot))
            case .flags, .time, .period: nil
            }
        } + derived(of: kind)
    }

    public static func named(_ name: String, of kind: Kind) -> RuleMetric? { all(of: kind).first { $0.name == name } }

    private static func derived(of kind: Kind) -> [RuleMetric] {
        let ofAnyKind = [RuleMetric(name: "second_gateway", unit: "", range: 0...1, source: .secondGateway)]
        guard kind == .vehicle else { return ofAnyKind }
        return ofAnyKind + [
            RuleMetric(name: "implied_kmh", unit: "km/h", range: 0...100_000, source: .impliedSpeed),
            RuleMetric(name: "jump_m", unit: "m", range: 0...20_100_000, source: .jump),
        ]
    }
}

/// How the readings of a window become one value.
public enum Aggregate: String, Sendable, CaseIterable {
    /// By energy and duration, in dB: levels only.
    case leq
    /// The arithmetic mean, weighted by duration: what is not a level.
    case mean
    case max, min
    /// The level exceeded a tenth, or nine tenths, of the time.
    case l10, l90

    /// Percent of the time that the level is exceeded.
    var percent: Int64? {
        switch self {
        case .l10: 10
        case .l90: 90
        case .leq, .mean, .max, .min: nil
        }
    }
}
