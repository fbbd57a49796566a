import Foundation
import Telemetry
import Testing

@testable import Reports

/// The drawings byte for byte; `PATROL_RECORD=1 swift test --filter ReportsTests` writes what they are now.
@Suite struct ChartTests {
    private static let zone = LocalZone(identifier: "Asia/Shanghai")!
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens")

    private func compare(_ text: String, _ name: String) throws {
        let file = Self.folder.appendingPathComponent(name)
        if ProcessInfo.processInfo.environment["PATROL_RECORD"] == "1" {
            try FileManager.default.createDirectory(at: Self.folder, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        #expect(try String(contentsOf: file, encoding: .utf8) == text, "\(name) differs from its golden")
    }

    /// Three days of hours around an exam: quiet nights, loud days, a gap, an hour hardly covered.
    private static func points(_ language: ReportLanguage) -> (NoiseCharts, [LevelPoint]) {
        let from = zone.moment(LocalDay(year: 2024, month: 6, day: 7)!)
        let to = zone.moment(LocalDay(year: 2024, month: 6, day: 10)!)
        let night: [Stretch] = (-1..<3).map { day in
            let first = LocalDay(year: 2024, month: 6, day: 7)! + day
            return Stretch(from: zone.moment(first, 22 * 3_600_000), until: zone.moment(first + 1, 6 * 3_600_000))
        }
        let exam = Stretch(from: from + 9 * 3_600_000, until: from + 17 * 3_600_000)
        let points = (0..<72).compactMap { hour -> LevelPoint? in
            if (30..<33).contains(hour) { return nil }
            let clock = hour % 24
            let isNight = clock < 6 || clock >= 22
            let leq = isNight ? 46 + Double(hour % 5) * 2.3 : 58 + Double(hour * 7 % 13)
            return LevelPoint(
                start: from + Int64(hour) * 3_600_000, milliseconds: 3_600_000, leq: leq, l10: leq + 3, l50: leq - 2, l90: leq - 8,
                coverage: hour == 40 ? 0.3 : 1, isValid: hour != 40, limit: isNight ? 50 : 60)
        }
        return (NoiseCharts(from: from, to: to, zone: zone, language: language, nights: night, exams: [exam]), points)
    }

    @Test(arguments: [ReportLanguage.english, .chinese]) func noiseChartsAreAsTheyWere(language: ReportLanguage) throws {
        let (charts, points) = Self.points(language)
        try compare(charts.levels(points), "levels.\(language.rawValue).svg")
        try compare(charts.heatMap(points), "hours.\(language.rawValue).svg")
        try compare(charts.percentiles(points), "percentiles.\(language.rawValue).svg")
        try compare(charts.coverage(points, minimum: 0.75), "coverage.\(language.rawValue).svg")
    }

    @Test func barsAreAsTheyWere() throws {
        try compare(Bars.svg([("car-1 <a>", 120.4), ("巡逻车二号", 33), ("car-3", 0)], label: "km") { "\(n($0)) km" }, "bars.svg")
    }

    @Test func anExcessIsComparedToTheTenth() {
        func excess(_ leq: Double, isValid: Bool = true) -> Double? {
            LevelPoint(start: Timestamp(milliseconds: 0), milliseconds: 1, leq: leq, coverage: 1, isValid: isValid, limit: 55).excess
        }
        #expect(excess(55.04) == nil)
        #expect(excess(55.05).map { ($0 * 10).rounded() } == 1)
        #expect(excess(70, isValid: false) == nil)
    }

    @Test func datesAreThoseOfTheZone() {
        let (_, points) = Self.points(.english)
        let chart = Chart(from: points[0].start, to: points[0].start + 3 * 86_400_000, zone: Self.zone, height: 10)
        #expect(chart.ticks().map(\.1) == ["06-07", "06-08", "06-09"])
        #expect(chart.ticks()[0].0 == points[0].start)
        let year = Chart(
            from: Self.zone.moment(LocalDay(year: 2023, month: 1, day: 1)!), to: Self.zone.moment(LocalDay(year: 2024, month: 1, day: 1)!),
            zone: Self.zone, height: 10)
        #expect(year.ticks().count == 12 && year.ticks()[0].1 == "2023-01")
    }

    @Test func whatPeopleWriteIsNoMarkup() {
        var page = Page(title: "<script>", language: .english)
        page.facts([("a & b", "\"x\"")])
        page.table(heads: ["<b>"], rows: [["1 < 2"]], textColumns: [0])
        #expect(!page.html.contains("<script>") && !page.html.contains("<b>") && page.html.contains("1 &lt; 2"))
    }
}
