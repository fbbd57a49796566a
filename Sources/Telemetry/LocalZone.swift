/// A date of the proleptic Gregorian calendar in some zone: days since 1970-01-01.
@frozen
public struct LocalDay: BitwiseCopyable, Sendable, Hashable, Comparable {
    public var number: Int32

    @inlinable
    public init(number: Int32) { self.number = number }

    /// Nil where there is no such date.
    public init?(year: Int, month: Int, day: Int) {
        guard (1...12).contains(month), day >= 1, day <= Int(Timestamp.daysIn(month: Int64(month), of: Int64(year)))
        else { return nil }
        number = Int32(daysSinceEpoch(year: Int64(year), month: Int64(month), day: Int64(day)))
    }

    @inlinable
    public static func < (a: LocalDay, b: LocalDay) -> Bool { a.number < b.number }
    @inlinable
    public static func + (day: LocalDay, days: Int) -> LocalDay { LocalDay(number: day.number + Int32(days)) }
    @inlinable
    public static func - (a: LocalDay, b: LocalDay) -> Int { Int(a.number - b.number) }

    public var date: (year: Int, month: Int, day: Int) {
        let date = civilDate(daysSinceEpoch: Int64(number))
        return (Int(date.year), Int(date.month), Int(date.day))
    }

    /// 1 Monday … 7 Sunday (ISO 8601).
    public var isoWeekday: Int {
        let rest = (Int(number) + 3) % 7
        return (rest < 0 ? rest + 7 : rest) + 1
    }

    /// `2024-06-07` (RFC 3339 §5.6, full-date).
    public var text: String { String(Timestamp(milliseconds: Int64(number) * 86_400_000).rfc3339().prefix(10)) }
}

/// What the clocks of a time zone show: its offsets from UTC as a table, so that a look-up is a search among a few
/// numbers and no call of the system. Covers ``Timestamp/firstAccepted`` to ``Timestamp/lastAccepted``; before and after,
/// the first and last offset hold.
public struct LocalZone: Sendable, Equatable {
    /// Of the IANA time zone database, for example `Asia/Shanghai`.
    public let identifier: String
    /// `offsets[i]` holds from `starts[i]` on; `starts[0]` is ``Timestamp/distantPast``.
    private let starts: [Timestamp]
    private let offsets: [Int64]

    init(identifier: String, starts: [Timestamp], offsets: [Int64]) {
        precondition(starts.count == offsets.count && starts.first == .distantPast)
        self.identifier = identifier
        self.starts = starts
        self.offsets = offsets
    }

    /// Milliseconds east of Greenwich at a moment. O(log n) in the zone's changes; O(1) where there are none.
    public func offset(at moment: Timestamp) -> Int64 {
        if offsets.count == 1 { return offsets[0] }
        var low = 0
        var high = starts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= moment { low = middle } else { high = middle }
        }
        return offsets[low]
    }

    /// The date and the milliseconds since 00:00 that a clock on the wall shows.
    public func local(_ moment: Timestamp) -> (day: LocalDay, milliseconds: Int64) {
        let shown = moment + offset(at: moment)
        let midnight = shown.bucketStart(widthMilliseconds: 86_400_000)
        return (LocalDay(number: Int32(midnight.milliseconds / 86_400_000)), shown - midnight)
    }

    public func day(_ moment: Timestamp) -> LocalDay { local(moment).day }

    /// The moment at which the clock shows `milliseconds` after 00:00 of `day`; may be 24:00 and more. Of a time shown
    /// twice the first; for one that a change leaves out, the moment of the change.
    public func moment(_ day: LocalDay, _ milliseconds: Int64 = 0) -> Timestamp {
        let shown = Timestamp(milliseconds: Int64(day.number) * 86_400_000 + milliseconds)
        if offsets.count == 1 { return shown + -offsets[0] }
        // The offset lies within a day of `shown` read as UTC; candidates are tried in order of time.
        var index = 0
        while index + 1 < starts.count, starts[index + 1] + 86_400_000 < shown { index += 1 }
        while true {
            let candidate = shown + -offsets[index]
            if index + 1 == starts.count || candidate < starts[index + 1] { return max(candidate, starts[index]) }
            index += 1
        }
    }
}
