import Delivery
import Settings
import Store
import Telemetry
import Testing

@testable import Pipeline

private let start: Int64 = 1_717_768_800_000

private func said(_ fields: [String: ActionValue], on id: String = "t", as system: String = "city") -> Action {
    Action("task.external", subject: id, author: system, fields: fields)
}

@Suite struct ExternalTaskTests {
    private func loud() -> [Script] {
        [60, 75, 75, 75, 60].enumerated().map { Script(ts: start + Int64($0.offset) * 1000, level: $0.element) }
    }

    @Test func numberAndStageAreKeptAndToldWithTheTask() throws {
        let rig = try Rig()
        rig.options.adapters = ["city": TicketAdapter()]
        let answers = try rig.run(loud(), then: [
            said(["number": .text("T-17"), "stage": .text("open")]), said(["stage": .text("on_site"), "by": .text("陈")], on: "T-17"),
            said(["stage": .text("closed")], on: "T-17"), said(["stage": .text("closed")], on: "T-17"),
        ])
        #expect(answers.refusals == [])
        #expect(try rig.lines("SELECT stage, unit FROM task") == ["disposed city"])
        #expect(try rig.lines("SELECT system, number, stage, status, conflict LIKE '%verdict%' FROM task_external") == ["city T-17 closed closed 1"])
        #expect(try rig.lines("SELECT what, who FROM task_event WHERE number > 1 ORDER BY seq") == [
            "accepted city", "external city", "assigned city: 陈", "on_scene city: 陈", "external city: 陈", "disposed city",
            "external_conflict city",
        ])
        let events = try rig.lines("SELECT json_extract(payload, '$.data.external') FROM outbox WHERE payload LIKE '%patrol.task.external%' ORDER BY seq")
        #expect(events[0] == #"{"system":"city","number":"T-17","stage":"accepted","status":"open"}"#)
        #expect(events.count == 3 && events[2].contains("conflict"))
        // The fourth said nothing new, and is an input all the same.
        #expect(try rig.lines("SELECT count(*) FROM engine_input") == ["4"])
    }

    @Test func whatCannotBeIsRefused() throws {
        let rig = try Rig()
        try rig.run(loud(), then: [said(["number": .text("17")])])
        try rig.run([60, 75, 75, 75].enumerated().map { Script(device: 1, ts: start + 20_000 + Int64($0.offset) * 1000, level: $0.element) })
        let other = try rig.lines("SELECT id FROM task ORDER BY number DESC LIMIT 1")[0]
        let answers = try rig.run([], then: [
            said(["number": .text("17")], on: other), said(["stage": .text("on_site")], on: other), said([:], on: other),
            said(["number": .text("18")], on: "x"),
        ])
        #expect(answers.refusals.count == 4)
        #expect(answers.refusals[0].contains("has the number 17 for the task"))
        #expect(answers.refusals[1].contains("'on_site' is no stage; there are reported, accepted"))
        #expect(answers.refusals[2].contains("needs the field 'number' or 'stage'"))
        #expect(answers.refusals[3].contains("no task has the id 'x'"))
        #expect(try rig.lines("SELECT count(*) FROM task_external") == ["1"])
    }

    @Test func whatWasSaidBeforeAReopeningMovesNothing() throws {
        let rig = try Rig()
        let reopen = Action("task.reopen", subject: "t", author: "王敏", fields: ["why": .text("again")])
        let answers = try rig.run(loud(), then: [
            said(["stage": .text("disposed")]), reopen, said(["stage": .text("verified"), "seen": .number(4)]),
        ])
        #expect(answers.refusals == [])
        #expect(try rig.lines("SELECT stage FROM task") == ["reopened"])
        #expect(try rig.lines("SELECT stage, conflict FROM task_external") == ["verified -"])
        _ = try rig.run([], then: [said(["stage": .text("on_scene"), "seen": .number(6)])])
        #expect(try rig.lines("SELECT stage FROM task") == ["on_scene"])
    }

    /// Over the broker: the gateway is the system, what cannot be used is a reject with its field, all of it is counted.
    @Test func aMessageIsTheSameInput() throws {
        let rig = try Rig()
        try rig.run(loud())
        let task = try rig.lines("SELECT id FROM task")[0]
        let store = try StoreWriter(path: rig.path)
        let engine = try Engine(store: store, options: rig.options)
        for text in [
            #"{"task":"\#(task)","number":"T-9","stage":"on_scene","by":"陈"}"#, #"{"task":"T-9","stage":"on_scene"}"#,
            #"{"task":"x","stage":"on_scene"}"#, #"{"task":"T-9","stage":"lunch"}"#, #"{"task":"T-9","number":7}"#,
            #"{"stage":"closed"}"#, "[]", "{",
        ] {
            var record = ExternalRecord(received: Timestamp(milliseconds: start + 60_000))
            (record.gatewayBytes, record.payloadBytes) = (4, UInt16(text.utf8.count))
            engine.take(external: record, Array("city".utf8) + Array(text.utf8))
        }
        #expect(engine.hasUncommitted)
        let committed = try engine.commit(flushesMinutes: false, now: Timestamp(milliseconds: start + 60_000))
        #expect(committed.answers.isEmpty)
        store.close()
        #expect(try rig.lines("SELECT stage, unit FROM task") == ["on_scene city"])
        #expect(try rig.lines("SELECT system, number, stage FROM task_external") == ["city T-9 on_scene"])
        #expect(try rig.lines("SELECT reason, field, topic FROM reject ORDER BY id") == [
            "range number patrol/v1/in/city/external", "missing task patrol/v1/in/city/external",
            "malformed payload patrol/v1/in/city/external", "malformed payload patrol/v1/in/city/external",
            "range id patrol/v1/in/city/external", "range stage patrol/v1/in/city/external",
        ])
        #expect(try rig.lines("SELECT received, stored, rejected FROM message_count WHERE kind = 'unknown'") == ["8 2 6"])
        #expect(try rig.lines("SELECT name, author, role FROM engine_input") == ["task.external city operator", "task.external city operator"])
    }

    @Test func theSettingsKnowEveryAdapter() { #expect(OutletSettings.adapters == TaskAdapters.all.map(\.name)) }
}
