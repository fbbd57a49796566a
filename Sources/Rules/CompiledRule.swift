import Telemetry

/// A rule in the form the hot path evaluates: flat, no references.
@frozen
public struct CompiledRule: BitwiseCopyable, Sendable {
    /// Index into ``RuleSet/definitions``.
    public let index: Int32
    let valueIndex: Int32
    let isBit: Bool
    let isAbove: Bool
    let level: Double
    let clear: Double
    /// Without a clear level of its own the alert clears at the bound itself.
    let clearsAtBound: Bool
    let holdMilliseconds: Int64

    init?(_ definition: RuleDefinition, index: Int32) {
        guard let field = definition.kind.description.field(named: definition.metric) else { return nil }
        switch field.storage {
        case .number(let value, _, _): (valueIndex, isBit) = (Int32(value), false)
        case .bool(let bit): (valueIndex, isBit) = (Int32(bit), true)
        case .flags, .time, .text, .period: return nil
        }
        switch definition.bound {
        case .above(let bound): (isAbove, level) = (true, bound)
        case .below(let bound): (isAbove, level) = (false, bound)
        }
        clear = definition.clear ?? level
        clearsAtBound = definition.clear == nil
        holdMilliseconds = definition.holdMilliseconds
        self.index = index
    }

    /// The metric's value, nil where the reading does not carry it; booleans are 0 or 1.
    @inline(__always)
    func value(of reading: borrowing Reading) -> Double? {
        if isBit { return reading.bit(Int(valueIndex)).map { $0 ? 1 : 0 } }
        return reading.value(Int(valueIndex))
    }

    @inline(__always)
    func isOver(_ value: Double) -> Bool { isAbove ? value > level : value < level }

    @inline(__always)
    func isClear(_ value: Double) -> Bool {
        if clearsAtBound { return !isOver(value) }
        return isAbove ? value < clear : value > clear
    }

    @inline(__always)
    func isMoreExtreme(_ value: Double, than other: Double) -> Bool { isAbove ? value > other : value < other }
}

/// The rules of one configuration, in the order of their files.
public struct RuleSet: Sendable {
    public let definitions: [RuleDefinition]
    let compiled: [[CompiledRule]]

    /// Definitions whose metric the kind does not have are a bug: `Settings` has refused them.
    public init(_ definitions: [RuleDefinition] = []) {
        self.definitions = definitions
        compiled = Kind.allCases.map { kind in
            definitions.enumerated().filter { $0.element.kind == kind }.map { index, definition in
                guard let rule = CompiledRule(definition, index: Int32(index)) else {
                    preconditionFailure("rule \(definition.id): \(kind.name) has no metric \(definition.metric)")
                }
                return rule
            }
        }
    }
}
