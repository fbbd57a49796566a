import Dispatching
import Foundation
import Store
import Telemetry
import Testing

@testable import Pipeline

private let start: Int64 = 1_717_768_800_000

/// A square with sides of 2 × `half` degrees.
private func square(_ lat: Double, _ lon: Double, _ half: Double) throws -> Shape {
    let corners = [(-1.0, -1.0), (-1, 1), (1, 1), (1, -1), (-1, -1)].map { Position(latitude: lat + $0 * half, longitude: lon + $1 * half) }
    return try Shape(polygons: [Polygon(rings: [corners])])
}

private func loud(from: Int64 = 0) -> [Script] {
    [60, 75, 75, 75, 60].enumerated().map { Script(ts: start + (from + Int64($0.offset)) * 1000, level: $0.element) }
}

@Suite struct LeadPipelineTests {
    private func rig() throws -> Rig {
        let rig = try Rig()
        rig.options.world.areas = try AreaTree([
            Area(code: "330110", name: "余杭区", level: .district),
            Area(code: "330110012", name: "仓前街道", level: .town, parent: "330110", shape: try square(30.3, 120, 0.05)),
            Area(code: "330110005", name: "五常街道", level: .town, parent: "330110", shape: try square(30.2, 120, 0.05)),
        ])
        rig.options.world.sites = Sites([
            Site(id: "school", name: "小学", kind: "school", area: "330110012", place: .area(try square(30.3, 120, 0.001))),
            Site(id: "pump", name: "泵站", kind: "construction", place: .point(Position(latitude: 30.2, longitude: 120))),
        ])
        return rig
    }

    private func lead(_ second: Int64, _ fields: [LeadText: String] = [:], _ lat: Double? = nil, _ lon: Double = 120) -> Script {
        .lead(at: start + second * 1000, [.matter: "noise-check"].merging(fields) { $1 }, place: lat.map { ($0, lon) })
    }

    private func counts(_ rig: Rig) throws -> [String] {
        try rig.lines("SELECT received, stored, duplicate, rejected FROM message_count WHERE kind = 'lead'")
    }

    @Test func coordinatesFindTheSiteAndTheArea() throws {
        let rig = try rig()
        try rig.run([
            lead(1, [.source: "1"], 30.3), lead(2, [.source: "2"], 30.2003), lead(3, [.source: "3"], 30.31), lead(4, [.source: "4"], 31),
            lead(5, [.source: "5", .matter: "dust", .site: "school"]), lead(6, [.source: "6", .matter: "dust", .area: "330110005000"]),
        ])
        #expect(try rig.lines("SELECT site, area, round(lat, 4) FROM task ORDER BY number") == [
            "school 330110012 30.3", "pump 330110005 30.2003", "- 330110012 30.31", "- unknown 31.0", "school 330110012 30.3",
            "- 330110005000 -",
        ])
        #expect(try counts(rig) == ["6 6 0 0"])
        #expect(try rig.lines("SELECT name, author, role, fields FROM engine_input LIMIT 1")
            == ["task.new gw gateway {\"kind\":\"noise-check\",\"lat\":30.3,\"lon\":120,\"source\":\"gw/1\"}"])
    }

    @Test func whatNobodyKnowsIsARejectWithItsField() throws {
        let rig = try rig()
        try rig.run([lead(1, [.site: "scool"]), lead(2, [.area: "330199"])])
        #expect(try rig.lines("SELECT gateway, topic, field, reason FROM reject ORDER BY id")
            == ["gw patrol/v1/in/gw/lead site range", "gw patrol/v1/in/gw/lead area range"])
        #expect(try counts(rig) == ["2 0 0 2"])
        #expect(try rig.lines("SELECT count(*) FROM task") == ["0"])
    }

    /// The broker sends again what was not acknowledged, also after a kill and after the task is closed.
    @Test func theSameLeadAgainChangesNothing() throws {
        let rig = try rig()
        let numbered = lead(1, [.source: "9"], 30.3)
        let plain = lead(2, [.text: "drilling"], 30.31)
        try rig.run([numbered, plain], killed: true)
        try rig.run([numbered, plain, numbered], killed: true)
        try rig.run([plain])
        #expect(try rig.lines("SELECT events FROM task ORDER BY number") == ["1", "1"])
        #expect(try counts(rig) == ["6 2 4 0"])
        #expect(try rig.lines("SELECT count(*) FROM task_source") == ["2"])
        let done = ["assign": ["unit": ActionValue.text("u")], "arrive": [:], "dispose": [:]]
        let id = try rig.lines("SELECT id FROM task ORDER BY number")[0]
        let feedback: [String: ActionValue] = ["verdict": .text("gone"), "text": .text("quiet")]
        try rig.run([], then: ["assign", "arrive", "dispose", "feedback", "close"].map {
            Action("task.\($0)", subject: id, author: "王敏", fields: done[$0] ?? ($0 == "feedback" ? feedback : [:]))
        })
        // Long closed and forgotten.
        try rig.run([Script(ts: start + 90_000_000, level: 50)])
        var late = numbered
        late.received = start + 90_001_000
        try rig.run([late])
        #expect(try rig.lines("SELECT stage FROM task ORDER BY number") == ["closed", "reported"])
        #expect(try counts(rig) == ["7 2 5 0"])
    }

    @Test func equalMattersNearAndSoonAreOneTask() throws {
        let rig = try rig()
        try rig.run([
            lead(0, [.source: "1"], 30.31), lead(60, [.source: "2"], 30.3108),  // 89 m
            lead(120, [.source: "3"], 30.3121),  // 233 m from the first
            lead(180, [.source: "4", .matter: "dust"], 30.31),
            lead(3_601, [.source: "5"], 30.31),  // more than an hour after the first
        ])
        #expect(try rig.lines("SELECT t.kind, group_concat(s.ref) FROM task t JOIN task_source s ON s.task_id = t.id GROUP BY t.number")
            == ["noise-check gw/1,gw/2", "noise-check gw/3", "dust gw/4", "noise-check gw/5"])
    }

    @Test(arguments: [true, false])
    func aLeadAndAnAlertOfOneSiteAndHourAreOneTaskWithBothSources(isLeadFirst: Bool) throws {
        let rig = try rig()
        try rig.run([Script(ts: start - 10_000, level: 50)])
        try rig.execute("UPDATE device SET site = 'school', area = '330110012' WHERE number = 0")
        let report = lead(isLeadFirst ? 0 : 1800, [.source: "1"], 30.3)
        try rig.run(isLeadFirst ? [report] + loud(from: 1800) : loud() + [report])
        #expect(try rig.lines("SELECT count(*) FROM task") == ["1"])
        #expect(try rig.lines("SELECT kind FROM task_source ORDER BY kind") == ["alert", "lead"])
    }

    @Test(arguments: UInt64(1)...3)
    func aRestartAtEveryInputGivesTheSame(seed: UInt64) throws {
        var dice = DeterminismTests.Dice(state: seed)
        var second: Int64 = 0
        let parts = (0..<40).map { index -> [Script] in
            second += [1, 40, 900][dice.roll(3)]
            if dice.roll(4) == 0 { return loud(from: second) }
            return [lead(second, dice.roll(2) == 0 ? [.source: "\(dice.roll(9))"] : [:], 30.3 + Double(dice.roll(20)) / 10_000)]
        }
        let readings = parts.flatMap { $0 }
        let whole = try rig(), cut = try rig(), killed = try rig()
        try whole.run(readings)
        try cut.run(readings, batches: Array(repeating: 3, count: readings.count))
        #expect(try cut.everything() == whole.everything(), "seed \(seed)")
        for part in readings { try killed.run([part], killed: true) }
        try killed.run([])
        #expect(try killed.everything() == whole.everything(), "seed \(seed)")
    }
}
