import Store
import Telemetry
import Testing

@testable import Pipeline

private let start: Int64 = 1_717_768_800_000  // 2024-06-07T22:00 in Shanghai

@Suite struct RollupTests {
    private let views = ["noise_1m", "noise_10m", "noise_20m", "noise_1h", "noise_1d"]

    private func rows(_ rig: Rig) throws -> [String] {
        try views.flatMap { try rig.lines("SELECT * FROM \($0) ORDER BY bucket, device, flagged") }
    }

    private func night() -> [Script] {
        (0..<480).map { Script(device: UInt32($0 % 2), ts: start + Int64($0) * 60_000, level: 40 + Double($0 % 30), periodMilliseconds: 60_000) }
    }

    @Test func theNightOfTheExamStandsInItsEvening() throws {
        let rig = try Rig(rules: [])
        try rig.run(night())
        let evening = start - 22 * 3_600_000
        #expect(try rig.lines("SELECT device, bucket - \(evening), ln IS NOT NULL, ln_coverage, ln_valid, ld, samples FROM noise_1d WHERE bucket = \(evening)")
            == ["d0 0 1 0.5 0 - 60", "d1 0 1 0.5 0 - 60"])
        #expect(try rig.lines("SELECT count(*), sum(samples), min(coverage) FROM noise_1h") == ["16 480 0.5"])
        #expect(try rig.lines("SELECT DISTINCT valid FROM noise_1h") == ["0"])
        try rig.execute("UPDATE rollup_setting SET min_coverage = 0.5")
        #expect(try rig.lines("SELECT DISTINCT valid FROM noise_1h") == ["1"])
    }

    @Test func duplicatesChangeNothing() throws {
        let rig = try Rig(rules: [])
        try rig.run(night())
        let once = try rows(rig)
        try rig.run(night())
        #expect(try rows(rig) == once)
    }

    @Test func openBucketsAreComplete() throws {
        let rig = try Rig(rules: [])
        try rig.run([Script(ts: start, level: 60)])
        #expect(try rig.lines("SELECT (SELECT count(*) FROM noise_10m), (SELECT count(*) FROM noise_1d)") == ["1 1"])
    }

    /// What a run that rolled up minutes alone has left out is there after the next start.
    @Test func bucketsThatWereNotFilledAreMadeAtTheNextStart() throws {
        let whole = try Rig(rules: [])
        try whole.run(night())
        let rig = try Rig(rules: [])
        rig.options.fillsBuckets = false
        try rig.run(night(), batches: Array(repeating: 50, count: 20))
        #expect(try rig.lines("SELECT (SELECT count(*) FROM noise_1m), (SELECT count(*) FROM noise_10m) + (SELECT count(*) FROM noise_1d)")
            == ["480 0"])
        // A store that has readings is not left out again.
        try rig.run([])
        #expect(try rows(rig) == rows(whole))
    }

    /// What a killed Patrol has left behind is written before a repair from a later moment passes it over.
    @Test func aRepairAfterAKillLeavesNoReadingOut() throws {
        let whole = try Rig(rules: [])
        try whole.run(night())
        let rig = try Rig(rules: [])
        try rig.run(night(), batches: Array(repeating: 50, count: 20), killed: true)
        #expect(try rig.lines("SELECT minutes_input < input FROM engine_state") == ["1"])
        _ = try RollupRepair.run(storePath: rig.path, from: Timestamp(milliseconds: start + 30 * 86_400_000))
        #expect(try rig.lines("SELECT minutes_input = input FROM engine_state") == ["1"])
        try rig.run([])
        #expect(try rows(rig) == rows(whole))
    }

    /// What a store has lost or had computed wrongly is the same again after a rebuild from the raw readings.
    @Test func aRebuildGivesTheSame() throws {
        let rig = try Rig(rules: [])
        try rig.run(night().map { script in
            var script = script
            if script.ts % 420_000 == 0 { script.ts -= 3_600_000 }
            return script
        }, batches: Array(repeating: 50, count: 20))
        let before = try rows(rig)
        try rig.execute("DELETE FROM noise_hour; UPDATE noise_minute SET leq = 1; UPDATE rollup_setting SET is_complete = 0")
        try rig.run([])
        #expect(try rows(rig) == before)
        // From a midnight on: what lies before stays, the night across it too.
        let midnight = start + 2 * 3_600_000
        try rig.execute("DELETE FROM noise_hour WHERE bucket >= \(midnight)")
        try rig.execute("UPDATE rollup_setting SET is_complete = 0, rebuild_from = \(midnight)")
        try rig.run([])
        #expect(try rows(rig) == before)
    }

    @Test func otherSettingsAreRefused() throws {
        let rig = try Rig(rules: [])
        try rig.run([Script(ts: start, level: 60)])
        rig.options.rollups = RollupOptions(zone: .utc)
        #expect(throws: StoreError.self) { try rig.run([Script(ts: start + 1000, level: 60)]) }
        rig.options.rollups = nil
        try rig.run([Script(ts: start + 1000, level: 60)])
        #expect(try rig.lines("SELECT samples FROM noise_1d WHERE samples > 0") == ["2"])
    }
}
