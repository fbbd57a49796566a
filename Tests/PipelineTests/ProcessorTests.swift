import Rules
import Store
import Telemetry
import Testing

@testable import Pipeline

private let start: Int64 = 1_717_768_800_000

private func seconds(_ levels: [Double], device: UInt32 = 0, from: Int64 = 0) -> [Script] {
    levels.enumerated().map { Script(device: device, ts: start + (from + Int64($0.offset)) * 1000, level: $0.element) }
}

@Suite struct ProcessorTests {
    @Test func aLoudMinuteBecomesAnAlertAndATask() throws {
        let rig = try Rig()
        let events = try rig.run(seconds([60, 71, 72.5, 73, 60]))
        #expect(try rig.lines("SELECT state, started_at - \(start), fired_at - \(start), resolved_at - \(start), value FROM alert")
            == ["resolved 1000 4000 4000 73.0"])
        #expect(try rig.lines("SELECT state, at - \(start) FROM alert_event ORDER BY seq")
            == ["pending 1000", "firing 4000", "resolved 4000"])
        #expect(try rig.lines(
            "SELECT kind, area, stage, respond_due - created_at, set_out_due - created_at, dispose_due - created_at FROM task")
            == ["noise-check unknown reported 60000 180000 900000"])
        #expect(events.map(\.topic) == [
            "patrol/v1/out/alerts/unknown/warning", "patrol/v1/out/tasks/unknown", "patrol/v1/out/alerts/unknown/warning",
        ])
        #expect(events.map(\.sequence) == [1, 2, 3])
    }

    @Test func identityIsDeviceTimeAndSequence() throws {
        let rig = try Rig()
        let readings = [
            Script(ts: start, level: 50, seq: 1),
            Script(ts: start, level: 50, seq: 1),  // the same again
            Script(ts: start, level: 51, seq: 1),  // same sequence number, other value
            Script(ts: start, level: 50),  // no number: another identity
            Script(ts: start, level: 51),  // no number, other value: a reading of its own
            Script(ts: start, level: 51),  // the same again
            Script(device: 1, ts: start, level: 50, seq: 1),
        ]
        for batches in [[7], [1, 1, 1, 1, 1, 1, 1], [2, 3, 2]] {
            let rig = try Rig()
            try rig.run(readings, batches: batches)
            #expect(try rig.lines("SELECT device, seq, laeq FROM noise ORDER BY input")
                == ["d0 1 50.0", "d0 - 50.0", "d0 - 51.0", "d1 1 50.0"], "batches \(batches)")
            #expect(try rig.lines("SELECT * FROM message_count WHERE kind = 'noise'") == ["noise 7 4 2 1 0"])
            #expect(try rig.lines("SELECT reason, field, device FROM reject") == ["seq_conflict seq d0"])
        }
        // Across lives: everything again is a duplicate, the conflict a conflict.
        try rig.run(readings)
        try rig.run(readings)
        #expect(try rig.lines("SELECT * FROM message_count WHERE kind = 'noise'") == ["noise 14 4 8 2 0"])
    }

    @Test func textsBelongToTheIdentity() throws {
        let rig = try Rig(deviceCount: 1_001, rules: [])
        func heartbeat(_ officer: String) -> Script {
            Script(device: 1_000, kind: .bodycam, ts: start, level: 80, officer: officer)
        }
        try rig.run([heartbeat("李"), heartbeat("李"), heartbeat("王")], batches: [100, 1, 1, 1])
        try rig.run([heartbeat("王")])
        #expect(try rig.lines("SELECT device, officer, battery FROM bodycam ORDER BY input") == ["d1000 李 80.0", "d1000 王 80.0"])
        #expect(try rig.lines("SELECT duplicate FROM message_count WHERE kind = 'bodycam'") == ["2"])
    }

    @Test func theFutureIsRefusedAndMovesNothing() throws {
        let rig = try Rig(clock: .wall)
        rig.options.futureAllowanceMilliseconds = 60_000
        try rig.run([
            Script(ts: start, level: 60),
            Script(ts: start + 61_000, level: 90, received: start + 900),
            Script(ts: start + 1000, level: 60),
        ])
        #expect(try rig.lines("SELECT reason, field FROM reject") == ["future ts"])
        #expect(try rig.lines("SELECT clock - \(start) FROM engine_state") == ["1000"])
    }

    @Test func backfillCorrectsMinutesAndRaisesNothing() throws {
        let rig = try Rig()
        try rig.run(seconds([60], device: 1, from: 700) + seconds([90, 90, 90, 90], device: 0))
        #expect(try rig.lines("SELECT count(*) FROM alert") == ["0"])
        #expect(try rig.lines("SELECT device, samples FROM noise_1m ORDER BY device") == ["d0 4", "d1 1"])
    }

    @Test func onlyTheNewestRejectsAreKeptAndAllAreCounted() throws {
        let rig = try Rig()
        rig.options.futureAllowanceMilliseconds = 0
        rig.options.rejectRows = 7
        let ahead = (1...40).map { Script(ts: 1_000_000 + Int64($0), level: 50, seq: Int64($0), received: 0) }
        try rig.run(ahead, batches: [3, 3, 30, 4])
        #expect(try rig.lines("SELECT count(*), count(DISTINCT payload) FROM reject") == ["7 7"])
        #expect(try rig.lines("SELECT payload FROM reject ORDER BY rowid DESC LIMIT 1")[0].contains("\"seq\":40"))
        #expect(try rig.lines("SELECT received, rejected FROM message_count WHERE kind = 'noise'") == ["40 40"])
        #expect(try StoreReader(path: rig.path).imbalances() == [])
    }

    @Test func tooOldIsRefused() throws {
        let rig = try Rig()
        rig.options.retention.forEveryKind { $0.rawMilliseconds = 86_400_000 }
        try rig.run([Script(ts: start, level: 60), Script(ts: start - 86_400_001, level: 60)])
        #expect(try rig.lines("SELECT reason, field FROM reject") == ["too_old ts"])
    }

    @Test func exactValuesSurviveTheirPacking() throws {
        let rig = try Rig(rules: [])
        let levels = [62.4, 62.47, 62.473_219, -3.05, 0, 199.99, 1.0 / 3]
        try rig.run(levels.enumerated().map { Script(ts: start + Int64($0.offset) * 1000, level: $0.element) })
        #expect(try rig.lines("SELECT laeq FROM noise ORDER BY ts") == levels.map { "\($0)" })
    }

    /// A row that SQLite will not take is found by halving, refused and counted; all others are stored.
    @Test(arguments: [1, 3, 50, 200])
    func aPoisonedRowIsFound(batch: Int) throws {
        let rig = try Rig()
        try rig.run([])
        try rig.execute(
            """
            CREATE TRIGGER poison BEFORE INSERT ON noise_raw WHEN NEW.laeq IN (6660, 6670)
            BEGIN SELECT RAISE(ABORT, 'poisoned'); END
            """)
        var readings = seconds((0..<200).map { _ in 60 })
        readings[77].level = 66.6
        readings[78].level = 66.7
        try rig.run(readings, batches: Array(repeating: batch, count: 200 / batch + 1))
        #expect(try rig.lines("SELECT * FROM message_count WHERE kind = 'noise'") == ["noise 200 198 0 2 0"])
        #expect(try rig.lines("SELECT reason, field FROM reject") == ["unsupported store", "unsupported store"])
        #expect(try rig.lines("SELECT sum(samples) FROM noise_1m") == ["198"])
    }

    @Test func aSecondPatrolIsRefused() throws {
        let rig = try Rig()
        let first = try StoreWriter(path: rig.path)
        #expect(throws: StoreError.self) { try StoreWriter(path: rig.path) }
        first.close()
    }
}

/// Invariant 3: however the input is cut and wherever the process dies, the store says the same.
@Suite struct DeterminismTests {
    struct Dice {
        var state: UInt64
        mutating func roll(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
    }

    /// Levels that wander about the rule's bound, with gaps, late, repeated and overlapping readings.
    static func recording(_ dice: inout Dice, count: Int) -> [Script] {
        var clock = [Int64](repeating: start, count: 3)
        var result: [Script] = []
        while result.count < count {
            let device = dice.roll(3)
            clock[device] += [1000, 1000, 1000, 1000, 12_000, 70_000][dice.roll(6)]
            var ts = clock[device]
            if dice.roll(8) == 0 { ts -= Int64(dice.roll(90)) * 1000 }
            let script = Script(
                device: UInt32(device), ts: ts, level: 66 + Double(dice.roll(80)) / 10,
                seq: dice.roll(3) == 0 ? nil : Int64(result.count), received: clock.max()! + 50,
                periodMilliseconds: dice.roll(10) == 0 ? 5000 : 1000)
            result.append(script)
            if dice.roll(12) == 0 { result.append(script) }
        }
        return result
    }

    @Test(arguments: UInt64(1)...12)
    func anyBatchesAndAnyKillsGiveTheSame(seed: UInt64) throws {
        var dice = Dice(state: seed)
        let readings = Self.recording(&dice, count: 240)
        let undisturbed = try Rig(deviceCount: 3)
        try undisturbed.run(readings)
        let expected = try undisturbed.everything()
        #expect(try undisturbed.lines("SELECT count(*) > 3 FROM alert") == ["1"], "seed \(seed) tests nothing")

        let cut = try Rig(deviceCount: 3)
        try cut.run(readings, batches: (0..<240).map { _ in 1 + dice.roll(30) })
        #expect(try cut.everything() == expected, "seed \(seed), other batches")

        let killed = try Rig(deviceCount: 3)
        killed.options.minuteFlushMilliseconds = 0
        var left = readings[...]
        while !left.isEmpty {
            let life = min(1 + dice.roll(40), left.count)
            try killed.run(Array(left.prefix(life)), batches: [1 + dice.roll(8), 1 + dice.roll(8)], killed: true)
            left = left.dropFirst(life)
        }
        try killed.run([])
        #expect(try killed.everything() == expected, "seed \(seed), killed")
    }

    @Test(arguments: UInt64(100)...103)
    func aRestartAtEveryInputGivesTheSame(seed: UInt64) throws {
        var dice = Dice(state: seed)
        let readings = Self.recording(&dice, count: 60)
        let undisturbed = try Rig(deviceCount: 3)
        try undisturbed.run(readings)
        let killed = try Rig(deviceCount: 3)
        for reading in readings { try killed.run([reading], killed: true) }
        try killed.run([])
        #expect(try killed.everything() == undisturbed.everything(), "seed \(seed)")
    }
}
