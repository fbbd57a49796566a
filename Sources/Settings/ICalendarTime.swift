import Telemetry

/// A DATE or DATE-TIME of RFC 5545 §3.3.4–5, with its zone.
struct ICalendarTime {
    var day: LocalDay
    /// Since 00:00; nil of a date.
    var milliseconds: Int64?
    let zone: LocalZone

    /// - Parameter zone: of a time that does not end in `Z`.
    init?(_ text: some StringProtocol, zone: LocalZone) {
        let parts = text.split(separator: "T", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts[0].count == 8, let date = LocalTimeText.digits(parts[0]),
            let day = LocalDay(year: date / 10_000, month: date / 100 % 100, day: date % 100)
        else { return nil }
        self.day = day
        guard parts.count == 2 else {
            self.zone = zone
            return
        }
        let isUTC = parts[1].hasSuffix("Z")
        let clock = isUTC ? parts[1].dropLast() : parts[1][...]
        guard clock.count == 6, let time = LocalTimeText.digits(clock), time / 10_000 < 24, time / 100 % 100 < 60, time % 100 <= 60
        else { return nil }
        self.zone = isUTC ? .utc : zone
        milliseconds = Int64(time / 10_000 * 3600 + time / 100 % 100 * 60 + min(59, time % 100)) * 1000
    }

    var isDate: Bool { milliseconds == nil }

    func on(_ day: LocalDay) -> ICalendarTime {
        var copy = self
        copy.day = day
        return copy
    }

    /// Of a date its beginning. A time that the clock shows twice is the first; one that a change leaves out counts by the
    /// offset before the change (§3.3.5).
    var moment: Timestamp { ICalendarTime.moment(day, milliseconds ?? 0, zone) }

    private static func moment(_ day: LocalDay, _ milliseconds: Int64, _ zone: LocalZone) -> Timestamp {
        let moment = zone.moment(day, milliseconds)
        let shown = zone.local(moment)
        if shown.day == day && shown.milliseconds == milliseconds { return moment }
        return Timestamp(milliseconds: Int64(day.number) * 86_400_000 + milliseconds) + -zone.offset(at: moment + -1)
    }

    /// The end of an event that starts here: days by the calendar, the rest exact (§3.8.5.3, §3.3.6).
    func end(after length: ICalendarLength) -> Timestamp {
        let start = length.days == 0 ? moment : ICalendarTime.moment(day + length.days, milliseconds ?? 0, zone)
        return start + length.milliseconds
    }

    /// Equal for the same moment, or the same date.
    var key: [Int64] { isDate ? [Int64(day.number)] : [0, moment.milliseconds] }
}

/// A DURATION of RFC 5545 §3.3.6; not negative.
struct ICalendarLength {
    var days = 0
    var milliseconds: Int64 = 0

    init(days: Int = 0, milliseconds: Int64 = 0) {
        self.days = days
        self.milliseconds = milliseconds
    }

    init?(_ text: String) {
        var rest = text.uppercased()[...]
        if rest.first == "+" { rest.removeFirst() }
        guard rest.popFirst() == "P", !rest.isEmpty else { return nil }
        var isTime = false
        var seen = false
        while !rest.isEmpty {
            if rest.first == "T", !isTime {
                rest.removeFirst()
                isTime = true
                seen = false
                continue
            }
            let number = rest.prefix { $0.isASCII && $0.isNumber }
            guard let value = Int(number), value < 1_000_000 else { return nil }
            rest = rest[number.endIndex...]
            switch (rest.popFirst(), isTime) {
            case ("W", false): days += 7 * value
            case ("D", false): days += value
            case ("H", true): milliseconds += Int64(value) * 3_600_000
            case ("M", true): milliseconds += Int64(value) * 60_000
            case ("S", true): milliseconds += Int64(value) * 1000
            default: return nil
            }
            seen = true
        }
        guard seen, days > 0 || milliseconds > 0 else { return nil }
    }
}
