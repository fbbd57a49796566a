import Telemetry

/// iCalendar (RFC 5545): the events of a file as periods. Read are VEVENT with DTSTART, DTEND or DURATION, SUMMARY, RRULE,
/// EXDATE, RECURRENCE-ID and STATUS; dates, times of a TZID of the time zone database, UTC and floating times (of the
/// settings' zone). What would change when an event is and cannot be read is a problem; the rest is passed over.
struct ICalendarFile {
    static let largestBytes = 1 << 20

    struct Line {
        let number: Int
        /// In capitals.
        let name: String
        /// By name in capitals, without quotes.
        let parameters: [String: String]
        let value: String
    }

    struct Event {
        let line: Int
        var start: ICalendarTime?
        var end: ICalendarTime?
        var length: ICalendarLength?
        var rule: (line: Int, value: String)?
        var exceptions: [ICalendarTime] = []
        var uid = ""
        var title = ""
        var replaces: ICalendarTime?
        var isCancelled = false
    }

    let path: String
    let zone: LocalZone
    private(set) var problems: [Problem] = []
    private var zones: [String: LocalZone] = [:]

    static func load(path: String, id: String, zone: LocalZone) -> Loaded<EventCalendar?> {
        do throws(Problem) {
            let text = try FileText.read(path, largestBytes: largestBytes, "a calendar")
            return read(text, path: path, id: id, zone: zone)
        } catch {
            return Loaded(nil, [error])
        }
    }

    static func read(_ text: String, path: String, id: String, zone: LocalZone) -> Loaded<EventCalendar?> {
        var file = ICalendarFile(path: path, zone: zone)
        let calendar = file.calendar(text, id)
        return Loaded(file.problems.isEmpty ? calendar : nil, file.problems)
    }

    private init(path: String, zone: LocalZone) {
        self.path = path
        self.zone = zone
    }

    mutating func problem(_ message: String, at line: Int) { problems.append(Problem(path: path, line: line, message: message)) }

    private mutating func calendar(_ text: String, _ id: String) -> EventCalendar? {
        let lines = unfolded(text)
        guard lines.first.map({ $0.name == "BEGIN" && $0.value.uppercased() == "VCALENDAR" }) == true else {
            problem("not iCalendar: the first line is BEGIN:VCALENDAR", at: lines.first?.number ?? 1)
            return nil
        }
        var name = id
        var components: [String] = []
        var event: Event?
        var events: [Event] = []
        for line in lines {
            switch line.name {
            case "BEGIN":
                components.append(line.value.uppercased())
                if components.last == "VEVENT" { event = Event(line: line.number) }
            case "END":
                guard components.last == line.value.uppercased() else {
                    problem("END:\(line.value) closes what is not open", at: line.number)
                    return nil
                }
                if components.removeLast() == "VEVENT", let done = event {
                    events.append(done)
                    event = nil
                }
            case "X-WR-CALNAME" where components == ["VCALENDAR"]: name = ICalendarFile.unescaped(line.value)
            default: if components.last == "VEVENT", event != nil { take(line, &event!) }
            }
        }
        if let open = components.last { problem("the file ends inside of \(open)", at: lines.last?.number ?? 1) }
        return EventCalendar(id: id, name: name, periods: periods(events, id))
    }

    private mutating func take(_ line: Line, _ event: inout Event) {
        switch line.name {
        case "DTSTART": event.start = time(line)
        case "DTEND": event.end = time(line)
        case "DURATION":
            event.length = ICalendarLength(line.value)
            if event.length == nil { problem("DURATION is such as PT2H30M or P1D, not '\(line.value)'", at: line.number) }
        case "RRULE":
            if event.rule != nil { problem("an event has one RRULE", at: line.number) }
            event.rule = (line.number, line.value)
        case "EXDATE":
            for value in line.value.split(separator: ",") {
                let part = Line(number: line.number, name: line.name, parameters: line.parameters, value: String(value))
                if let time = time(part) { event.exceptions.append(time) }
            }
        case "RDATE", "EXRULE": problem("\(line.name) is not read; write an event for each of its dates", at: line.number)
        case "RECURRENCE-ID":
            if line.parameters["RANGE"] != nil { problem("RECURRENCE-ID with RANGE is not read; write a second event", at: line.number) }
            event.replaces = time(line)
        case "UID": event.uid = line.value
        case "SUMMARY": event.title = ICalendarFile.unescaped(line.value)
        case "STATUS": event.isCancelled = line.value.uppercased() == "CANCELLED"
        default: break
        }
    }

    private mutating func time(_ line: Line) -> ICalendarTime? {
        var zone = zone
        if let name = line.parameters["TZID"] {
            if let known = zones[name] ?? LocalZone(identifier: name) {
                zones[name] = known
                zone = known
            } else {
                problem("TZID '\(name)' is not in the time zone database; write for example Asia/Shanghai", at: line.number)
            }
        }
        if let time = ICalendarTime(line.value, zone: zone) { return time }
        problem("\(line.name) is a date (20240607) or a time (20240607T090000), not '\(line.value)'", at: line.number)
        return nil
    }

    private mutating func periods(_ events: [Event], _ id: String) -> [EventCalendar.Period] {
        var periods: [EventCalendar.Period] = []
        // What single events of a series replace is left out of the series.
        var replaced: [String: [ICalendarTime]] = [:]
        for event in events { if let time = event.replaces { replaced[event.uid, default: []].append(time) } }
        for event in events where !event.isCancelled {
            guard let start = event.start else {
                if problems.isEmpty { problem("the event has no DTSTART", at: event.line) }
                continue
            }
            guard let length = length(event, start) else { continue }
            let left = event.exceptions + (event.replaces == nil ? replaced[event.uid] ?? [] : [])
            let room = Limits.calendarPeriods - periods.count
            guard let starts = starts(event, start, room: room + left.count) else { continue }
            let out = Set(left.map(\.key))
            for time in starts where !out.contains(time.key) {
                periods.append(EventCalendar.Period(from: time.moment, until: time.end(after: length), title: event.title))
            }
            guard periods.count <= Limits.calendarPeriods else {
                tooMany(id, event)
                return []
            }
        }
        return periods
    }

    private mutating func tooMany(_ id: String, _ event: Event) {
        problem(
            "the calendar '\(id)' has more than \(Limits.calendarPeriods) periods: give its RRULE an UNTIL or a COUNT",
            at: event.rule?.line ?? event.line)
    }

    private mutating func length(_ event: Event, _ start: ICalendarTime) -> ICalendarLength? {
        if let end = event.end {
            guard end.isDate == start.isDate else {
                problem("DTSTART and DTEND are both dates or both times", at: event.line)
                return nil
            }
            let length = start.isDate
                ? ICalendarLength(days: end.day - start.day) : ICalendarLength(milliseconds: end.moment - start.moment)
            if length.days > 0 || length.milliseconds > 0 { return length }
            problem("the event ends before it begins", at: event.line)
            return nil
        }
        if let length = event.length {
            if !start.isDate || length.milliseconds == 0 { return length }
            problem("the DURATION of an event of whole days is in days, such as P2D", at: event.line)
            return nil
        }
        if start.isDate { return ICalendarLength(days: 1) }
        problem("the event has no end: it needs DTEND or DURATION", at: event.line)
        return nil
    }

    /// All starts of an event, at most `room` and one.
    private mutating func starts(_ event: Event, _ start: ICalendarTime, room: Int) -> [ICalendarTime]? {
        guard let (line, value) = event.rule else { return [start] }
        do throws(ICalendarRule.Fault) {
            return try ICalendarRule(value, start: start).starts(atMost: room + 1)
        } catch {
            problem(error.message, at: line)
            return nil
        }
    }

    // MARK: Lines

    /// Content lines (RFC 5545 §3.1), those that were folded put together.
    private mutating func unfolded(_ text: String) -> [Line] {
        var raw: [(number: Int, text: String)] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = index == 0 && line.first == "\u{FEFF}" ? line.dropFirst() : line
            if line.first == " " || line.first == "\t", !raw.isEmpty {
                raw[raw.count - 1].text += line.dropFirst()
            } else if !line.isEmpty {
                raw.append((index + 1, String(line)))
            }
        }
        return raw.compactMap { number, text in
            guard let line = ICalendarFile.line(number, text) else {
                problem("not iCalendar: a line is NAME:value", at: number)
                return nil
            }
            return line
        }
    }

    private static func line(_ number: Int, _ text: String) -> Line? {
        // The first colon outside of quotes ends the parameters.
        var isQuoted = false
        var parts: [String] = [""]
        var rest = Substring(text)
        while let character = rest.popFirst() {
            if character == "\"" {
                isQuoted.toggle()
            } else if character == ":" && !isQuoted {
                guard !parts[0].isEmpty else { return nil }
                var parameters: [String: String] = [:]
                for part in parts.dropFirst() {
                    let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                    if pair.count == 2 { parameters[pair[0].uppercased()] = String(pair[1]) }
                }
                return Line(number: number, name: parts[0].uppercased(), parameters: parameters, value: String(rest))
            } else if character == ";" && !isQuoted {
                parts.append("")
            } else {
                parts[parts.count - 1].append(character)
            }
        }
        return nil
    }

    private static func unescaped(_ text: String) -> String {
        var result = ""
        var rest = Substring(text)
        while let character = rest.popFirst() {
            guard character == "\\", let next = rest.popFirst() else {
                result.append(character)
                continue
            }
            result.append(next == "n" || next == "N" ? " " : next)
        }
        return result
    }
}
