import Telemetry
import Yams

/// The `when` of a rule to a ``When``. All keys of a mapping must hold:
///
/// ```yaml
/// when:
///   hours: 22:00-06:00                       # day, night, hours, or a list of them
///   weekdays: [mon-fri, sun]                 # of the day, or of the evening on which the night starts
///   season: { from: 03-01, until: 06-30 }    # both days included; or a list
///   night_of: holidays                       # hours of the days of a calendar; its nights where no hours are given
///   night_before: exams                      # of the evenings before them
///   calendar: exams                          # while one of its periods runs, or a list
///   before: 30m                              # … from so long before
///   after: 1h                                # … until so long after
///   not: { hours: day }
///   any: [ … ]
///   all: [ … ]
/// ```
enum WhenReader {
    static let keys = [
        "hours", "weekdays", "season", "night_of", "night_before", "calendar", "before", "after", "not", "any", "all",
    ]
    private static let weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

    /// Nil, with problems, where the node is no such mapping; ``When/always`` where there is none.
    static func when(_ node: Node?, _ reader: YAMLReader, _ world: World) -> When? {
        guard let node else { return .always }
        let before = reader.problems.count
        let members = reader.mapping(node, "when", known: keys)
        var parts: [When] = []
        if let hours = dayHours(members, reader, world) { parts.append(.hours(hours)) }
        if let during = during(members, reader, world) { parts.append(during) }
        if let inner = members["not"], let when = when(inner, reader, world) { parts.append(.not(when)) }
        if let inner = members["any"] { parts.append(.any(list(inner, "any", reader, world))) }
        if let inner = members["all"] { parts += list(inner, "all", reader, world) }
        if parts.isEmpty && reader.problems.count == before { reader.problem("'when' is empty; leave it out where a rule always holds", at: node) }
        guard reader.problems.count == before else { return nil }
        return parts.count == 1 ? parts[0] : .all(parts)
    }

    private static func list(_ node: Node, _ key: String, _ reader: YAMLReader, _ world: World) -> [When] {
        guard case .sequence(let nodes) = node, !nodes.isEmpty else {
            reader.problem("'\(key)' is a list of conditions of time", at: node)
            return []
        }
        return nodes.compactMap { when($0, reader, world) }
    }

    private static func dayHours(_ members: [String: Node], _ reader: YAMLReader, _ world: World) -> DayHours? {
        var result = DayHours()
        var isGiven = false
        if let node = members["hours"] {
            result.hours = hours(node, reader, world)
            isGiven = true
        }
        if let node = members["weekdays"] {
            result.weekdays = weekdays(node, reader)
            isGiven = true
        }
        if let node = members["season"] {
            result.seasons = reader.list(node).compactMap { season($0, reader) }
            isGiven = true
        }
        var days: [DaySet] = []
        for (key, offset) in [("night_of", 0), ("night_before", -1)] {
            guard let node = members[key] else { continue }
            days.append(DaySet(calendars(node, key, reader, world).flatMap { $0.days(in: world.zone, movedBy: offset).ranges }))
            if members["hours"] == nil { result.hours = [world.limits.night] }
            isGiven = true
        }
        if days.count > 1 { reader.problem("'when' has 'night_of' or 'night_before', not both; use 'any'", at: members["night_before"]) }
        result.days = days.first
        return isGiven ? result : nil
    }

    private static func during(_ members: [String: Node], _ reader: YAMLReader, _ world: World) -> When? {
        let before = reader.duration(members["before"], "before") ?? 0
        let after = reader.duration(members["after"], "after") ?? 0
        guard let node = members["calendar"] else {
            for key in ["before", "after"] where members[key] != nil {
                reader.problem("'\(key)' goes with 'calendar': how long around its periods", at: members[key])
            }
            return nil
        }
        let parts = calendars(node, "calendar", reader, world).map { When.during($0, earlier: before, later: after) }
        return parts.count == 1 ? parts[0] : .any(parts)
    }

    private static func calendars(_ node: Node, _ key: String, _ reader: YAMLReader, _ world: World) -> [EventCalendar] {
        reader.list(node).compactMap { node in
            guard let id = reader.text(node, key) else { return nil }
            if let calendar = world.calendar(id) { return calendar }
            reader.problem("no calendar has the id '\(id)'\(hint(id, among: world.calendars.map(\.id)))", at: node)
            return nil
        }
    }

    private static func hours(_ node: Node, _ reader: YAMLReader, _ world: World) -> [HourRange] {
        reader.list(node).compactMap { node in
            guard let text = reader.text(node, "hours") else { return nil }
            if let range = text == "day" ? world.limits.day : text == "night" ? world.limits.night : HourRange(text) { return range }
            reader.problem("hours is day, night or a range such as 22:00-06:00, not '\(text)'", at: node)
            return nil
        }
    }

    private static func weekdays(_ node: Node, _ reader: YAMLReader) -> UInt8 {
        var mask: UInt8 = 0
        for node in reader.list(node) {
            guard let text = reader.text(node, "weekdays") else { continue }
            let ends = text.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
            let numbers = ends.compactMap { weekdays.firstIndex(of: $0) }
            guard numbers.count == ends.count, (1...2).contains(ends.count) else {
                let wrong = ends.first { !weekdays.contains($0) } ?? text
                reader.problem("weekdays is mon, tue, wed, thu, fri, sat, sun or mon-fri, not '\(text)'\(nearest(wrong, in: weekdays).map { "; did you mean '\($0)'?" } ?? "")", at: node)
                continue
            }
            var day = numbers[0]
            mask |= 1 << UInt8(day + 1)
            // Over Sunday where the second comes first in the week.
            while day != numbers[numbers.count - 1] {
                day = (day + 1) % 7
                mask |= 1 << UInt8(day + 1)
            }
        }
        return mask
    }

    private static func season(_ node: Node, _ reader: YAMLReader) -> Season? {
        let members = reader.mapping(node, "a season", known: ["from", "until"])
        func date(_ key: String) -> (month: Int, day: Int)? {
            guard let text = reader.text(members[key], key) else {
                if members[key] == nil { reader.problem("a season needs the key '\(key)', a date such as 03-01", at: node) }
                return nil
            }
            let parts = text.split(separator: "-", omittingEmptySubsequences: false)
            if parts.map(\.count) == [2, 2], let month = LocalTimeText.digits(parts[0]), let day = LocalTimeText.digits(parts[1]),
                LocalDay(year: 2024, month: month, day: day) != nil
            {
                return (month, day)
            }
            reader.problem("\(key) is a month and a day such as 03-01, not '\(text)'", at: members[key])
            return nil
        }
        let (first, last) = (date("from"), date("until"))
        guard let from = first, let until = last else { return nil }
        return Season(fromMonth: from.month, day: from.day, untilMonth: until.month, day: until.day)
    }
}
