import Foundation
import Telemetry
import Testing

@testable import Rollups

private func reading(_ ts: Int64, _ level: Double, period: UInt32 = 1000, device: UInt32 = 0) -> Reading {
    var reading = Reading(kind: .noise, periodMilliseconds: period)
    reading.ts = Timestamp(milliseconds: ts)
    reading.device = device
    reading.set(NoiseValue.laeq, level)
    return reading
}

private func rows(_ readings: [Reading], flushEvery: Int = .max) -> [NoiseMinuteRow] {
    var kept: [Reading] = []
    let minutes = NoiseMinutes { device, from, to, add in
        for reading in kept where reading.device == device && reading.ts < to && reading.end > from { add(reading) }
    }
    minutes.reserve(device: 1)
    var result: [String: NoiseMinuteRow] = [:]
    func flush(_ all: Bool) {
        minutes.flush(includingNewest: all) { result["\($0.device) \($0.bucket.milliseconds)"] = $0 }
        minutes.committed()
    }
    var pending: [Reading] = []
    for (index, reading) in readings.enumerated() {
        minutes.add(reading)
        pending.append(reading)
        if index % flushEvery == flushEvery - 1 {
            kept += pending
            pending = []
            flush(index % 2 == 0)
        }
    }
    flush(true)
    return result.values.sorted { ($0.device, $0.bucket) < ($1.device, $1.bucket) }
}

@Suite struct NoiseMinuteTests {
    /// The checks of the domain: Leq(60, 80) = 77.03; 59 min at 50 and 1 min at 90 are 72.24 (here seconds).
    @Test func levelsAreAveragedByEnergy() {
        #expect(abs(rows([reading(0, 60), reading(1000, 80)])[0].leq - 77.03) < 0.005)
        let quiet = (0..<59).map { reading($0 * 1000, 50) } + [reading(59_000, 90)]
        #expect(abs(rows(quiet)[0].leq - 72.24) < 0.005)
    }

    @Test func levelsAreWeightedByDuration() {
        let row = rows([reading(0, 60, period: 9000), reading(9000, 80, period: 1000)])[0]
        #expect(abs(row.leq - 10 * log10((9 * 1e6 + 1e8) / 10)) < 1e-9)
        #expect(row.l50 == 60 && row.l10 == 80 && row.l90 == 60)
    }

    @Test func percentilesAreExceededLevels() {
        let row = rows((0..<60).map { reading($0 * 1000, Double($0)) })[0]
        #expect(row.l10 >= row.l50 && row.l50 >= row.l90)
        #expect(row.l5 == 57 && row.l10 == 54 && row.l50 == 30 && row.l90 == 6 && row.l95 == 3)
    }

    @Test func coveredTimeCountsOnce() {
        let row = rows([reading(0, 50, period: 60_000), reading(0, 60, period: 60_000)])[0]
        #expect(row.coverage == 1 && row.samples == 2)
        #expect(abs(row.leq - 10 * log10((1e5 + 1e6) / 2)) < 1e-9)
        #expect(rows([reading(0, 50), reading(500, 50)])[0].coverage == 0.025)
    }

    @Test func aReadingAcrossTheBoundaryIsDivided() {
        let both = rows([reading(59_500, 70)])
        #expect(both.count == 2 && both.allSatisfy { $0.samples == 1 && $0.coverage == 500.0 / 60_000 })
    }

    @Test func aReadingLongerThanAMinuteEntersNone() { #expect(rows([reading(0, 70, period: 60_001)]).isEmpty) }

    @Test func lmaxAndLminComeFromTheReadingWhereItHasThem() {
        var loud = reading(0, 60)
        loud.set(NoiseValue.lmax, 75)
        loud.set(NoiseValue.lmin, 41)
        let row = rows([loud, reading(1000, 62)])[0]
        #expect(row.lmax == 75 && row.lmin == 41)
    }

    @Test(arguments: 1...40)
    func anyOrderAndAnySplitGiveTheSameRows(seed: UInt64) {
        var state = seed
        func dice(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let readings = (0..<400).map { _ in
            reading(
                Int64(dice(600_000)), Double(dice(900)) / 10, period: UInt32([125, 1000, 10_000, 60_000][dice(4)]),
                device: UInt32(dice(2)))
        }
        let expected = rows(readings)
        var shuffled = readings
        for index in shuffled.indices.reversed() { shuffled.swapAt(index, dice(index + 1)) }
        #expect(rows(shuffled, flushEvery: 1 + dice(50)) == expected, "seed \(seed)")
    }
}
