public import Telemetry

/// What a rule remembers of a device between readings: when the newest reading it judged began and ended.
@frozen
public struct Evaluated: BitwiseCopyable, Sendable {
    public var ts: Timestamp
    public var end: Timestamp

    public init(ts: Timestamp = .distantPast, end: Timestamp = .distantPast) {
        self.ts = ts
        self.end = end
    }

    /// Takes a judged reading in; an older one changes nothing.
    @inlinable
    public mutating func advance(_ reading: borrowing Reading) {
        if reading.ts >= ts {
            ts = reading.ts
            end = reading.end
        }
    }
}

/// The life of one alert, a pure state machine: inactive → pending → firing → resolved. `nil` is inactive.
@frozen
public struct AlertLifecycle: BitwiseCopyable, Sendable, Equatable {
    public var isFiring: Bool
    public var startedAt: Timestamp
    /// Meaningful while firing: the end of the reading by which the level had been passed for long enough.
    public var firedAt: Timestamp
    /// The most extreme value since `startedAt`.
    public var value: Double

    public init(isFiring: Bool, startedAt: Timestamp, firedAt: Timestamp, value: Double) {
        self.isFiring = isFiring
        self.startedAt = startedAt
        self.firedAt = firedAt
        self.value = value
    }

    enum Step {
        /// Nothing that anybody must know.
        case unchanged
        /// Pending began or began afresh, or the value rose.
        case changed
        case fired
        /// Pending ended without firing.
        case vanished
        case resolved
    }

    /// Advances with one reading in order of arrival.
    ///
    /// A reading holds from its `ts` for its period. A gap of more than max(2 × period, 10 s) between the end of the
    /// newest judged reading and this one starts pending afresh. A late reading re-evaluates the present only: it can
    /// break a pending run, never retract a transition.
    static func step(
        _ state: inout AlertLifecycle?, rule: borrowing CompiledRule, reading: borrowing Reading, value: Double,
        before: Evaluated
    ) -> Step {
        let isOver = rule.isOver(value)
        if reading.ts < before.ts { return late(&state, isOver: isOver, ts: reading.ts, newest: before.ts) }

        guard var current = state else {
            guard isOver else { return .unchanged }
            state = begin(rule, reading, value)
            return state!.isFiring ? .fired : .changed
        }
        if current.isFiring {
            if rule.isClear(value) { return .resolved }
            guard rule.isMoreExtreme(value, than: current.value) else { return .unchanged }
            current.value = value
            state = current
            return .changed
        }
        guard isOver else {
            state = nil
            return .vanished
        }
        if reading.ts - before.end > max(2 * Int64(reading.periodMilliseconds), 10_000) {
            state = begin(rule, reading, value)
            return state!.isFiring ? .fired : .changed
        }
        if rule.isMoreExtreme(value, than: current.value) { current.value = value }
        if reading.end - current.startedAt >= rule.holdMilliseconds {
            current.isFiring = true
            current.firedAt = reading.end
            state = current
            return .fired
        }
        let moved = current != state
        state = current
        return moved ? .changed : .unchanged
    }

    private static func begin(
        _ rule: borrowing CompiledRule, _ reading: borrowing Reading, _ value: Double
    ) -> AlertLifecycle {
        let fires = reading.end - reading.ts >= rule.holdMilliseconds
        return AlertLifecycle(isFiring: fires, startedAt: reading.ts, firedAt: reading.end, value: value)
    }

    private static func late(
        _ state: inout AlertLifecycle?, isOver: Bool, ts: Timestamp, newest: Timestamp
    ) -> Step {
        guard let current = state, !current.isFiring, !isOver, ts >= current.startedAt else { return .unchanged }
        state!.startedAt = newest
        return current.startedAt == newest ? .unchanged : .changed
    }
}
