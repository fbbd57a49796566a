import Foundation
import Rules
import Settings
import Telemetry
import Testing

@testable import Pipeline

/// Thirty-six rules of every form, devices of every kind, a small district: however the input is cut, wherever the process
/// dies and is started again, and whenever the rules are read again, alerts, events and ids are the same bytes.
@Suite struct RuleRestartTests {
    static let rules = """
        rules:
          - { id: n1, on: noise, condition: { metric: laeq, above: 70, for: 3s, clear_below: 68 }, severity: warning, task: { kind: check } }
          - { id: n2, on: noise, condition: { metric: laeq, window: 1m, above: 66, coverage: 10 }, severity: info }
          - { id: n3, on: noise, condition: { metric: lmax, window: 20s, above: 75, clear_below: 70 , coverage: 5 }, severity: warning, keep_firing_for: 8s }
          - { id: n4, on: noise, condition: { metric: laeq, limit: gb12523, margin: 12 }, severity: warning, cool_down: 30s }
          - { id: n5, on: noise, condition: { metric: laeq, window: 40s, limit: gb3096, coverage: 5 }, severity: critical, where: { zones: ["2"] } }
          - { id: n6, on: noise, condition: { metric: laeq, above: 69 }, severity: info, max_rate: { alerts: 2, per: 1m } }
          - { id: n7, on: noise, condition: { metric: laeq, above: 68 }, severity: info, resolve_after: 15s }
          - { id: n8, on: noise, condition: { metric: laeq, above: 66 }, severity: info, inhibited_by: [n1] }
          - { id: n9, on: noise, condition: { metric: laeq, above: 67 }, severity: info, escalate: [{ to: warning, after: 5s }, { to: critical, beyond: 72 }] }
          - { id: n10, on: noise, condition: { metric: laeq, above: 69 }, severity: warning, group: { by: site, at_least: 2 }, keep_firing_for: 10s }
          - { id: n11, on: noise, condition: { absent_for: 20s }, severity: warning }
          - { id: n12, on: noise, condition: { any: [{ metric: laeq, above: 73 }, { all: [{ metric: lmax, above: 70 }, { not: { metric: laeq, below: 66 } }] }], for: 2s }, severity: info }
          - { id: n13, on: noise, when: { hours: "22:00-22:01" }, condition: { metric: laeq, above: 60 }, severity: info }
          - { id: n14, on: noise, lifted_by: [repair], condition: { metric: laeq, above: 60 }, severity: info }
          - { id: n15, on: noise, condition: { count: { metric: laeq, above: 70 }, window: 1m, above: 2 }, severity: info }
          - { id: n16, on: noise, latched: true, condition: { metric: laeq, above: 73.5 }, severity: critical }
          - { id: n17, on: noise, condition: { rate: laeq, per: 1s, above: 3 }, severity: info, flagged: count }
          - { id: n18, on: noise, condition: { metric: laeq, window: 20s, value: l10, above: 70, coverage: 5 }, severity: info }
          - { id: n19, on: noise, condition: { metric: laeq, window: 40s, above: 60, coverage: 5, background: d0 }, severity: info }
          - { id: b1, on: bodycam, condition: { missed_heartbeats: 3 }, severity: warning }
          - { id: b2, on: bodycam, condition: { changes: boot }, severity: info, keep_firing_for: 5s }
          - { id: b3, on: bodycam, condition: { returns: boot }, severity: critical }
          - { id: b4, on: bodycam, condition: { all: [{ metric: recording, equals: false }, { metric: battery, below: 50 }] }, severity: info }
          - { id: b5, on: bodycam, latched: true, condition: { metric: sos, equals: true }, severity: critical, task: { kind: help } }
          - { id: b6, on: bodycam, condition: { rate: battery, per: 1m, below: -20 }, severity: info }
          - { id: b7, on: bodycam, when: { weekdays: [mon-fri] }, condition: { absent_for: 10s, for: 5s }, severity: info }
          - { id: b8, on: bodycam, condition: { any: [{ returns: boot }, { metric: second_gateway, equals: true }] }, severity: critical, keep_firing_for: 6s }
          - { id: v9, on: vehicle, condition: { count: { metric: second_gateway, equals: true }, window: 1m, above: 1 }, severity: critical }
          - { id: v1, on: vehicle, condition: { entered: yard }, severity: info, keep_firing_for: 3s }
          - { id: v2, on: vehicle, condition: { outside: [yard], after: 4s, accuracy: 30m }, severity: warning }
          - { id: v3, on: vehicle, condition: { metric: speed_kmh, limit: fence, margin: 5 }, severity: warning }
          - { id: v4, on: vehicle, condition: { all: [{ metric: speed_kmh, below: 3 }, { inside: "kind:yard" }], for: 5s }, severity: info }
          - { id: v5, on: vehicle, condition: { metric: implied_kmh, above: 200 }, severity: info }
          - { id: v7, on: vehicle, condition: { entered: [yard] }, group: { by: fence, at_least: 2, within: 1m }, severity: info }
          - { id: v8, on: vehicle, condition: { inside: [yard] }, group: { by: rule }, keep_firing_for: 7s, severity: info }
          - { id: v6, on: vehicle, condition: { absent_for: 12s }, severity: warning, escalate: [{ to: critical, after: 6s }] }
        """

    // 21:59:30 in Shanghai, a Friday.
    static let start = Timestamp(rfc3339: "2024-06-07T21:59:30+08:00")!.milliseconds

    static func world() throws -> World {
        var world = World(zone: LocalZone(identifier: "Asia/Shanghai")!)
        let square = [(119.9, 30.2), (120.0, 30.2), (120.0, 30.3), (119.9, 30.3)]
        let text = square.map { "[\($0.0),\($0.1)]" }.joined(separator: ",") + ",[119.9,30.2]"
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("patrol-fence-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data(
            """
            {"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":"yard","name":"yard","kind":"yard","speed_kmh":20},
            "geometry":{"type":"Polygon","coordinates":[[\(text)]]}}]}
            """.utf8).write(to: folder.appendingPathComponent("fences.geojson"))
        try Data("broker: { url: mqtt://b }\nstore: { path: a.db }\nfences: fences.geojson\n".utf8)
            .write(to: folder.appendingPathComponent("patrol.yaml"))
        world.fences = try Settings.load(path: folder.path + "/patrol.yaml", environment: [:]).world.fences
        world.permits = Permits([
            Permit(
                site: "s1", from: Timestamp(milliseconds: start + 20_000), until: Timestamp(milliseconds: start + 50_000),
                what: "repair")
        ])
        return world
    }

    static func rig() throws -> Rig {
        let world = try world()
        let rig = try Rig(deviceCount: 6, rules: try RuleFile.parse(rules, path: "rules.yaml", world: world))
        rig.options.world = world
        rig.kind = { $0 < 3 ? .noise : $0 < 5 ? .bodycam : .vehicle }
        // Two meters of one site, one of them of a zone.
        // Devices are stored with the first reading.
        try rig.run([Script(ts: start - 3_600_000, level: 50, received: start - 3_600_000)])
        try rig.execute("UPDATE device SET site = 's1' WHERE number < 2")
        try rig.execute("UPDATE device SET zone = '2' WHERE number = 1")
        return rig
    }

    /// Everything that recordings are known for: gaps, repeats with other values, late receipt, reboots, clocks that
    /// step back.
    static func recording(_ dice: inout DeterminismTests.Dice, count: Int) -> [Script] {
        var now = start
        var boots = ["a", "a"]
        var result: [Script] = []
        while result.count < count {
            now += Int64([200, 500, 1000, 1000, 3000, 14_000][dice.roll(6)])
            let device = dice.roll(6)
            var ts = now - Int64([0, 0, 0, 300, 2000, 9000, 700_000][dice.roll(7)])
            if dice.roll(20) == 0 { ts = now - Int64(dice.roll(60_000)) }
            var script = Script(
                device: UInt32(device), ts: ts, level: 0, seq: dice.roll(4) == 0 ? nil : Int64(result.count), received: now)
            switch device {
            case 0..<3:
                script.level = 62 + Double(dice.roll(120)) / 10
                script.values = [(NoiseValue.lmax, script.level + Double(dice.roll(60)) / 10)]
                script.flags = dice.roll(12) == 0 ? 1 : 0
                script.periodMilliseconds = dice.roll(8) == 0 ? 5000 : 1000
            case 3..<5:
                script.kind = .bodycam
                script.periodMilliseconds = 4000
                script.level = Double(dice.roll(100))
                if dice.roll(4) == 0 { boots[device - 3] = ["a", "b", "c"][dice.roll(3)] }
                script.boot = boots[device - 3]
                script.bits = [(1, dice.roll(2) == 0), (2, dice.roll(10) == 0)]
            default:
                script.kind = .vehicle
                script.level = 30.25 + Double(dice.roll(3) - 1) * 0.1
                script.values = [
                    (VehicleValue.lon, 119.95), (VehicleValue.speed, Double(dice.roll(40))),
                    (VehicleValue.accuracy, Double(dice.roll(60))),
                ]
            }
            result.append(script)
            if dice.roll(12) == 0 { result.append(script) }
            if device >= 3 && dice.roll(6) == 0 {
                script.isForeign = true
                result.append(script)
            }
        }
        return result
    }

    static func alerts(_ rig: Rig) throws -> [String] {
        try rig.everything() + rig.lines("SELECT * FROM alert_detail ORDER BY alert_id")
            + rig.lines("SELECT id, severity, site, device FROM alert ORDER BY id")
    }

    /// Names the rows that differ, not all of them.
    static func expect(_ rig: Rig, _ expected: [String], _ what: String) throws {
        let found = try alerts(rig)
        let difference = found.difference(from: expected)
        #expect(found == expected, "\(what): \(difference)")
    }

    // More in tools/test: PATROL_RESTART_SEEDS.
    static let seeds = 1...UInt64(ProcessInfo.processInfo.environment["PATROL_RESTART_SEEDS"].flatMap { UInt64($0) } ?? 6)

    @Test(arguments: seeds)
    func aRestartAtEveryInputGivesTheSameBytes(seed: UInt64) throws {
        var dice = DeterminismTests.Dice(state: seed)
        let readings = Self.recording(&dice, count: 60)
        let undisturbed = try Self.rig()
        try undisturbed.run(readings)
        let expected = try Self.alerts(undisturbed)
        let killed = try Self.rig()
        for reading in readings { try killed.run([reading], killed: true) }
        try killed.run([])
        try Self.expect(killed, expected, "seed \(seed), killed after each input")
        let reloaded = try Self.rig()
        try reloaded.run(readings, batches: Array(repeating: 1, count: readings.count), reloads: true)
        try Self.expect(reloaded, expected, "seed \(seed), unchanged rules read again after each input")
    }

    @Test(arguments: seeds)
    func anyCutAndAnyCheckpointGivesTheSameBytes(seed: UInt64) throws {
        var dice = DeterminismTests.Dice(state: seed &* 977)
        let readings = Self.recording(&dice, count: 240)
        let undisturbed = try Self.rig()
        try undisturbed.run(readings)
        let expected = try Self.alerts(undisturbed)
        #expect(try undisturbed.lines("SELECT count(DISTINCT rule) > 12 FROM alert") == ["1"], "seed \(seed) tests little")

        let cut = try Self.rig()
        try cut.run(readings, batches: (0..<240).map { _ in 1 + dice.roll(20) })
        try Self.expect(cut, expected, "seed \(seed), other batches")

        let reloaded = try Self.rig()
        try reloaded.run(readings, batches: (0..<240).map { _ in 1 + dice.roll(20) }, reloads: true)
        try Self.expect(reloaded, expected, "seed \(seed), unchanged rules read again after each batch")

        // Lives of any length with a clean end or a kill, some with a checkpoint after each batch.
        let lives = try Self.rig()
        lives.options.minuteFlushMilliseconds = 0
        var left = readings[...]
        while !left.isEmpty {
            let life = min(1 + dice.roll(50), left.count)
            lives.options.checkpointReadings = dice.roll(2) == 0 ? 1 : 262_144
            try lives.run(Array(left.prefix(life)), batches: [1 + dice.roll(8), 1 + dice.roll(8)], killed: dice.roll(3) > 0)
            left = left.dropFirst(life)
        }
        try lives.run([])
        try Self.expect(lives, expected, "seed \(seed), lives")
    }

    /// Reading unchanged rules again changes nothing; a rule that is changed begins anew and ends its alerts, one that is
    /// taken away ends them too.
    @Test func aChangedRuleBeginsAnew() throws {
        let start = Self.start
        let loud = try Self.rig()
        try loud.run([Script(ts: start, level: 75), Script(ts: start + 1000, level: 75)])
        #expect(try loud.lines("SELECT rule, state FROM alert WHERE rule IN ('n7', 'n8') ORDER BY rule") == ["n7 firing", "n8 firing"])
        let world = try Self.world()
        loud.options.rules = RuleSet(
            try RuleFile.parse(
                Self.rules.replacingOccurrences(of: "id: n7, on: noise, condition: { metric: laeq, above: 68", with: "id: n7, on: noise, condition: { metric: laeq, above: 67.5")
                    .split(separator: "\n").filter { !$0.contains("id: n6") }.joined(separator: "\n"),
                path: "rules.yaml", world: world))
        try loud.run([Script(ts: start + 2000, level: 75)])
        #expect(
            try loud.lines("SELECT rule, state, started_at - \(start) FROM alert WHERE rule IN ('n6', 'n7', 'n8') ORDER BY rule, started_at")
                == ["n6 resolved 0", "n7 resolved 0", "n7 firing 2000", "n8 firing 0"])
        #expect(
            try loud.lines("SELECT reason FROM alert_detail d JOIN alert a ON a.id = d.alert_id WHERE rule IN ('n6', 'n7') AND state = 'resolved'")
                == ["rule", "rule"])
    }

    /// A latched alert ends when a person says so, at that place among the readings in every later life too.
    @Test func anEndByAPersonIsAnInput() throws {
        let start = Self.start
        let id = Identifier.alert(rule: "n16", kind: .noise, device: "d0", startedAt: Timestamp(milliseconds: start))
        func readings(_ seconds: Range<Int64>, _ level: Double) -> [Script] {
            seconds.map { Script(ts: start + $0 * 1000, level: level, received: start + $0 * 1000) }
        }
        func lives(killed: Bool) throws -> Rig {
            let rig = try Self.rig()
            try rig.run(readings(0..<3, 74), killed: killed)
            let inbox = Inbox()
            let answers = Answers()
            inbox.submit(Action("alert.end", subject: String(id.prefix(9)), author: "王敏")) { answers.add($0) }
            inbox.submit(Action("alert.end", subject: id, author: "李强")) { answers.add($0) }
            try rig.run(readings(3..<5, 60), killed: killed, inbox: inbox)
            #expect(answers.all.count == 2 && answers.refusals.count == 1, "\(answers.refusals)")
            for reading in readings(5..<9, 60) + readings(9..<11, 75) { try rig.run([reading], killed: killed) }
            try rig.run([])
            return rig
        }
        let undisturbed = try lives(killed: false)
        #expect(
            try undisturbed.lines("SELECT started_at - \(start), state FROM alert WHERE rule = 'n16' ORDER BY started_at")
                == ["0 resolved", "9000 firing"])
        #expect(try undisturbed.lines("SELECT reason FROM alert_detail WHERE alert_id = '\(id)'") == ["person"])
        #expect(try undisturbed.lines("SELECT what, who FROM alert_note") == ["ended 王敏"])
        #expect(try Self.alerts(lives(killed: true)) == Self.alerts(undisturbed))
    }

    /// The id of a camera from another gateway is refused, and the camera's next reading says so once, whoever was killed
    /// in between and wherever the checkpoint was.
    @Test(arguments: [(false, 262_144), (true, 262_144), (true, 1)])
    func anIdFromTwoGatewaysIsAnInput(killed: Bool, checkpointReadings: Int64) throws {
        let rig = try Rig(
            deviceCount: 2,
            rules: try RuleFile.parse(
                "rules: [{ id: twice, on: bodycam, condition: { metric: second_gateway, equals: true }, severity: critical }]", path: "rules.yaml",
                world: World(zone: LocalZone(identifier: "Asia/Shanghai")!)))
        rig.kind = { _ in .bodycam }
        rig.options.checkpointReadings = checkpointReadings
        func beat(_ device: UInt32, _ second: Int64, isForeign: Bool = false) -> Script {
            var script = Script(device: device, kind: .bodycam, ts: Self.start + second * 1000, level: 50)
            script.isForeign = isForeign
            return script
        }
        let inputs = [
            beat(0, 0), beat(1, 0), beat(0, 1, isForeign: true), beat(0, 2, isForeign: true), beat(1, 3), beat(0, 4), beat(0, 5), beat(1, 5),
        ]
        for input in inputs { try rig.run([input], killed: killed) }
        #expect(
            try rig.lines("SELECT device, state, started_at - \(Self.start), resolved_at - \(Self.start) FROM alert") == ["d0 resolved 4000 5000"])
        #expect(try rig.lines("SELECT rejected FROM message_count WHERE kind = 'bodycam'") == ["2"])
    }

    /// Without the rules at hand (a change at rest, a replay) what they have left in the store stays as it is.
    @Test func withoutRulesTheirStateStays() throws {
        let start = Self.start
        let rig = try Self.rig()
        try rig.run((0..<4).map { Script(ts: start + $0 * 1000, level: 75) }, killed: true)
        let before = try rig.lines("SELECT id, state FROM alert ORDER BY id")
        let options = rig.options
        rig.options.rules = RuleSet()
        rig.options.knowsRules = false
        try rig.run([])
        #expect(try rig.lines("SELECT id, state FROM alert ORDER BY id") == before)
        rig.options = options
        try rig.run([Script(ts: start + 4000, level: 60)])
        #expect(try rig.lines("SELECT count(*) > 3 FROM alert WHERE state = 'resolved'") == ["1"])
        #expect(try rig.lines("SELECT count(*) FROM alert_detail WHERE reason = 'rule'") == ["0"])
    }
}
