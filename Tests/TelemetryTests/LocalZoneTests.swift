import Foundation
import Telemetry
import Testing

/// Compared with Foundation's calendar, which shares the system's zones with the table but not its arithmetic.
@Suite struct LocalZones {
    static let names = ["Asia/Shanghai", "Europe/Tallinn", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]

    @Test(arguments: names) func showsWhatACalendarShows(name: String) throws {
        let zone = try #require(LocalZone(identifier: name))
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: name))
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let moment = Timestamp(milliseconds: Int64.random(in: 946_684_800_000..<2_500_000_000_000, using: &random))
            let date = Date(timeIntervalSince1970: Double(moment.milliseconds) / 1000)
            let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second, .weekday], from: date)
            let shown = zone.local(moment)
            #expect(shown.day == LocalDay(year: parts.year!, month: parts.month!, day: parts.day!), "\(name) \(moment)")
            #expect(shown.milliseconds / 1000 == Int64(parts.hour! * 3600 + parts.minute! * 60 + parts.second!), "\(name) \(moment)")
            #expect(shown.day.isoWeekday % 7 + 1 == parts.weekday!)
            // Where the clock shows a time once, the way back leads to the same moment.
            let back = zone.moment(shown.day, shown.milliseconds)
            #expect(back == moment || zone.offset(at: back) != zone.offset(at: moment), "\(name) \(moment)")
        }
    }

    @Test func nightsOfTheChange() throws {
        let zone = try #require(LocalZone(identifier: "Europe/Tallinn"))
        let spring = try #require(LocalDay(year: 2024, month: 3, day: 31))
        #expect(zone.moment(spring + 1) - zone.moment(spring) == 23 * 3_600_000)
        // 03:30 is left out: the change itself, 03:00 +02 = 04:00 +03.
        #expect(zone.moment(spring, 3 * 3_600_000 + 1_800_000) == Timestamp(rfc3339: "2024-03-31T01:00:00Z"))
        let autumn = try #require(LocalDay(year: 2024, month: 10, day: 27))
        #expect(zone.moment(autumn + 1) - zone.moment(autumn) == 25 * 3_600_000)
        // 03:30 is shown twice: the first.
        #expect(zone.moment(autumn, 3 * 3_600_000 + 1_800_000) == Timestamp(rfc3339: "2024-10-27T00:30:00Z"))
    }

    @Test func days() {
        #expect(LocalDay(year: 2023, month: 2, day: 29) == nil)
        #expect(LocalDay(year: 2024, month: 2, day: 29)?.text == "2024-02-29")
        #expect(LocalDay(year: 1969, month: 12, day: 31)?.number == -1)
        #expect(LocalDay(year: 2024, month: 6, day: 7).map { ($0 + 24).text } == "2024-07-01")
        #expect(LocalZone(identifier: "Mars/Olympus") == nil)
    }
}
