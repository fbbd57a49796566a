import Telemetry
import Testing

@testable import Settings

@Suite struct LocalPeriodTests {
    private let shanghai = LocalZone(identifier: "Asia/Shanghai")!
    private let now = Timestamp(rfc3339: "2024-06-08T09:00:00+08:00")!

    private func period(_ text: String) -> String? {
        LocalPeriod(text, zone: shanghai, now: now, dayStarts: 6 * 3_600_000, nightStarts: 22 * 3_600_000).map {
            "\($0.from.rfc3339(offsetMinutes: 480).prefix(16)) \($0.to.rfc3339(offsetMinutes: 480).prefix(16))"
        }
    }

    @Test(arguments: [
        ("today", "2024-06-08T00:00 2024-06-09T00:00"), ("Yesterday", "2024-06-07T00:00 2024-06-08T00:00"),
        ("last night", "2024-06-07T22:00 2024-06-08T06:00"), ("tonight", "2024-06-08T22:00 2024-06-09T06:00"),
        ("2024-06-07 night", "2024-06-07T22:00 2024-06-08T06:00"), ("2024-06-07 day", "2024-06-07T06:00 2024-06-07T22:00"),
        ("2024-02", "2024-02-01T00:00 2024-03-01T00:00"), ("2024", "2024-01-01T00:00 2025-01-01T00:00"),
        ("this week", "2024-06-03T00:00 2024-06-10T00:00"), ("last week", "2024-05-27T00:00 2024-06-03T00:00"),
        ("last month", "2024-05-01T00:00 2024-06-01T00:00"), ("this month", "2024-06-01T00:00 2024-07-01T00:00"),
        ("2024-06-01..yesterday", "2024-06-01T00:00 2024-06-08T00:00"),
    ])
    func localTimeIsSaidAsPeopleSayIt(text: String, expected: String) { #expect(period(text) == expected) }

    @Test(arguments: ["", "2024-13", "2023-02-29", "night", "2024-06-07 noon", "yesterday..2024-06-01", "24-06-07", "2024-6-7", "a..b..c"])
    func whatIsNoneIsRefused(text: String) { #expect(period(text) == nil) }
}
