import Store
import Telemetry
import Testing

@testable import Pipeline

@Suite struct TrackPipelineTests {
    private static let start: Int64 = 1_717_768_800_000 - 3 * 3_600_000

    /// A vehicle that drives, stands and comes late; a camera beside it.
    private static func readings(_ seed: UInt64) -> [Script] {
        var state = seed
        func dice(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var at = start
        var lat = 30.27
        return (0..<200).map { index in
            at += [10_000, 10_000, 60_000, 240_000, 700_000][dice(5)]
            if dice(3) > 0 { lat += 0.001 }
            let ts = dice(10) == 0 ? at - Int64(dice(4_000_000)) : at
            return index % 3 == 0
                ? Script(device: 1, kind: .bodycam, ts: ts, level: 80, received: at, officer: "李")
                : Script(device: 0, kind: .vehicle, ts: ts, level: lat, received: at, values: [(VehicleValue.lon, 119.99)])
        }
    }

    private static func rig() throws -> Rig {
        let rig = try Rig(deviceCount: 2, rules: [])
        rig.kind = { $0 == 0 ? .vehicle : .bodycam }
        return rig
    }

    @Test(arguments: UInt64(1)...6)
    func killsAndSplitsGiveTheSameRows(seed: UInt64) throws {
        let readings = Self.readings(seed)
        let undisturbed = try Self.rig()
        try undisturbed.run(readings)
        let revised = ", NULL AS revised"
        func rows(_ rig: Rig) throws -> [String] {
            try ["vehicle_minute", "vehicle_hour", "vehicle_day", "bodycam_hour", "bodycam_day"].flatMap { table in
                // When a row was revised is a column of the server's clock.
                try rig.lines("SELECT * FROM (SELECT t.*\(revised) FROM \(table) t) ORDER BY bucket, device").map { line in
                    line.split(separator: " ").dropLast(2).joined(separator: " ")
                }
            } + rig.lines("SELECT * FROM vehicle_stop ORDER BY start")
        }
        let expected = try rows(undisturbed)
        #expect(expected.count > 60)
        let killed = try Self.rig()
        killed.options.minuteFlushMilliseconds = 0
        var left = readings[...]
        var life = 0
        while !left.isEmpty {
            life += 1
            let size = 1 + (life * 7 + Int(seed)) % 40
            try killed.run(Array(left.prefix(size)), batches: [1 + life % 8, 5, 3], killed: life % 3 != 0)
            left = left.dropFirst(size)
        }
        try killed.run([])
        #expect(try rows(killed) == expected, "seed \(seed)")
    }

    @Test func aRebuildGivesTheSame() throws {
        let rig = try Self.rig()
        try rig.run(Self.readings(4))
        let all = ["vehicle_minute", "vehicle_hour", "vehicle_day", "bodycam_hour", "bodycam_day", "vehicle_stay"]
        func rows() throws -> [String] {
            try all.flatMap { try rig.lines("SELECT * FROM \($0) ORDER BY 1, 2").map { $0.split(separator: " ").dropLast().joined(separator: " ") } }
        }
        let before = try rows()
        try rig.execute("DELETE FROM vehicle_hour; UPDATE vehicle_minute SET distance = 1; UPDATE rollup_setting SET has_tracks = 0")
        try rig.run([])
        #expect(try rows() == before)
    }

    @Test func daysAreTheSumOfTheirHours() throws {
        let rig = try Self.rig()
        try rig.run(Self.readings(9))
        func sums(_ table: String) throws -> [String] {
            try rig.lines("SELECT sum(distance), sum(fixes), sum(moving), sum(idling + stopped), sum(spikes) FROM \(table)")
        }
        #expect(try sums("vehicle_hour") == sums("vehicle_day"))
        #expect(try sums("vehicle_minute") == sums("vehicle_hour"))
        #expect(try rig.lines("SELECT sum(heartbeats) FROM bodycam_1h") == rig.lines("SELECT count(*) FROM bodycam"))
    }
}
