import Foundation
import Telemetry
import Testing

@testable import Rollups

private let hour: Int64 = 3_600_000
private let shanghai = LocalZone(identifier: "Asia/Shanghai")!

private func run(_ readings: [Reading], zone: LocalZone = .utc) -> NoiseTables {
    let tables = NoiseTables(zone: zone)
    tables.run(readings)
    return tables
}

/// A reading a minute at a level, from one moment to another.
private func level(_ level: Double, _ from: Int64, _ to: Int64) -> [Reading] {
    stride(from: from, to: to, by: 60_000).map { noise($0, level, period: 60_000) }
}

@Suite struct NoiseBucketTests {
    /// Hours of 51.0 and 71.0 merge to 68.03, not 61.0 (domain §1).
    @Test func hoursMergeByEnergy() throws {
        let tables = run(level(51, 0, hour) + level(71, hour, 2 * hour))
        #expect(abs(try #require(tables.row(3, 0)).leq - 68.03) < 0.005)
        #expect(abs(try #require(tables.row(2, hour)).leq - 71) < 1e-6)
    }

    @Test func percentilesComeFromMergedHistograms() throws {
        // Nine quiet minutes and a loud one: the loud one is L10, and no average of minutes' percentiles is.
        let row = try #require(run(level(50, 0, 9 * 60_000) + level(90, 9 * 60_000, 10 * 60_000)).row(0, 0))
        #expect(row.percentiles.l5 == 900 && row.percentiles.l10 == 900 && row.percentiles.l50 == 500)
    }

    /// Ld 60 and Ln 50 make Ldn 60.0 (domain §1); the night is that of the evening on which it starts.
    @Test func theNightBelongsToItsEvening() throws {
        let midnight = shanghai.moment(LocalDay(year: 2024, month: 6, day: 7)!).milliseconds
        let tables = run(
            level(60, midnight + 6 * hour, midnight + 22 * hour) + level(50, midnight + 22 * hour, midnight + 30 * hour),
            zone: shanghai)
        let day = try #require(tables.day(midnight))
        #expect(abs(try #require(day.ld) - 60) < 1e-6)
        #expect(abs(try #require(day.ln) - 50) < 1e-6)
        #expect(abs(try #require(day.ldn) - 60.0) < 0.005)
        #expect(day.ldCoverage == 1 && day.lnCoverage == 1)
        #expect(tables.row(3, midnight)?.coveredMilliseconds == 18 * hour)
        let next = try #require(tables.day(midnight + 24 * hour))
        #expect(next.ld == nil && next.ln == nil && next.ldn == nil)
        #expect(tables.row(3, midnight + 24 * hour)?.coveredMilliseconds == 6 * hour)
    }

    @Test func ldenHasPeriodsOfItsOwn() throws {
        let tables = run(level(60, 7 * hour, 19 * hour) + level(55, 19 * hour, 23 * hour) + level(50, 23 * hour, 31 * hour))
        #expect(abs(try #require(tables.day(0)?.lden) - 60) < 1e-6)
        #expect(tables.day(0)?.ldenCoverage == 1)
    }

    @Test func aNightWithoutItsDayKeepsItsRow() throws {
        let tables = run(level(48, 25 * hour, 26 * hour))
        #expect(tables.row(3, 0)?.samples == 0 && tables.row(3, 0)?.coveredMilliseconds == 0)
        #expect(abs(try #require(tables.day(0)?.ln) - 48) < 1e-6)
        #expect(tables.day(0)?.lnCoverage == 1.0 / 8)
    }

    /// Days of 23 and 25 hours (Europe/Tallinn, 2022): covered by minutes throughout, each is covered wholly.
    @Test(arguments: [(2022, 3, 27, 23), (2022, 10, 30, 25), (2024, 2, 29, 24)])
    func daysHaveTheLengthOfTheirDate(year: Int, month: Int, day: Int, hours: Int) throws {
        let zone = try #require(LocalZone(identifier: "Europe/Tallinn"))
        let date = try #require(LocalDay(year: year, month: month, day: day))
        let start = zone.moment(date).milliseconds
        #expect(zone.moment(date + 1).milliseconds - start == Int64(hours) * hour)
        let tables = run(level(50, start, start + Int64(hours) * hour), zone: zone)
        #expect(tables.row(3, start)?.coveredMilliseconds == Int64(hours) * hour)
        #expect(tables.rows.keys.filter { $0.span == 3 }.count == 2, "the date, and the night before it")
    }

    /// St. John's, 2010-11-07: a minute after midnight (02:30 UTC) clocks show 23:01 of the 6th again, until 03:30. Whatever was
    /// asked before, such a moment belongs to the date that has begun.
    @Test func aMidnightThatComesTwiceBeginsTheDayOnce() throws {
        let zone = try #require(LocalZone(identifier: "America/St_Johns"))
        let date = try #require(LocalDay(year: 2010, month: 11, day: 7))
        let midnight = zone.moment(date)
        for before in [midnight + -12 * hour, midnight + 12 * hour] {
            let calendar = NoiseCalendar(zone: zone, boundaries: NoiseBoundaries())
            _ = calendar.day(containing: before)
            for minute in Int64(0)..<120 {
                let day = calendar.day(containing: midnight + minute * 60_000)
                #expect(day.day == date && day.start == midnight)
            }
        }
    }

    @Test func aReadingEntersOnlyBucketsAtLeastAsLong() {
        let spans = { (period: UInt32) in Set(run([noise(0, 60, period: period)]).rows.filter { $0.value.samples > 0 }.keys.map(\.span)) }
        #expect(spans(60_000) == [-1, 0, 1, 2, 3])
        #expect(spans(60_001) == [0, 1, 2, 3])
        #expect(spans(600_001) == [1, 2, 3])
        #expect(spans(1_200_001) == [2, 3])
        #expect(spans(3_600_001) == [3])
    }

    @Test func aLongReadingIsDividedAtTheBoundary() throws {
        let tables = run([noise(50 * 60_000, 60, period: 1_200_000)])
        #expect(tables.row(1, 40 * 60_000)?.coveredMilliseconds == 600_000)
        #expect(tables.row(1, 60 * 60_000)?.coveredMilliseconds == 600_000)
        #expect(tables.row(2, 0)?.samples == 1 && tables.row(2, hour)?.samples == 1)
    }

    @Test func longAndShortReadingsCoverOnce() throws {
        // Ten minutes of minutes, a quarter of an hour over their second half, seconds on its end.
        let seconds = (0..<10).map { noise(19 * 60_000 + 55_000 + $0 * 1000, 60) }
        let quarter = noise(5 * 60_000, 70, period: 900_000)
        for readings in [level(50, 0, 600_000) + [quarter] + seconds, [quarter] + seconds + level(50, 0, 600_000)] {
            #expect(run(readings).row(2, 0)?.coveredMilliseconds == Int64(1_205_000))
        }
    }

    @Test func flaggedReadingsAreNoEvidence() throws {
        let tables = run([noise(0, 50), noise(1000, 90, flags: 1)])
        #expect(abs(try #require(tables.row(2, 0)).leq - 50) < 1e-6)
        #expect(abs(try #require(tables.row(2, 0, isFlagged: true)).leq - 90) < 1e-6)
        #expect(tables.row(-1, 0)?.samples == 1 && tables.row(-1, 0, isFlagged: true)?.samples == 1)
    }

    @Test func aLateReadingRevisesWhatWasOver() throws {
        let tables = NoiseTables()
        tables.run(level(50, 0, 25 * hour))
        var late = noise(30_000, 80)
        late.isBackfill = true
        late.received = Timestamp(milliseconds: 25 * hour)
        tables.run([late])
        for span in -1...3 {
            #expect(tables.row(span, 0)?.revised == late.received, "span \(span)")
            #expect(tables.row(span, span == -1 ? 60_000 : span == 3 ? 24 * hour : 12 * hour)?.revised == nil)
        }
        #expect(tables.row(3, 0)?.samples == 1441)
    }

    @Test func lateReadingsOfTenMinutesThatHadNoneRevise() {
        let tables = NoiseTables()
        tables.run(level(50, 0, 600_000) + level(50, 1_200_000, 25 * hour))
        let late = (10..<20).map { minute in
            var reading = noise(Int64(minute) * 60_000, 80)
            reading.isBackfill = true
            reading.received = Timestamp(milliseconds: 25 * hour + Int64(minute))
            return reading
        }
        tables.run(late)
        for span in 0...3 { #expect(tables.row(span, span == 0 ? 600_000 : 0)?.revised == late[9].received, "span \(span)") }
    }

    @Test func histogramsAndSlotsSurviveEviction() {
        let readings = (0..<4000).map { noise($0 * 45_000, 40 + Double($0 % 400) / 10, period: 30_000, device: UInt32($0 % 3)) }
        let roomy = run(readings)
        let tight = NoiseTables()
        tight.budgetBytes = 40_000
        tight.run(readings, batches: [7], write: 3)
        #expect(tight.lines() == roomy.lines())
    }

    /// A meter sends on: its hours and days are whole whenever they are written, whatever stands apart meanwhile.
    @Test func coarserRowsHoldTheMinutesThatGoOn() {
        let tables = NoiseTables()
        let readings = level(50, 0, hour) + level(60, hour, hour + 7 * 60_000)
        tables.run(readings, batches: [1], killed: true)
        // Up to the minute before the last, which no pass has written yet.
        for span in 1...3 {
            let row = tables.rows.filter { $0.key.span == span }.max { $0.key < $1.key }?.value
            let held = tables.rows.filter { $0.key.span == -1 && $0.key.bucket >= row!.bucket }.count
            #expect(row?.samples == Int64(held), "span \(span)")
        }
    }

    /// Any order, any split, any kills: the same rows to the last bit.
    @Test(arguments: 1...48)
    func anyOrderSplitAndKillGiveTheSameRows(seed: UInt64) {
        var state = seed
        func dice(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let zone = [shanghai, LocalZone(identifier: "Europe/Tallinn")!, LocalZone(identifier: "Asia/Kathmandu")!][dice(3)]
        let start = 1_648_317_600_000 + Int64(dice(40)) * hour  // around 2022-03-27, when Tallinn's clocks change
        // Some hours apart, or many in the same ten minutes.
        let hours = [30, 1][dice(2)]
        var boundaries = NoiseBoundaries()
        if dice(2) == 1 { (boundaries.day, boundaries.night, boundaries.ldenEvening) = (6 * hour + 120_000, 22 * hour + 420_000, 19 * hour + 780_000) }
        let readings = (0..<300).map { _ in
            var reading = noise(
                start + Int64(dice(hours * 3_600_000)), Double(dice(9000)) / 100,
                period: UInt32([125, 1000, 60_000, 61_000, 900_000, 3_600_000, 20_000_000][dice(hours == 1 && dice(10) > 0 ? 3 : 7)]),
                device: UInt32(dice(2)), flags: dice(8) == 0 ? 2 : 0)
            reading.received = reading.ts
            if dice(4) == 0 {
                reading.isBackfill = true
                reading.received = reading.ts + Int64(dice(40)) * hour
            }
            return reading
        }
        func tables() -> NoiseTables {
            let tables = NoiseTables(zone: zone)
            tables.boundaries = boundaries
            return tables
        }
        let whole = tables()
        whole.run(readings)
        let expected = whole.lines()
        #expect(expected.count > (hours == 30 ? 200 : 60))
        var shuffled = readings
        if dice(2) == 0 {
            for index in shuffled.indices.reversed() { shuffled.swapAt(index, dice(index + 1)) }
        } else {
            shuffled = readings.map { ($0, $0.ts + Int64(dice(300_000))) }.sorted { $0.1 < $1.1 }.map(\.0)
        }
        let cut = tables()
        cut.budgetBytes = 60_000
        cut.run(shuffled, batches: [1 + dice(20), 1 + dice(5)], write: 1 + dice(40))
        #expect(cut.lines() == expected, "seed \(seed), shuffled")
        let killed = tables()
        var left = shuffled[...]
        while !left.isEmpty {
            let life = min(1 + dice(60), left.count)
            killed.run(Array(left.prefix(life)), batches: [1 + dice(6)], write: dice(30), killed: true)
            left = left.dropFirst(life)
        }
        killed.run([])
        #expect(killed.lines() == expected, "seed \(seed), killed")
    }
}
