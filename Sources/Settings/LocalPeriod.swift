public import Telemetry

/// A stretch of local time as people say it: `yesterday`, `last night`, `2024-06-07 night`, `2024-06`.
public struct LocalPeriod: Sendable, Equatable {
    public var from: Timestamp
    public var to: Timestamp

    /// What ``init(_:zone:now:dayStarts:nightStarts:)`` understands, for messages.
    public static let words =
        "today, yesterday, tonight, last night, this week, last week, this month, last month, 2024, 2024-06, 2024-06-07, "
        + "2024-06-07 day, 2024-06-07 night, or two of these with '..' between"

    /// Nil where the text is none of ``words``.
    ///
    /// A day is a date from midnight to midnight (`day` behind a date: from `dayStarts` to `nightStarts`); a night belongs to
    /// the evening on which it starts. Weeks begin on Monday (ISO 8601).
    /// - Parameters:
    ///   - dayStarts: in ms after local midnight, like `nightStarts`.
    public init?(_ text: String, zone: LocalZone, now: Timestamp, dayStarts: Int64, nightStarts: Int64) {
        let parts = text.split(separator: "..", omittingEmptySubsequences: false)
        func part(_ text: Substring) -> LocalPeriod? {
            LocalPeriod.one(
                text.split(separator: " ").map { $0.lowercased() }, zone, now, dayStarts: dayStarts, nightStarts: nightStarts)
        }
        if parts.count == 2 {
            guard let first = part(parts[0]), let last = part(parts[1]), first.from < last.to else { return nil }
            self.init(from: first.from, to: last.to)
        } else {
            guard parts.count == 1, let only = part(parts[0]) else { return nil }
            self = only
        }
    }

    public init(from: Timestamp, to: Timestamp) {
        self.from = from
        self.to = to
    }

    private static func one(
        _ words: [String], _ zone: LocalZone, _ now: Timestamp, dayStarts: Int64, nightStarts: Int64
    ) -> LocalPeriod? {
        let today = zone.day(now)
        func days(_ first: LocalDay, _ last: LocalDay) -> LocalPeriod {
            LocalPeriod(from: zone.moment(first), to: zone.moment(last))
        }
        func night(_ day: LocalDay) -> LocalPeriod {
            LocalPeriod(from: zone.moment(day, nightStarts), to: zone.moment(day + 1, dayStarts))
        }
        func month(_ year: Int, _ month: Int) -> LocalDay {
            // `month` may be 0 or 13.
            let all = year * 12 + month - 1
            return LocalDay(year: all / 12, month: all % 12 + 1, day: 1)!
        }
        let monday = today + (1 - today.isoWeekday)
        switch words.joined(separator: " ") {
        case "today": return days(today, today + 1)
        case "yesterday": return days(today + -1, today)
        case "tonight": return night(today)
        case "last night": return night(today + -1)
        case "this week": return days(monday, monday + 7)
        case "last week": return days(monday + -7, monday)
        case "this month": return days(month(today.date.year, today.date.month), month(today.date.year, today.date.month + 1))
        case "last month": return days(month(today.date.year, today.date.month - 1), month(today.date.year, today.date.month))
        default:
            guard let first = words.first, words.count <= 2 else { return nil }
            let digits = first.split(separator: "-", omittingEmptySubsequences: false)
            let lengths = digits.map(\.utf8.count)
            let numbers = digits.compactMap { $0.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int($0) : nil }
            guard numbers.count == digits.count, lengths == Array([4, 2, 2].prefix(digits.count)),
                (2000...2099).contains(numbers[0])
            else { return nil }
            switch (numbers.count, words.dropFirst().first) {
            case (1, nil): return days(month(numbers[0], 1), month(numbers[0], 13))
            case (2, nil):
                guard (1...12).contains(numbers[1]) else { return nil }
                return days(month(numbers[0], numbers[1]), month(numbers[0], numbers[1] + 1))
            case (3, let part):
                guard let day = LocalDay(year: numbers[0], month: numbers[1], day: numbers[2]) else { return nil }
                switch part {
                case nil: return days(day, day + 1)
                case "night": return night(day)
                case "day": return LocalPeriod(from: zone.moment(day, dayStarts), to: zone.moment(day, nightStarts))
                default: return nil
                }
            default: return nil
            }
        }
    }
}
