/// Hours by the local clock, from one time of day until another; where the second is not after the first, until the next
/// day's: 22:00–06:00 is a night, which belongs to the evening on which it starts.
public struct HourRange: Sendable, Hashable, BitwiseCopyable {
    /// Minutes since 00:00; `until` is at most a day after `from`, so up to 48 h.
    public let fromMinutes: Int
    public let untilMinutes: Int

    /// Nil where a time is none of the day (00:00–24:00) or both are the same.
    public init?(fromMinutes: Int, untilMinutes: Int) {
        guard (0..<1440).contains(fromMinutes), (0...1440).contains(untilMinutes), fromMinutes != untilMinutes else { return nil }
        self.fromMinutes = fromMinutes
        self.untilMinutes = untilMinutes > fromMinutes ? untilMinutes : untilMinutes + 1440
    }

    /// `22:00-06:00`; nil where the text is no such range.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let from = HourRange.minutes(parts[0]), let until = HourRange.minutes(parts[1]) else { return nil }
        self.init(fromMinutes: from, untilMinutes: until)
    }

    /// Minutes since 00:00 of `HH:MM`, up to 24:00.
    public static func minutes(_ text: some StringProtocol) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, (1...2).contains(parts[0].count), parts[1].count == 2,
            parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), minute < 60, hour * 60 + minute <= 1440
        else { return nil }
        return hour * 60 + minute
    }

    public static let wholeDay = HourRange(fromMinutes: 0, untilMinutes: 1440)!
    public static let night = HourRange(fromMinutes: 1320, untilMinutes: 360)!

    public var crossesMidnight: Bool { untilMinutes > 1440 }

    /// From when until when the hours of a day run. Of a time that the clock shows twice the first counts, and for one
    /// that it leaves out the moment of the change.
    public func period(of day: LocalDay, in zone: LocalZone) -> (from: Timestamp, until: Timestamp) {
        // The end's own day, so that hours that a change adds or takes lie inside.
        let untilDay = untilMinutes > 1440 ? day + 1 : day
        let minutes = untilMinutes > 1440 ? untilMinutes - 1440 : untilMinutes
        return (zone.moment(day, Int64(fromMinutes) * 60_000), zone.moment(untilDay, Int64(minutes) * 60_000))
    }

    /// The day to whose hours the moment belongs: a quarter past midnight is the night of the evening before. Nil outside
    /// of the hours.
    public func day(of moment: Timestamp, in zone: LocalZone) -> LocalDay? {
        let today = zone.day(moment)
        for offset in [-1, 0, 1] {
            let (from, until) = period(of: today + offset, in: zone)
            if from <= moment && moment < until { return today + offset }
        }
        return nil
    }

    public var text: String {
        func clock(_ minutes: Int) -> String {
            let (hour, minute) = (minutes / 60, minutes % 60)
            return (hour < 10 ? "0" : "") + "\(hour):" + (minute < 10 ? "0" : "") + "\(minute)"
        }
        return clock(fromMinutes) + "-" + clock(untilMinutes > 1440 ? untilMinutes - 1440 : untilMinutes)
    }
}

/// A part of the year, both days included, over the new year where the second is before the first.
public struct Season: Sendable, Hashable, BitwiseCopyable {
    /// 100 × month + day.
    private let first: Int
    private let last: Int

    /// Nil where one of them is no date; 29 February is one.
    public init?(fromMonth: Int, day fromDay: Int, untilMonth: Int, day untilDay: Int) {
        guard LocalDay(year: 2024, month: fromMonth, day: fromDay) != nil, LocalDay(year: 2024, month: untilMonth, day: untilDay) != nil
        else { return nil }
        first = 100 * fromMonth + fromDay
        last = 100 * untilMonth + untilDay
    }

    public func holds(_ day: LocalDay) -> Bool {
        let date = day.date
        let place = 100 * date.month + date.day
        return first <= last ? first <= place && place <= last : first <= place || place <= last
    }
}

/// Hours of chosen days. The day chooses, the hours follow: with Fridays and 22:00–06:00, Saturday at three is in.
public struct DayHours: Sendable, Equatable {
    /// The whole day where empty.
    public var hours: [HourRange]
    /// ISO 8601: bit 1 Monday … bit 7 Sunday.
    public var weekdays: UInt8
    /// Any season where empty.
    public var seasons: [Season]
    /// The days of a calendar's periods; nil asks nothing.
    public var days: DaySet?

    public static let everyWeekday: UInt8 = 0b1111_1110

    public init(
        hours: [HourRange] = [], weekdays: UInt8 = DayHours.everyWeekday, seasons: [Season] = [], days: DaySet? = nil
    ) {
        self.hours = hours
        self.weekdays = weekdays
        self.seasons = seasons
        self.days = days
    }

    public func isChosen(_ day: LocalDay) -> Bool {
        weekdays >> UInt8(day.isoWeekday) & 1 == 1 && (seasons.isEmpty || seasons.contains { $0.holds(day) })
            && (days?.holds(day) ?? true)
    }

    /// The state at a moment, within its local day and the night that ends in it. Allocates nothing.
    func state(at moment: Timestamp, in zone: LocalZone) -> WhenState {
        var day = zone.day(moment)
        var (begin, end) = (zone.moment(day), zone.moment(day + 1))
        // A clock set back over midnight shows a day twice; days here follow each other.
        if moment < begin { (day, begin, end) = (day + -1, zone.moment(day + -1), begin) }
        if moment >= end { (day, begin, end) = (day + 1, end, zone.moment(day + 2)) }
        var state = WhenState(isActive: false, from: begin, until: end)
        if hours.isEmpty {
            state.isActive = isChosen(day)
            return state
        }
        for back in 0...1 {
            let each = day + -back
            guard isChosen(each) else { continue }
            for range in hours {
                let (from, until) = range.period(of: each, in: zone)
                // Another range that begins or ends inside changes nothing until this one ends.
                if from <= moment && moment < until { return WhenState(isActive: true, from: from, until: until) }
                if from > moment { state.until = min(state.until, from) }
                if until <= moment { state.from = max(state.from, until) }
            }
        }
        return state
    }
}
