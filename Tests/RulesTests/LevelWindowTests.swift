import Foundation
import Telemetry
import Testing

@testable import Rules

/// Levels exceeded a part of the time, and levels without their background.
@Suite struct LevelWindowTests {
    private static let laeq = PropertyTests.laeq

    /// Readings (device, ms after start, period in ms, level) through rules; for each alert rule, device, fired and value.
    private func run(_ rules: [RuleDefinition], _ readings: [(device: UInt32, at: Int64, period: UInt32, level: Double)]) -> [String] {
        var run = RuleRun(rules: RuleSet(rules), world: World(zone: .utc))
        for device in 0..<3 { run.add(device: Device(number: UInt32(device), kind: .noise, id: "m\(device)", gateway: "g")) }
        for (device, at, period, level) in readings {
            var reading = Reading(kind: .noise, periodMilliseconds: period)
            reading.device = device
            reading.ts = Timestamp(milliseconds: PropertyTests.start + at)
            reading.set(NoiseValue.laeq, level)
            run.take(reading, clock: reading.ts)
        }
        return run.alerts.map { fired in
            "\(rules[fired.last.rule].id) m\(fired.last.device) \(fired.last.firedAt!.milliseconds - PropertyTests.start) "
                + "\(fired.resolvedAt.map { "\($0.milliseconds - PropertyTests.start)" } ?? "-") \(fired.last.value)"
        }
    }

    private func rule(_ id: String, _ aggregate: Aggregate, above level: Double, coverage: Double = 0, background: String? = nil) -> RuleDefinition {
        var leaf = Leaf(.window(Self.laeq, aggregate, milliseconds: 20_000), .above(level), minimumCoverage: coverage)
        leaf.background = background
        return PropertyTests.rule(id, .leaf(leaf))
    }

    /// The window against all readings sorted by level: for each step of 1 s the twentieth and the nineteen before.
    @Test(arguments: UInt64(1)...20)
    func percentilesEqualTheSortedReadings(seed: UInt64) {
        var dice = PropertyTests.Dice(state: seed)
        let words = UnsafeMutablePointer<UInt64>.allocate(capacity: Int(LevelWindow.words(step: 3000)))
        let scratch = UnsafeMutablePointer<UInt32>.allocate(capacity: LevelWindow.bins)
        unsafe words.initialize(repeating: 0, count: Int(LevelWindow.words(step: 3000)))
        unsafe scratch.initialize(repeating: 0, count: LevelWindow.bins)
        defer {
            unsafe words.deallocate()
            unsafe scratch.deallocate()
        }
        let window = unsafe LevelWindow(words, step: 3000)
        var at: Int64 = 600_000
        var all: [(from: Int64, until: Int64, tenths: Int64)] = []
        for _ in 0..<300 {
            at += [1000, 1000, 2000, 7000, 31_000][dice.roll(5)]
            let period = [1000, 1000, 1500, 5000][dice.roll(4)] as Int64
            // As many different ones as a step of 3 s has room for, however many readings come.
            let tenths = [301, 305, 450, 612, 777][dice.roll(5)] as Int64
            // Some are late: they enter their own step.
            let from = at - [0, 0, 0, 4000, 20_000][dice.roll(5)]
            window.add(Double(tenths) / 10, from: Timestamp(milliseconds: from), to: Timestamp(milliseconds: from + period))
            all.append((from, from + period, tenths))
            let newest = all.map { ($0.until - 1) / 3000 }.max()!
            let begin = (newest - 19) * 3000
            let parts = all.map { (max($0.from, begin), $0.until, $0.tenths) }.filter { $0.1 > $0.0 }.sorted { $0.2 > $1.2 }
            let total = parts.reduce(0) { $0 + $1.1 - $1.0 }
            for percent in [10, 90] as [Int64] {
                var passed: Int64 = 0
                let expected = parts.first { part in
                    passed += part.1 - part.0
                    return passed * 100 >= percent * total
                }!.2
                let found = unsafe window.level(exceeded: percent, since: .distantPast, scratch: scratch)
                #expect(found.covered == total && found.value == Double(expected) / 10, "seed \(seed), L\(percent) at \(at)")
            }
        }
        #expect((0..<LevelWindow.bins).allSatisfy { unsafe scratch[$0] == 0 })
    }

    /// 3 s of 80 dB in 20 s of 50 dB: loud for more than a tenth of the time, for less than nine tenths.
    @Test func l10IsLoudAndL90IsQuiet() {
        let readings = (0..<20).map { (device: UInt32(0), at: Int64($0) * 1000, period: UInt32(1000), level: $0 >= 17 ? 80.0 : 50) }
        // 2 s of 19 are the first to be more than a tenth.
        #expect(run([rule("l10", .l10, above: 70), rule("l90", .l90, above: 70)], readings) == ["l10 m0 19000 - 80.0"])
        #expect(run([rule("l10", .l10, above: 70, coverage: 1), rule("l90", .l90, above: 49.9, coverage: 1)], readings)
            == ["l10 m0 20000 - 80.0", "l90 m0 20000 - 50.0"])
    }

    private func pair(_ level: Double, _ reference: Double?, seconds: Range<Int64>) -> [(device: UInt32, at: Int64, period: UInt32, level: Double)] {
        seconds.flatMap { second in
            (reference.map { [(device: UInt32(1), at: second * 1000, period: UInt32(1000), level: $0)] } ?? [])
                + [(device: UInt32(0), at: second * 1000, period: UInt32(1000), level: level)]
        }
    }

    private func corrected(_ readings: [(device: UInt32, at: Int64, period: UInt32, level: Double)], above level: Double) -> [String] {
        run([rule("own", .leq, above: level, coverage: 0.75, background: "m1")], readings).filter { $0.contains(" m0 ") }
    }

    /// The corrections of domain §1: −3.02, −1.65 and −0.46 dB at 3, 5 and 10 dB.
    @Test func theBackgroundIsTakenAway() {
        #expect(corrected(pair(70, 67, seconds: 0..<20), above: 66.9) == ["own m0 15000 - 66.98"])
        #expect(corrected(pair(70, 65, seconds: 0..<20), above: 66) == ["own m0 15000 - 68.35"])
        #expect(corrected(pair(70, 60, seconds: 0..<20), above: 66) == ["own m0 15000 - 69.54"])
        // 70 dB would be over 69; without its background it is not.
        #expect(corrected(pair(70, 65, seconds: 0..<20), above: 69) == [])
    }

    @Test func nearTheBackgroundNothingIsKnown() {
        #expect(corrected(pair(70, 67.1, seconds: 0..<20), above: 60) == [])
        // What fires goes on; it ends when the level is known to be below.
        let lines = corrected(pair(70, 55, seconds: 0..<20) + pair(70, 70, seconds: 20..<60) + pair(55, 40, seconds: 60..<100), above: 60)
        #expect(lines.count == 1 && lines[0].hasPrefix("own m0 15000 ") && !lines[0].contains("- "), "\(lines)")
        #expect(Int64(lines[0].split(separator: " ")[3])! > 60_000, "\(lines)")
    }

    @Test func withoutEnoughBackgroundTheLevelStandsAsItIs() {
        #expect(corrected(pair(70, nil, seconds: 0..<20), above: 69) == ["own m0 15000 - 70.0"])
        // Ten seconds of background are under three quarters of the window.
        let half = (0..<20).map { (device: UInt32(0), at: Int64($0) * 1000, period: UInt32(1000), level: 70.0) }
            + pair(70, 65, seconds: 20..<21)
        #expect(corrected(half, above: 69) == ["own m0 15000 - 70.0"])
    }
}
