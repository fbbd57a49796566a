import Telemetry

/// A recurrence rule (RFC 5545 §3.3.10): FREQ of DAILY, WEEKLY or YEARLY with INTERVAL, COUNT, UNTIL, BYDAY and WKST.
///
/// A rule without COUNT and UNTIL goes on until 2100, the last moment a reading may state.
struct ICalendarRule {
    struct Fault: Error { var message: String }

    private enum Frequency: String, CaseIterable { case daily = "DAILY", weekly = "WEEKLY", yearly = "YEARLY" }

    private static let weekdays = ["MO": 1, "TU": 2, "WE": 3, "TH": 4, "FR": 5, "SA": 6, "SU": 7]

    private let start: ICalendarTime
    private var frequency = Frequency.daily
    private var interval = 1
    private var count: Int?
    /// Inclusive; a date is that whole day.
    private var until: ICalendarTime?
    /// ISO weekdays, empty where BYDAY is not given.
    private var days: Set<Int> = []
    private var weekStart = 1

    init(_ text: String, start: ICalendarTime) throws(Fault) {
        self.start = start
        var seen: Set<String> = []
        for part in text.split(separator: ";") {
            let pair = part.split(separator: "=", maxSplits: 1).map { $0.uppercased() }
            guard pair.count == 2 else { throw Fault(message: "RRULE is NAME=value;…, not '\(part)'") }
            guard seen.insert(pair[0]).inserted else { throw Fault(message: "RRULE states \(pair[0]) twice") }
            try take(pair[0], pair[1])
        }
        guard seen.contains("FREQ") else { throw Fault(message: "RRULE needs FREQ") }
        guard count == nil || until == nil else { throw Fault(message: "RRULE has COUNT or UNTIL, not both") }
        if !days.isEmpty && frequency == .yearly { throw Fault(message: "BYDAY goes with DAILY or WEEKLY; write an event for each year") }
    }

    private mutating func take(_ name: String, _ value: String) throws(Fault) {
        func whole(_ range: ClosedRange<Int>) throws(Fault) -> Int {
            guard let number = Int(value), range.contains(number) else {
                throw Fault(message: "\(name) is a whole number from \(range.lowerBound) to \(range.upperBound), not '\(value)'")
            }
            return number
        }
        switch name {
        case "FREQ":
            guard let frequency = Frequency(rawValue: value) else {
                throw Fault(message: "FREQ is one of DAILY, WEEKLY, YEARLY, not '\(value)'\(hint(value, among: Frequency.allCases.map(\.rawValue)))")
            }
            self.frequency = frequency
        case "INTERVAL": interval = try whole(1...10_000)
        case "COUNT": count = try whole(1...1_000_000)
        case "UNTIL":
            guard let time = ICalendarTime(value, zone: start.zone) else { throw Fault(message: "UNTIL is a date or a time, not '\(value)'") }
            until = time
        case "WKST": weekStart = try weekday(value)
        case "BYDAY": for day in value.split(separator: ",") { days.insert(try weekday(String(day))) }
        // Often written beside YEARLY though they say nothing new.
        case "BYMONTH" where value == String(start.day.date.month), "BYMONTHDAY" where value == String(start.day.date.day): break
        default: throw Fault(message: "\(name)=\(value) is not read; known: FREQ, INTERVAL, COUNT, UNTIL, BYDAY, WKST")
        }
    }

    private func weekday(_ name: String) throws(Fault) -> Int {
        guard let day = ICalendarRule.weekdays[name] else { throw Fault(message: "a weekday is MO, TU, WE, TH, FR, SA or SU, not '\(name)'") }
        return day
    }

    /// The first starts; those before 2000 count and are left out.
    func starts(atMost limit: Int) -> [ICalendarTime] {
        var result: [ICalendarTime] = []
        var taken = 0
        var step = 0
        while let candidates = candidates(step) {
            step += 1
            for day in candidates where day >= start.day {
                let time = start.on(day)
                if let until, until.isDate ? day > until.day : time.moment > until.moment { return result }
                taken += 1
                if time.moment >= .firstAccepted { result.append(time) }
                if taken == count || result.count == limit { return result }
            }
        }
        return result
    }

    /// The days of the rule's `step`th day, week or year in order; nil past the end of 2099.
    private func candidates(_ step: Int) -> [LocalDay]? {
        let first: LocalDay
        var candidates: [LocalDay]
        switch frequency {
        case .daily:
            first = start.day + step * interval
            candidates = days.isEmpty || days.contains(first.isoWeekday) ? [first] : []
        case .weekly:
            let back = (start.day.isoWeekday - weekStart + 7) % 7
            first = start.day + (7 * interval * step - back)
            let wanted = days.isEmpty ? [start.day.isoWeekday] : days
            candidates = (0..<7).map { first + $0 }.filter { wanted.contains($0.isoWeekday) }
        case .yearly:
            let date = start.day.date
            guard date.year + step * interval < 2100 else { return nil }
            // 29 February comes in leap years only.
            candidates = LocalDay(year: date.year + step * interval, month: date.month, day: date.day).map { [$0] } ?? []
            first = start.day
        }
        return Int64(first.number) * 86_400_000 < Timestamp.lastAccepted.milliseconds ? candidates : nil
    }
}
