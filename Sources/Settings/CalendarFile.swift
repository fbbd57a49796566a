import Foundation
import Telemetry
import Yams

/// Calendars from files: our own YAML (`*.yaml`, `*.yml`) and iCalendar (`*.ics`, one calendar named after the file).
enum CalendarFile {
    /// - Parameter night: the hours of `nights` that state none.
    static func load(paths: [String], zone: LocalZone, night: HourRange) -> Loaded<[EventCalendar]> {
        var problems: [Problem] = []
        var calendars: [EventCalendar] = []
        var taken = TakenNames("calendar")
        for path in FileText.list(paths, endings: [".yaml", ".yml", ".ics"], "calendars", &problems) {
            if path.hasSuffix(".ics") {
                let id = String(path.split(separator: "/").last?.dropLast(4) ?? "")
                if let message = isID(id) ? taken.take(id, at: "\(path):1:1") : "the file's name is the calendar's id: \(idRule)" {
                    problems.append(Problem(path: path, message: message))
                }
                let file = ICalendarFile.load(path: path, id: id, zone: zone)
                problems += file.problems
                if let calendar = file.value { calendars.append(calendar) }
            } else {
                let reader = YAMLReader(path: path)
                if let root = reader.root() { calendars += read(root, reader, zone: zone, night: night, &taken) }
                problems += reader.problems
            }
        }
        return Loaded(calendars, problems)
    }

    static func read(
        _ root: Node, _ reader: YAMLReader, zone: LocalZone, night: HourRange, _ taken: inout TakenNames
    ) -> [EventCalendar] {
        let top = reader.mapping(root, "a calendar file", known: ["calendars"])
        guard case .sequence(let nodes)? = top["calendars"] else {
            reader.problem("a calendar file has the key 'calendars', a list", at: top["calendars"] ?? root)
            return []
        }
        return nodes.compactMap { calendar($0, reader, zone: zone, night: night, &taken) }
    }

    private static func calendar(
        _ node: Node, _ reader: YAMLReader, zone: LocalZone, night: HourRange, _ taken: inout TakenNames
    ) -> EventCalendar? {
        let members = reader.mapping(node, "a calendar", known: ["id", "name", "periods", "nights", "night_hours"])
        guard let id = reader.id(members["id"], of: "a calendar", at: node, &taken) else { return nil }
        let name = reader.text(members["name"], "name") ?? id
        var nightHours = [night]
        if let node = members["night_hours"] { nightHours = hours(node, "night_hours", reader) }
        var periods: [EventCalendar.Period] = []
        for (key, isNights) in [("periods", false), ("nights", true)] {
            guard let list = members[key] else { continue }
            guard case .sequence(let entries) = list else {
                reader.problem("\(key) is a list of { from, until, title }", at: list)
                continue
            }
            for entry in entries {
                let values = reader.mapping(
                    entry, isNights ? "nights" : "a period", known: ["from", "until", "title"] + (isNights ? [] : ["hours"]))
                let title = reader.text(values["title"], "title") ?? name
                if isNights {
                    periods += daily(values, entry, hours: nightHours, title, reader, zone)
                } else if let node = values["hours"] {
                    periods += daily(values, entry, hours: hours(node, "hours", reader), title, reader, zone)
                } else if let period = single(values, entry, title, reader, zone) {
                    periods.append(period)
                }
                guard periods.count <= Limits.calendarPeriods else {
                    reader.problem("the calendar '\(id)' has more than \(Limits.calendarPeriods) periods", at: entry)
                    return nil
                }
            }
        }
        if periods.isEmpty && reader.problems.isEmpty { reader.problem("the calendar '\(id)' is empty: it has no period", at: node) }
        return EventCalendar(id: id, name: name, periods: periods)
    }

    /// `{ from: 2024-06-07 09:00, until: 2024-06-07 11:30 }`; of a date alone the end is that of the day.
    private static func single(
        _ values: [String: Node], _ entry: Node, _ title: String, _ reader: YAMLReader, _ zone: LocalZone
    ) -> EventCalendar.Period? {
        func moment(_ key: String, isEnd: Bool) -> Timestamp? {
            guard let text = reader.text(needed(values[key], key, entry, reader), key) else { return nil }
            if let moment = LocalTimeText.moment(text, zone: zone, isEnd: isEnd) { return moment }
            reader.problem("\(key) is \(LocalTimeText.form), not '\(text)'", at: values[key])
            return nil
        }
        let (first, last) = (moment("from", isEnd: false), moment("until", isEnd: true))
        guard let from = first, let until = last else { return nil }
        if from >= until { reader.problem("the period ends before it begins", at: values["until"]) }
        return EventCalendar.Period(from: from, until: until, title: title)
    }

    /// The same hours of each day from one until another, both included; a night is that of the evening it starts on.
    private static func daily(
        _ values: [String: Node], _ entry: Node, hours: [HourRange], _ title: String, _ reader: YAMLReader, _ zone: LocalZone
    ) -> [EventCalendar.Period] {
        func day(_ key: String) -> LocalDay? {
            guard let text = reader.text(needed(values[key], key, entry, reader), key) else { return nil }
            if let day = LocalTimeText.day(text) { return day }
            reader.problem("\(key) is a date such as 2024-06-07 where hours are given, not '\(text)'", at: values[key])
            return nil
        }
        let (first, last) = (day("from"), day("until"))
        guard let from = first, let until = last else { return [] }
        guard from <= until else {
            reader.problem("the last day is before the first", at: values["until"])
            return []
        }
        guard (until - from) < Limits.calendarPeriods else {
            reader.problem("\(until - from + 1) days; a calendar has at most \(Limits.calendarPeriods) periods", at: values["until"])
            return []
        }
        return (0...(until - from)).flatMap { offset in
            hours.map { range in
                let (from, until) = range.period(of: from + offset, in: zone)
                return EventCalendar.Period(from: from, until: until, title: title)
            }
        }
    }

    private static func needed(_ node: Node?, _ key: String, _ entry: Node, _ reader: YAMLReader) -> Node? {
        if node == nil { reader.problem("the key '\(key)' is missing", at: entry) }
        return node
    }

    /// `22:00-06:00` or a list of such.
    static func hours(_ node: Node, _ key: String, _ reader: YAMLReader) -> [HourRange] {
        reader.list(node).compactMap { node in
            guard let text = reader.text(node, key) else { return nil }
            if let range = HourRange(text) { return range }
            reader.problem("\(key) is a range such as 22:00-06:00, not '\(text)'", at: node)
            return nil
        }
    }
}
