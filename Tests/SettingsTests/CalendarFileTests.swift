import Foundation
import Testing

@testable import Settings
@testable import Telemetry

private let shanghai = LocalZone(identifier: "Asia/Shanghai")!

private func at(_ text: String) -> Timestamp { LocalTimeText.moment(text, zone: shanghai, isEnd: false)! }

private func text(_ periods: [EventCalendar.Period]) -> [String] {
    periods.map { "\($0.from.rfc3339(offsetMinutes: 480).prefix(16)) \($0.until.rfc3339(offsetMinutes: 480).prefix(16))" }
}

struct ExamCalendarTests {
    /// The table of the developers' notes: each run from an evening until a morning, 22:00–06:00 only.
    @Test(arguments: [
        ("2018-06-02 22:00", "2018-06-08 06:00"), ("2018-06-11 22:00", "2018-06-17 06:00"),
        ("2023-06-01 22:00", "2023-06-10 06:00"), ("2023-06-11 22:00", "2023-06-18 06:00"),
        ("2024-06-01 22:00", "2024-06-10 06:00"), ("2024-06-16 22:00", "2024-06-23 06:00"),
    ])
    func nightsOfTheBan(from: String, until: String) throws {
        let loaded = CalendarFile.load(
            paths: [Oracle.district.appendingPathComponent("calendars").path], zone: shanghai, night: .night)
        try #require(loaded.problems.isEmpty, "\(loaded.problems)")
        #expect(loaded.value.map(\.id) == ["exam-nights", "exam-days", "exam-hours", "holidays"])
        let ban = Schedule(.during(loaded.value[0], earlier: 0, later: 0), zone: shanghai)
        var moment = at(from) + -86_400_000
        while moment < at(until) + 86_400_000 {
            let (day, clock) = shanghai.local(moment)
            let isNight = clock >= 22 * 3_600_000 || clock < 6 * 3_600_000
            let isInRun = moment >= at(from) && moment < at(until)
            let other = loaded.value[0].periods.contains { $0.from <= moment && moment < $0.until && !isInRun }
            if !other { #expect(ban.isActive(at: moment) == (isNight && isInRun), "\(day.text) \(clock)") }
            moment = moment + 1_800_000
        }
    }

    @Test func theWholeDistrictIsWell() throws {
        let settings = try Settings.load(path: Oracle.district.appendingPathComponent("patrol.yaml").path, environment: [:])
        let world = settings.world
        #expect(world.limits == .delivered && world.areas.areas.count == 16 && world.units.count == 3)
        // The towns' own middles lie in the towns; a town's corner belongs to one of them.
        #expect(world.areas.number(at: Position(latitude: 30.38, longitude: 120.04)).map { world.areas.areas[$0].name } == "良渚街道")
        #expect(world.areas.number(at: Position(latitude: 30.295, longitude: 119.99)).map { world.areas.areas[$0].level } == .grid)
        #expect(world.fences.index.first(at: FixedPosition(Position(latitude: 30.3965, longitude: 119.9925))!) == world.fences.number(ofID: "district"))
        for site in world.sites.all {
            if case .area(let shape) = site.place { #expect(shape.polygons.count == 1) }
            let box = site.place.box
            let middle = FixedPosition(x: box.minX + (box.maxX - box.minX) / 2, y: box.minY + (box.maxY - box.minY) / 2)
            let area = try #require(world.areas.number(at: middle.position))
            #expect(world.areas.isIn(world.areas.areas[area].code, site.area ?? ""), "\(site.id)")
        }
    }
}

struct CalendarFileTests {
    private func read(_ yaml: String) -> (periods: [[String]], problems: [String]) {
        let reader = YAMLReader(path: "c.yaml")
        var taken = TakenNames("calendar")
        let calendars = reader.root(of: yaml).map { CalendarFile.read($0, reader, zone: shanghai, night: .night, &taken) } ?? []
        return (calendars.map { text($0.periods) }, reader.problems.map(\.description))
    }

    @Test func periodsAndNights() {
        let (periods, problems) = read(
            """
            calendars:
              - id: a
                periods:
                  - { from: 2024-06-08, until: 2024-06-09 }
                  - { from: 2024-06-07 09:00, until: 2024-06-07 11:30:30 }
                  - { from: 2024-06-10, until: 2024-06-11, hours: [14:00-16:00, 09:00-11:00] }
              - { id: b, night_hours: 23:00-05:00, nights: [{ from: 2024-06-01, until: 2024-06-02 }] }
            """)
        #expect(problems.isEmpty, "\(problems)")
        #expect(
            periods == [
                [
                    "2024-06-07T09:00 2024-06-07T11:30", "2024-06-08T00:00 2024-06-10T00:00", "2024-06-10T09:00 2024-06-10T11:00",
                    "2024-06-10T14:00 2024-06-10T16:00", "2024-06-11T09:00 2024-06-11T11:00", "2024-06-11T14:00 2024-06-11T16:00",
                ],
                ["2024-06-01T23:00 2024-06-02T05:00", "2024-06-02T23:00 2024-06-03T05:00"],
            ])
    }

    @Test func everythingWrong() {
        let (_, problems) = read(
            """
            calendars:
              - id: a
                nigths: []
                periods:
                  - { from: 2024-06-08 }
                  - { from: 2024-06-07 09:00, until: 2024-06-07 08:00 }
                  - { from: 2024-06-07 09:00, until: 2024-06-09, hours: 25:00-26:00 }
                  - { from: 2024-06-07, until: 2024-06-01, hours: 09:00-11:00 }
                nights: [{ from: 1000-01-01, until: 2999-12-31 }]
              - { id: a, periods: [{ from: 2024-06-07, until: tomorrow }] }
              - { name: b }
            """)
        #expect(
            problems == [
                "c.yaml:3:5: unknown key 'nigths' in a calendar; did you mean 'nights'?",
                "c.yaml:5:9: the key 'until' is missing",
                "c.yaml:6:42: the period ends before it begins",
                "c.yaml:7:61: hours is a range such as 22:00-06:00, not '25:00-26:00'",
                "c.yaml:7:17: from is a date such as 2024-06-07 where hours are given, not '2024-06-07 09:00'",
                "c.yaml:8:36: the last day is before the first",
                "c.yaml:9:41: 730485 days; a calendar has at most 50000 periods",
                "c.yaml:10:11: the id 'a' is taken by the calendar at c.yaml:2:9",
                "c.yaml:11:5: a calendar needs the key 'id'",
            ])
        #expect(read("calendars:\n  - { id: a }\n").problems == ["c.yaml:2:5: the calendar 'a' is empty: it has no period"])
    }
}

struct ICalendarFileTests {
    private func read(_ lines: String...) -> (periods: [String], problems: [String]) {
        let file = ICalendarFile.read(
            (["BEGIN:VCALENDAR"] + lines + ["END:VCALENDAR"]).joined(separator: "\r\n"), path: "c.ics", id: "c", zone: shanghai)
        return (text(file.value?.periods ?? []), file.problems.map(\.description))
    }

    private func event(_ lines: String...) -> String { (["BEGIN:VEVENT"] + lines + ["END:VEVENT"]).joined(separator: "\r\n") }

    @Test func formsOfTime() {
        let (periods, problems) = read(
            event("DTSTART:20240607T010000Z", "DTEND:20240607T033000Z"), event("DTSTART:20240608T090000", "DURATION:PT2H30M"),
            event("DTSTART;TZID=Europe/Tallinn:20240609T090000", "DURATION:P1DT1H"),
            event("DTSTART;VALUE=DATE:20240610"), event("DTSTART;VALUE=DATE:20240611", "DURATION:P1W", "STATUS:CANCELLED"),
            event("DTSTART;TZID=\"Asia/Shanghai\";X=\"a:b;c\":20240612T000000", "DTEND:20240612T010000"))
        #expect(problems.isEmpty, "\(problems)")
        #expect(
            periods == [
                "2024-06-07T09:00 2024-06-07T11:30", "2024-06-08T09:00 2024-06-08T11:30", "2024-06-09T14:00 2024-06-10T15:00",
                "2024-06-10T00:00 2024-06-11T00:00", "2024-06-12T00:00 2024-06-12T01:00",
            ])
    }

    @Test func oneOfASeriesMoved() {
        let series = event("UID:u", "DTSTART:20240603T090000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=3")
        let moved = event("UID:u", "RECURRENCE-ID:20240610T090000", "DTSTART:20240611T100000", "DURATION:PT1H")
        #expect(
            read(series, moved).periods == [
                "2024-06-03T09:00 2024-06-03T10:00", "2024-06-11T10:00 2024-06-11T11:00", "2024-06-17T09:00 2024-06-17T10:00",
            ])
    }

    @Test func everyYear() {
        let leap = event("DTSTART;VALUE=DATE:20200229", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;UNTIL=20281231")
        #expect(read(leap).periods.map { $0.prefix(10) } == ["2020-02-29", "2024-02-29", "2028-02-29"])
    }

    /// Without an end the rule goes on until the last moment a reading may state; many such are too many.
    @Test func aCalendarWithoutEnd() {
        let daily = event("DTSTART;VALUE=DATE:20240101", "RRULE:FREQ=DAILY")
        let (periods, problems) = read(daily)
        #expect(problems.isEmpty && periods.count == 27_759 && periods.last?.prefix(10) == "2099-12-31")
        #expect(read(daily, daily).problems == ["c.ics:8:1: the calendar 'c' has more than 50000 periods: give its RRULE an UNTIL or a COUNT"])
        let old = event("DTSTART:00010101T000000", "DURATION:PT1M", "RRULE:FREQ=DAILY;INTERVAL=10000")
        #expect(read(old).problems.isEmpty)
    }

    @Test func everythingWrong() {
        let (_, problems) = read(
            event("DTSTART:20240607T010000"), event("DTSTART:20240631T010000", "DTEND:20240607T010000"),
            event("DTSTART;TZID=China Standard Time:20240607T010000", "DURATION:PT1H"), event("SUMMARY:nothing"),
            event("DTSTART:20240607T020000", "DTEND:20240607T010000"), event("DTSTART;VALUE=DATE:20240607", "DURATION:PT1H"),
            event("DTSTART;VALUE=DATE:20240607", "RRULE:FREQ=MONTHLY"), event("DTSTART;VALUE=DATE:20240607", "RRULE:FREQ=DAILY;BYSETPOS=1"),
            event("DTSTART;VALUE=DATE:20240607", "RRULE:FREQ=DAILY;COUNT=2;UNTIL=20240701"),
            event("DTSTART;VALUE=DATE:20240607", "RRULE:FREQ=YEARLY;BYDAY=1MO"), event("DTSTART;VALUE=DATE:20240607", "RDATE:20240608"),
            event("DTSTART;VALUE=DATE:20240607", "RRULE:COUNT=0"), "no colon")
        #expect(
            problems == [
                "c.ics:48:1: not iCalendar: a line is NAME:value",
                "c.ics:6:1: DTSTART is a date (20240607) or a time (20240607T090000), not '20240631T010000'",
                "c.ics:10:1: TZID 'China Standard Time' is not in the time zone database; write for example Asia/Shanghai",
                "c.ics:42:1: RDATE is not read; write an event for each of its dates",
                "c.ics:2:1: the event has no end: it needs DTEND or DURATION",
                "c.ics:16:1: the event ends before it begins",
                "c.ics:20:1: the DURATION of an event of whole days is in days, such as P2D",
                "c.ics:26:1: FREQ is one of DAILY, WEEKLY, YEARLY, not 'MONTHLY'; known: DAILY, WEEKLY, YEARLY",
                "c.ics:30:1: BYSETPOS=1 is not read; known: FREQ, INTERVAL, COUNT, UNTIL, BYDAY, WKST",
                "c.ics:34:1: RRULE has COUNT or UNTIL, not both",
                "c.ics:38:1: a weekday is MO, TU, WE, TH, FR, SA or SU, not '1MO'",
                "c.ics:46:1: COUNT is a whole number from 1 to 1000000, not '0'",
            ])
        #expect(ICalendarFile.read("", path: "c.ics", id: "c", zone: shanghai).problems.map(\.description) == ["c.ics:1:1: not iCalendar: the first line is BEGIN:VCALENDAR"])
        let open = ICalendarFile.read("BEGIN:VCALENDAR\nBEGIN:VEVENT\n", path: "c.ics", id: "c", zone: shanghai).problems
        #expect(open.map(\.description) == ["c.ics:2:1: the file ends inside of VEVENT"])
    }
}

struct WhenReaderTests {
    private var world: World {
        var world = World(zone: shanghai)
        world.calendars = [
            EventCalendar(id: "exams", name: "exams", periods: [.init(from: at("2024-06-07 09:00"), until: at("2024-06-07 11:30"))])
        ]
        return world
    }

    private func read(_ yaml: String) -> (when: When?, problems: [String]) {
        let reader = YAMLReader(path: "w.yaml")
        let when = reader.root(of: yaml).flatMap { WhenReader.when($0, reader, world) }
        return (when, reader.problems.map(\.description))
    }

    private func isActive(_ yaml: String, _ moment: String) -> Bool {
        let (when, problems) = read(yaml)
        #expect(problems.isEmpty, "\(problems)")
        return Schedule(when ?? .not(.always), zone: shanghai).isActive(at: at(moment))
    }

    @Test func keys() {
        #expect(isActive("{ hours: night, weekdays: fri }", "2024-06-08 03:00") && !isActive("{ hours: night, weekdays: fri }", "2024-06-09 03:00"))
        #expect(isActive("{ weekdays: [sat-mon] }", "2024-06-09 12:00") && !isActive("{ weekdays: [sat-mon] }", "2024-06-11 12:00"))
        #expect(isActive("{ hours: [08:00-12:00, 14:00-18:00] }", "2024-06-09 15:00") && !isActive("{ hours: day }", "2024-06-09 22:00"))
        let winter = "{ season: { from: 11-01, until: 02-29 }, hours: 20:00-04:00 }"
        #expect(isActive(winter, "2024-03-01 03:59") && !isActive(winter, "2024-03-01 20:00"))
        #expect(isActive("{ calendar: exams, before: 30m }", "2024-06-07 08:30") && !isActive("{ calendar: exams, before: 30m }", "2024-06-07 11:30"))
        #expect(isActive("{ calendar: [exams], after: 1h }", "2024-06-07 12:29"))
        #expect(isActive("{ night_before: exams }", "2024-06-07 05:59") && !isActive("{ night_before: exams }", "2024-06-07 22:00"))
        #expect(isActive("{ night_of: exams }", "2024-06-08 05:59") && !isActive("{ night_of: exams }", "2024-06-07 05:00"))
        let either = "{ any: [{ night_before: exams }, { all: [{ calendar: exams }, { not: { hours: 10:00-11:00 } }] }] }"
        #expect(isActive(either, "2024-06-07 05:00") && isActive(either, "2024-06-07 09:30") && !isActive(either, "2024-06-07 10:30"))
    }

    @Test func everythingWrong() {
        #expect(
            read(
                """
                hours: 22-06
                weekdays: [mon-fry, 7]
                season: { from: 02-30, till: 03-01 }
                calendar: exam
                night_of: exams
                night_before: exams
                any: []
                not: {}
                befor: 1m
                """
            ).problems == [
                "w.yaml:9:1: unknown key 'befor' in when; did you mean 'before'?",
                "w.yaml:1:8: hours is day, night or a range such as 22:00-06:00, not '22-06'",
                "w.yaml:2:12: weekdays is mon, tue, wed, thu, fri, sat, sun or mon-fri, not 'mon-fry'; did you mean 'fri'?",
                "w.yaml:2:21: weekdays is mon, tue, wed, thu, fri, sat, sun or mon-fri, not '7'",
                "w.yaml:3:24: unknown key 'till' in a season; known: from, until",
                "w.yaml:3:17: from is a month and a day such as 03-01, not '02-30'",
                "w.yaml:3:9: a season needs the key 'until', a date such as 03-01",
                "w.yaml:6:15: 'when' has 'night_of' or 'night_before', not both; use 'any'",
                "w.yaml:4:11: no calendar has the id 'exam'; did you mean 'exams'?",
                "w.yaml:8:6: 'when' is empty; leave it out where a rule always holds",
                "w.yaml:7:6: 'any' is a list of conditions of time",
            ])
        #expect(read("{ before: 1h }").problems.first == "w.yaml:1:11: 'before' goes with 'calendar': how long around its periods")
    }
}
