import Foundation
import Telemetry
import Testing

@testable import Rollups

private func minutes(_ readings: [Reading]) -> [NoiseRow] {
    let tables = NoiseTables()
    tables.run(readings)
    return tables.rows.filter { $0.key.span == -1 }.sorted { $0.key < $1.key }.map(\.value)
}

@Suite struct NoiseMinuteTests {
    /// The checks of the domain: Leq(60, 80) = 77.03; 59 min at 50 and 1 min at 90 are 72.24 (here seconds).
    @Test func levelsAreAveragedByEnergy() {
        #expect(abs(minutes([noise(0, 60), noise(1000, 80)])[0].leq - 77.03) < 0.005)
        let quiet = (0..<59).map { noise($0 * 1000, 50) } + [noise(59_000, 90)]
        #expect(abs(minutes(quiet)[0].leq - 72.24) < 0.005)
    }

    @Test func levelsAreWeightedByDuration() {
        let row = minutes([noise(0, 60, period: 9000), noise(9000, 80, period: 1000)])[0]
        #expect(abs(row.leq - 10 * log10((9 * 1e6 + 1e8) / 10)) < 1e-6)
        #expect(row.percentiles.l50 == 600 && row.percentiles.l10 == 800 && row.percentiles.l90 == 600)
    }

    @Test func percentilesAreExceededLevels() {
        let row = minutes((0..<60).map { noise($0 * 1000, Double($0)) })[0].percentiles
        #expect(row.l10 >= row.l50 && row.l50 >= row.l90)
        #expect(row.l5 == 570 && row.l10 == 540 && row.l50 == 300 && row.l90 == 60 && row.l95 == 30)
    }

    @Test func coveredTimeCountsOnce() {
        let row = minutes([noise(0, 50, period: 60_000), noise(0, 60, period: 60_000)])[0]
        #expect(row.coveredMilliseconds == 60_000 && row.samples == 2)
        #expect(abs(row.leq - 10 * log10((1e5 + 1e6) / 2)) < 1e-6)
        #expect(minutes([noise(0, 50), noise(500, 50)])[0].coveredMilliseconds == 1500)
    }

    @Test func aReadingAcrossTheBoundaryIsDivided() {
        let both = minutes([noise(59_500, 70)])
        #expect(both.count == 2 && both.allSatisfy { $0.samples == 1 && $0.coveredMilliseconds == 500 })
    }

    @Test func aReadingLongerThanAMinuteEntersNone() { #expect(minutes([noise(0, 70, period: 60_001)]).isEmpty) }

    @Test func lmaxAndLminComeFromTheReadingWhereItHasThem() {
        var loud = noise(0, 60)
        loud.set(NoiseValue.lmax, 75)
        loud.set(NoiseValue.lmin, 41)
        let row = minutes([loud, noise(1000, 62)])[0]
        #expect(row.lmaxMillidecibels == 75_000 && row.lminMillidecibels == 41_000)
    }

    @Test func theQuietestAndTheLoudestAreExact() {
        for level in [-20.0, 0, 200] { #expect(abs(minutes([noise(0, level)])[0].leq - level) < 1e-6) }
    }

    /// Minutes that are over at once: those that were handed over are not kept, passes get on, and a kill at any time leaves
    /// little to be done again.
    @Test func aFloodOfMinutesLeavesLittleBehind() {
        let minutes = NoiseMinutes(buckets: NoiseBuckets(zone: .utc, load: { _, _, _, _ in nil })) { _, _, _, _ in }
        minutes.reserve(device: 0, newest: .distantPast)
        var longest = 0, oldest: Int64 = 0
        for commit in Int64(0)..<8_000 {
            for index in commit * 30..<commit * 30 + 30 {
                let reading = noise(index * 60_000, 50, period: 60_000)
                minutes.add(reading, clock: reading.ts)
            }
            let input = commit * 30 + 30
            if commit % 20 == 0 { minutes.beginFlush(input: input) }
            minutes.flush(rows: 12, input: input, minute: { _ in }, bucket: { _, _ in })
            minutes.committed()
            longest = max(longest, minutes.backlog)
            oldest = max(oldest, input - minutes.completeInput)
        }
        // Of 240,000 readings with 44,000 coarser buckets.
        #expect(longest < 8_000, "\(longest)")
        #expect(oldest < 30_000, "\(oldest)")
    }
}
