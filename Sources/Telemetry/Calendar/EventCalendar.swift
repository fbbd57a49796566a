/// Periods with names: exam times, nights of a ban, holidays. The name says that this is no calendar of months and years.
public struct EventCalendar: Sendable, Equatable {
    public struct Period: Sendable, Hashable {
        public var from: Timestamp
        /// The first moment after it.
        public var until: Timestamp
        /// What it is, for people.
        public var title: String

        public init(from: Timestamp, until: Timestamp, title: String = "") {
            self.from = from
            self.until = until
            self.title = title
        }
    }

    public let id: String
    public let name: String
    /// By beginning, then end.
    public let periods: [Period]

    public init(id: String, name: String, periods: [Period]) {
        self.id = id
        self.name = name
        self.periods = periods.sorted { ($0.from, $0.until, $0.title) < ($1.from, $1.until, $1.title) }
    }

    /// The days on which one of the periods runs, moved by a number of days: −1 for the evenings before.
    public func days(in zone: LocalZone, movedBy offset: Int = 0) -> DaySet {
        DaySet(
            periods.filter { $0.from < $0.until }.map { period in
                zone.day(period.from) + offset...max(zone.day(period.from), zone.day(period.until + -1)) + offset
            })
    }

    /// The periods that run at a moment, in order. O(n): for people, not for the hot path.
    public func periods(at moment: Timestamp) -> [Period] { periods.filter { $0.from <= moment && moment < $0.until } }
}

/// Days as sorted ranges that neither meet nor overlap.
public struct DaySet: Sendable, Equatable {
    public let ranges: [ClosedRange<LocalDay>]

    public init(_ ranges: [ClosedRange<LocalDay>]) {
        var merged: [ClosedRange<LocalDay>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound + 1 {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        self.ranges = merged
    }

    /// O(log n).
    public func holds(_ day: LocalDay) -> Bool {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < day { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= day
    }
}

/// Stretches of time, sorted; none meets or overlaps another. Those without length are left out.
public struct IntervalSet: Sendable, Equatable {
    /// Beginning, end, beginning, end …
    private let changes: [Timestamp]

    public init(_ intervals: [(from: Timestamp, until: Timestamp)]) {
        var changes: [Timestamp] = []
        for (from, until) in intervals.filter({ $0.from < $0.until }).sorted(by: { $0.from < $1.from }) {
            if let last = changes.last, from <= last {
                changes[changes.count - 1] = max(last, until)
            } else {
                changes += [from, until]
            }
        }
        self.changes = changes
    }

    /// The longest stretch around the moment in which nothing changes. O(log n).
    public func state(at moment: Timestamp) -> WhenState {
        var (low, high) = (0, changes.count)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle] <= moment { low = middle + 1 } else { high = middle }
        }
        return WhenState(
            isActive: low % 2 == 1, from: low == 0 ? .distantPast : changes[low - 1],
            until: low == changes.count ? .distantFuture : changes[low])
    }
}
