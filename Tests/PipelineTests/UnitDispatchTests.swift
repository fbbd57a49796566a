import Dispatching
import Foundation
import Store
import Telemetry
import Testing

@testable import Pipeline

private let start: Int64 = 1_717_768_800_000
private let lat = 30.2741, lon = 120.0151

/// Units in the engine: fixes of body cameras move them, alerts send them, restarts change nothing.
@Suite struct UnitDispatchTests {
    private func rig() throws -> Rig {
        let rig = try Rig(deviceCount: 1_003)
        rig.options.world.units = (0..<3).map { ResponseUnit(id: "u\($0)", kind: "foot", device: "d\(1000 + $0)") }
        // A first reading, with which the devices are registered.
        try rig.run([Script(ts: start - 10_000, level: 50)])
        try rig.execute("UPDATE device SET lat = \(lat), lon = \(lon), area = '330110012' WHERE number < 2")
        return rig
    }

    private func fix(_ unit: UInt32, _ second: Int64, metres: Double) -> Script {
        var script = Script(device: 1000 + unit, kind: .bodycam, ts: start + second * 1000, level: 80)
        script.values = [(BodycamValue.lat, lat + metres / 111_000), (BodycamValue.lon, lon)]
        return script
    }

    private func loud(from: Int64, device: UInt32 = 0) -> [Script] {
        [60, 75, 75, 75, 60].enumerated().map { Script(device: device, ts: start + (from + Int64($0.offset)) * 1000, level: $0.element) }
    }

    @Test func theNearestGoesAndTheChoiceIsExplained() throws {
        let rig = try rig()
        try rig.run([fix(0, 0, metres: 800), fix(1, 0, metres: 300), fix(2, 0, metres: 500), fix(1, 1, metres: 900)] + loud(from: 2))
        #expect(try rig.lines("SELECT unit, stage FROM task") == ["u2 assigned"])
        #expect(try rig.lines("SELECT unit, widened, counts FROM task_choice") == ["u2 0 {\"eligible\":3}"])
        let candidates = try rig.lines("SELECT candidates FROM task_choice")[0]
        #expect(candidates.hasPrefix("[{\"unit\":\"u2\",\"metres\":499,\"fix_age_s\":5,\"reason\":\"eligible\"}"), "\(candidates)")
        #expect(try rig.lines("SELECT id, task, round((lat - \(lat)) * 111000) FROM unit ORDER BY id")
            == ["u0 - 800.0", "u1 - 900.0", "u2 \(try rig.lines("SELECT id FROM task")[0]) 500.0"])
        #expect(try rig.lines("SELECT count(*) FROM outbox WHERE payload LIKE '%\"candidates\":[{\"unit\":\"u2\"%'") == ["1"])
    }

    @Test func twoAlertsOfOneBatchTakeTwoUnitsAndSilenceSendsTheNext() throws {
        let rig = try rig()
        let readings = [fix(0, 0, metres: 100), fix(1, 0, metres: 200), fix(2, 0, metres: 300)]
            + zip(loud(from: 1), loud(from: 1, device: 1)).flatMap { [$0, $1] } + [Script(ts: start + 40_000, level: 60)]
        try rig.run(readings)
        #expect(try rig.lines("SELECT what, unit FROM task_event WHERE what IN ('assigned', 'unit_silent', 'no_unit') ORDER BY seq")
            == ["assigned u0", "assigned u1", "unit_silent -", "assigned u2", "unit_silent -", "assigned u0"])
    }

    @Test func dutyIsSaidByPeopleAndKept() throws {
        let rig = try rig()
        try rig.run([fix(0, 0, metres: 100), fix(1, 0, metres: 200)])
        let answers = try rig.run([], then: [
            Action("unit.off", subject: "u0", author: "王敏", fields: ["why": .text("ill")]), Action("unit.off", subject: "u", author: "王敏"),
            Action("unit.on", subject: "zz", author: "王敏"),
        ])
        #expect(answers.refusals.count == 2 && answers.refusals[0].contains("more than one unit") && answers.refusals[1].contains("no unit has the id 'zz'"))
        try rig.run(loud(from: 2))
        #expect(try rig.lines("SELECT unit FROM task") == ["u1"])
        #expect(try rig.lines("SELECT duty, duty_by FROM unit WHERE id = 'u0'") == ["off 王敏"])
        // A unit that the file has no more is gone.
        rig.options.world.units.removeFirst()
        try rig.run([])
        #expect(try rig.lines("SELECT id FROM unit ORDER BY id") == ["u1", "u2"])
    }

    @Test(arguments: UInt64(1)...3)
    func aRestartAtEveryInputGivesTheSame(seed: UInt64) throws {
        var dice = DeterminismTests.Dice(state: seed)
        var second: Int64 = 0
        let parts = (0..<14).map { _ -> (readings: [Script], actions: [Action]) in
            second += 10 + Int64(dice.roll(60))
            var readings = (0..<3).map { fix(UInt32($0), second, metres: Double(dice.roll(2000))) }
            if dice.roll(2) == 0 { readings += loud(from: second, device: UInt32(dice.roll(2))) }
            let verb = ["task.ack", "task.arrive", "task.dispose", "task.return", "unit.off", "unit.on"][dice.roll(6)]
            let fields: [String: ActionValue] = verb == "task.return" ? ["why": .text("x")] : [:]
            return (readings, [Action(verb, subject: verb.hasPrefix("task") ? "t" : "u\(dice.roll(3))", author: "王敏", fields: fields)])
        }
        let undisturbed = try rig()
        try undisturbed.run(parts)
        #expect(try undisturbed.lines("SELECT count(*) > 1 FROM task_choice") == ["1"], "seed \(seed) tests nothing")
        let killed = try rig()
        for part in parts {
            for reading in part.readings { try killed.run([reading], killed: true) }
            for action in part.actions { try killed.run([], then: [action]) }
        }
        try killed.run([])
        #expect(try killed.everything() == undisturbed.everything(), "seed \(seed)")
    }
}
