import Foundation
import Testing

@testable import Settings
@testable import Telemetry

@Suite(.enabled(if: Oracle.isThere, "python3-dateutil is not installed"))
struct TimeOracleTests {
    static let cases: [(zone: String, hours: String, weekdays: String, season: String)] = [
        ("Asia/Shanghai", "22:00-06:00", "1234567", "-"), ("Asia/Shanghai", "22:00-06:00", "5", "03-01..06-30"),
        ("Europe/Tallinn", "22:00-06:00", "1234567", "-"), ("Europe/Tallinn", "03:15-03:45", "1234567", "-"),
        ("Europe/Tallinn", "02:30-03:30", "67", "10-01..03-31"), ("America/New_York", "01:30-02:30", "7", "-"),
        ("America/New_York", "22:00-06:00", "6", "11-01..02-29"), ("Australia/Lord_Howe", "22:00-06:00", "1234567", "-"),
        ("Australia/Lord_Howe", "01:45-02:15", "1234567", "-"), ("America/Sao_Paulo", "22:00-00:30", "1234567", "-"),
        ("Asia/Kathmandu", "00:00-24:00", "135", "12-15..01-15"),
    ]

    @Test(arguments: cases.indices) func hoursOfDays(number: Int) throws {
        let (name, hours, weekdays, season) = Self.cases[number]
        let zone = try #require(LocalZone(identifier: name))
        var days = DayHours(hours: [try #require(HourRange(hours))], weekdays: weekdays.reduce(0) { $0 | 1 << UInt8($1.wholeNumberValue!) })
        let dates = season.split(whereSeparator: { $0 == "-" || $0 == "." }).compactMap { Int($0) }
        if dates.count == 4 {
            days.seasons = [try #require(Season(fromMonth: dates[0], day: dates[1], untilMonth: dates[2], day: dates[3]))]
        }
        let schedule = Schedule(.hours(days), zone: zone)
        var active = 0
        for line in try Oracle.answer("times.py", ["hours", name, hours, weekdays, season, "\(number)", "4000"]) {
            let moment = Timestamp(milliseconds: try #require(Int64(line[0])))
            let state = schedule.state(at: moment)
            if state.isActive != (line[1] == "1") { Issue.record("\(name) \(hours) \(moment.rfc3339()): \(state.isActive)") }
            #expect(state.holds(at: moment))
            // What is said to hold around the moment does.
            for other in [state.from, state.until + -1] { #expect(schedule.state(at: other).isActive == state.isActive) }
            if state.isActive { active += 1 }
        }
        #expect(active > 0 && active < 4000)
    }

    @Test func recurrences() throws {
        let folder = try Folder()
        let zone = try #require(LocalZone(identifier: "Asia/Shanghai"))
        var expected: [Int: [[Int64]]] = [:]
        for line in try Oracle.answer("times.py", ["recurrences", "17", "600", folder.url.path]) {
            let period = line.dropFirst().compactMap { Int64($0) }
            // No reading is later than this, so no calendar is read beyond it.
            if period[0] >= Timestamp.lastAccepted.milliseconds { continue }
            expected[try #require(Int(line[0])), default: []].append(period)
        }
        #expect(expected.count > 400)
        for number in 0..<600 {
            let path = folder.url.appendingPathComponent("\(number).ics").path
            let file = ICalendarFile.load(path: path, id: "\(number)", zone: zone)
            #expect(file.problems.isEmpty, "\(file.problems)")
            let periods = (file.value?.periods ?? []).map { [$0.from.milliseconds, $0.until.milliseconds] }
                .filter { $0[0] < Timestamp.lastAccepted.milliseconds }
            if periods != expected[number, default: []] {
                let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
                Issue.record("\(text)\n\(periods.prefix(5))\nexpected \(expected[number, default: []].prefix(5))")
            }
            #expect(file.value?.periods.allSatisfy { $0.title == "a title that is long enough, so that it is folded" } == true)
        }
    }
}
