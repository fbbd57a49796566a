/// What a question of time answers for a moment: yes or no, and how long that holds. The state is the same in all of
/// [`from`, `until`); what lies outside must be asked again.
@frozen
public struct WhenState: BitwiseCopyable, Sendable, Equatable {
    public var isActive: Bool
    public var from: Timestamp
    public var until: Timestamp

    @inlinable
    public init(isActive: Bool, from: Timestamp = .distantPast, until: Timestamp = .distantFuture) {
        self.isActive = isActive
        self.from = from
        self.until = until
    }

    /// Knows nothing yet: holds at no moment.
    public static let unknown = WhenState(isActive: false, from: .distantFuture, until: .distantPast)

    @inlinable
    public func holds(at moment: Timestamp) -> Bool { from <= moment && moment < until }

    /// For as long as both hold.
    @inlinable
    func meeting(_ other: WhenState, isActive: Bool) -> WhenState {
        WhenState(isActive: isActive, from: max(from, other.from), until: min(until, other.until))
    }
}

extension Timestamp {
    /// After every moment a reading can have.
    public static let distantFuture = Timestamp(milliseconds: .max / 4)
}

/// When something applies, by the clocks of a zone and by calendars: a pure function of the moment.
public indirect enum When: Sendable, Equatable {
    case always
    /// Hours of days.
    case hours(DayHours)
    /// The periods of a calendar, each from so many milliseconds earlier and until so many later (both may be negative).
    case during(EventCalendar, earlier: Int64, later: Int64)
    case not(When)
    case all([When])
    case any([When])
}

/// A ``When`` made ready for a zone.
///
/// ``state(at:)`` costs some tens of nanoseconds and a binary search in each calendar's periods; the hot path keeps the
/// answer in a ``WhenMemory`` and asks again only where it no longer holds. Neither allocates.
public final class Schedule: Sendable {
    private indirect enum Node: Sendable {
        case constant(Bool)
        case hours(DayHours)
        case intervals(IntervalSet)
        case not(Node)
        case all([Node])
        case any([Node])
    }

    public let when: When
    public let zone: LocalZone
    private let node: Node

    public init(_ when: When, zone: LocalZone) {
        self.when = when
        self.zone = zone
        node = Schedule.node(when)
    }

    private static func node(_ when: When) -> Node {
        switch when {
        case .always: .constant(true)
        case .hours(let hours): .hours(hours)
        case .during(let calendar, let earlier, let later):
            .intervals(
                IntervalSet(calendar.periods.map { (from: $0.from + -earlier, until: $0.until + later) }))
        case .not(let inner): .not(node(inner))
        case .all(let inner): .all(inner.map(node))
        case .any(let inner): .any(inner.map(node))
        }
    }

    public func isActive(at moment: Timestamp) -> Bool { state(at: moment).isActive }

    /// Whether it applies at the moment, and a stretch around it in which the answer is the same (at most a day or so
    /// where hours of the day are asked for).
    public func state(at moment: Timestamp) -> WhenState { state(node, moment) }

    private func state(_ node: Node, _ moment: Timestamp) -> WhenState {
        switch node {
        case .constant(let isActive): return WhenState(isActive: isActive)
        case .hours(let hours): return hours.state(at: moment, in: zone)
        case .intervals(let set): return set.state(at: moment)
        case .not(let inner):
            var result = state(inner, moment)
            result.isActive.toggle()
            return result
        case .all(let inner):
            var result = WhenState(isActive: true)
            for each in inner {
                let next = state(each, moment)
                if !next.isActive { return next }
                result = result.meeting(next, isActive: true)
            }
            return result
        case .any(let inner):
            var result = WhenState(isActive: false)
            for each in inner {
                let next = state(each, moment)
                if next.isActive { return next }
                result = result.meeting(next, isActive: false)
            }
            return result
        }
    }
}

/// The last answer of a schedule: what a hot path keeps beside each rule.
@frozen
public struct WhenMemory: BitwiseCopyable, Sendable {
    public var state = WhenState.unknown

    @inlinable
    public init() {}

    @inlinable
    public mutating func isActive(_ schedule: Schedule, at moment: Timestamp) -> Bool {
        if !state.holds(at: moment) { state = schedule.state(at: moment) }
        return state.isActive
    }
}
