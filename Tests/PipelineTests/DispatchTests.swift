import Dispatching
import Foundation
import Store
import Telemetry
import Testing

@testable import Pipeline

private let start: Int64 = 1_717_768_800_000

private func at(_ second: Int64, _ level: Double, device: UInt32 = 0) -> Script {
    Script(device: device, ts: start + second * 1000, level: level)
}

/// From `from` on a loud run that fires at `from + 3`, quiet after it.
private func loud(from: Int64 = 0, device: UInt32 = 0) -> [Script] {
    [60, 75, 75, 75, 60].enumerated().map { at(from + Int64($0.offset), $0.element, device: device) }
}

private func action(_ verb: String, _ fields: [String: ActionValue] = [:], on id: String = "t", as author: String = "王敏") -> Action {
    Action("task.\(verb)", subject: verb == "new" ? "" : id, author: author, role: verb == "verify" ? .checker : .operator, fields: fields)
}

@Suite struct DispatchTests {
    private let measured: [String: ActionValue] = [
        "instrument": .text("AWA6228+ 001"), "laeq": .number(52.1), "period_s": .number(600), "limit": .number(55),
        "verdict": .text("within"), "measures": .list(["leaflet handed over"]),
    ]

    /// The story of a task as `second what who`.
    private func story(_ rig: Rig) throws -> [String] {
        try rig.lines("SELECT (at - \(start)) / 1000, what, who FROM task_event ORDER BY seq")
    }

    @Test func theCatalogueHasEveryVerbOfTheStateMachine() {
        let named = ActionCatalogue.all.filter { $0.collection == "tasks" && !$0.makesNew && $0.name != "task.external" }.map(\.verb)
        #expect(Set(named) == Set(TaskVerb.allCases.map(\.rawValue)) && named.count == TaskVerb.allCases.count)
    }

    @Test func fromAlertToClosedLoop() throws {
        let rig = try Rig()
        try rig.run([
            (loud(), [action("accept"), action("assign", ["unit": .text("u7")])]),
            ([at(30, 60)], [action("ack", as: "李强")]),
            ([at(100, 60)], [action("set-out", as: "李强")]),
            ([at(400, 60)], [action("arrive", as: "李强"), action("dispose", as: "李强")]),
            ([at(500, 60)], [action("feedback", measured, as: "李强"), action("verify", as: "赵"), action("close")]),
        ])
        #expect(try story(rig) == [
            "3 reported patrol", "4 accepted 王敏", "4 assigned 王敏", "30 acknowledged 李强", "100 set_out 李强", "400 on_scene 李强",
            "400 disposed 李强", "500 feedback 李强", "500 verified 赵", "500 closed 王敏",
        ])
        #expect(try rig.lines("SELECT stage, unit, (respond_stopped - created_at) / 1000, (dispose_stopped - created_at) / 1000 FROM task")
            == ["closed u7 27 397"])
        #expect(try rig.lines("SELECT verdict, laeq, corrected, limit_db, measures FROM task_feedback") == ["within 52.1 52.1 55.0 leaflet handed over"])
        let events = try rig.lines("SELECT payload FROM outbox WHERE topic LIKE '%/tasks/%' ORDER BY seq")
        #expect(events.count == 10)
        #expect(events.last?.contains("\"type\":\"patrol.task.closed\"") == true)
        #expect(try rig.lines("SELECT count(*) FROM outbox") == ["12"])
    }

    @Test func whatIsImpossibleIsRefusedWithWhatIsPossible() throws {
        let rig = try Rig()
        let answers = try rig.run(loud(), then: [action("close"), action("eat"), action("return"), action("feedback", measured)])
        #expect(answers.refusals.count == 4)
        // Those that are wrong whatever the task's stage are refused before.
        #expect(answers.refusals[0].contains("no action 'task.eat'") && answers.refusals[1].contains("needs the field 'why'"))
        #expect(answers.refusals[2].contains("close is not possible") && answers.refusals[2].contains("possible now: accept, assign, transfer"))
        #expect(try story(rig) == ["3 reported patrol"])
    }

    @Test func breachesComeAtTheirMomentInTheOrderOfEverythingElse() throws {
        // Another alert fires between warning and breach; all batches say the same.
        let readings = loud() + [at(49, 60)] + loud(from: 52, device: 1) + [at(70, 60), at(2000, 60)]
        let whole = try Rig()
        try whole.run(readings)
        #expect(try story(whole).prefix(5) == ["3 reported patrol", "48 respond_warning patrol", "55 reported patrol", "63 respond_breached patrol", "100 respond_warning patrol"])
        #expect(try whole.lines("SELECT respond_breached, set_out_breached, dispose_breached FROM task") == ["1 1 1", "1 1 1"])
        for sizes in [Array(repeating: 1, count: 40), [7, 2, 2, 1, 40], [3, 9, 40]] {
            let cut = try Rig()
            try cut.run(readings, batches: sizes)
            #expect(try cut.everything() == whole.everything(), "batches \(sizes)")
        }
    }

    @Test func aLeadAndAnAlertOfOneSiteAreOneTask() throws {
        let rig = try Rig()
        try rig.run([
            ([at(0, 50)], [
                action("new", ["kind": .text("noise-check"), "site": .text("s1"), "source": .text("12345-1"), "text": .text("drilling")]),
                action("new", ["kind": .text("noise-check"), "site": .text("s1"), "source": .text("12345-1")]),
                action("new", ["kind": .text("noise-check"), "site": .text("s1"), "source": .text("12345-2"), "picture": .text("p.jpg")]),
            ])
        ])
        #expect(try rig.lines("SELECT site, stage, subject FROM task") == ["s1 reported drilling"])
        #expect(try rig.lines("SELECT kind, ref, picture FROM task_source ORDER BY ref") == ["lead 12345-1 -", "lead 12345-2 p.jpg"])
        // The meter stands on that site.
        try rig.execute("UPDATE device SET site = 's1' WHERE number = 0")
        try rig.run(loud(from: 10))
        #expect(try rig.lines("SELECT count(*), events FROM task") == ["1 3"])
        #expect(try rig.lines("SELECT kind FROM task_source ORDER BY kind") == ["alert", "lead", "lead"])
        let nowhere = try rig.run([], then: [action("new", ["kind": .text("noise-check")]), action("new", ["kind": .text("x"), "lat": .number(30)])])
        #expect(nowhere.refusals.count == 2 && nowhere.refusals[0].contains("names a place") && nowhere.refusals[1].contains("both lat and lon"))
    }

    @Test func aForgottenTaskIsBroughtBack() throws {
        let rig = try Rig()
        try rig.run([
            (loud(), [action("assign", ["unit": .text("u7")]), action("arrive"), action("dispose"), action("feedback", measured), action("close")]),
            ([at(4000, 60)], []),
        ])
        #expect(try rig.lines("SELECT stage FROM task") == ["closed"])
        let answers = try rig.run([at(4100, 60)], then: [action("ack"), action("reopen", ["why": .text("again")])])
        #expect(answers.refusals.count == 1 && answers.refusals[0].contains("is closed since"))
        #expect(try rig.lines("SELECT stage, unit, (respond_due - \(start)) / 1000 FROM task") == ["reopened - 4160"])
    }

    @Test func aChangeOfAStoreAtRestTouchesNothingElse() throws {
        let rig = try Rig()
        try rig.run(loud() + [at(10, 75), at(11, 75), at(12, 75), at(13, 75)])
        let tables = ["alert", "rule_state", "noise_1m", "unit", "engine_state"]
        let before = try tables.flatMap { try rig.lines("SELECT * FROM \($0)") }
        let answer = try ChangeAtRest.apply(action("accept"), storePath: rig.path, settings: nil)
        guard case .done(let json) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(json.contains("\"stage\":\"accepted\""))
        #expect(try tables.flatMap { try rig.lines("SELECT * FROM \($0)") } == before)
        #expect(try rig.lines("SELECT stage FROM task") == ["accepted"])
        #expect(try rig.lines("SELECT state FROM alert ORDER BY started_at") == ["resolved", "firing"])
    }

    @Test func mergedAndSplitAgain() throws {
        let rig = try Rig()
        try rig.run(loud() + loud(from: 10, device: 1))
        let ids = try rig.lines("SELECT id FROM task ORDER BY number")
        try rig.run([], then: [action("merge", ["into": .text(String(ids[0].prefix(9)))], on: ids[1])])
        #expect(try rig.lines("SELECT stage, merged_into FROM task ORDER BY number") == ["reported -", "cancelled \(ids[0])"])
        // Both alerts are over; while two fire, one may be parted.
        let loudAgain = [75.0, 75, 75, 75].enumerated()
        try rig.run(loudAgain.map { at(20 + Int64($0.offset), $0.element) } + loudAgain.map { at(30 + Int64($0.offset), $0.element, device: 1) })
        #expect(try rig.lines("SELECT count(*) FROM task") == ["2"], "the merged situation goes on in the other task")
        let alerts = try rig.lines("SELECT id FROM alert WHERE state = 'firing' ORDER BY started_at")
        let answers = try rig.run([], then: [action("split", ["alert": .text(alerts[1])], on: ids[0]), action("split", ["alert": .text(alerts[0])], on: ids[0])])
        #expect(answers.refusals.count == 1 && answers.refusals[0].contains("no second alert"))
        #expect(try rig.lines("SELECT stage, alert_id FROM task ORDER BY number DESC LIMIT 1") == ["reported \(alerts[1])"])
    }

    /// Readings of three meters and actions of two operators, whatever the dice say.
    private func session(seed: UInt64) -> [(readings: [Script], actions: [Action])] {
        var dice = DeterminismTests.Dice(state: seed)
        var second: Int64 = 0
        let verbs = ["accept", "assign", "ack", "set-out", "arrive", "dispose", "feedback", "verify", "close", "return", "suspend", "resume", "cancel", "reopen", "transfer", "comment", "external"]
        var subjects = ["t"]
        return (0..<25).map { index in
            second += [5, 20, 90, 400][dice.roll(4)]
            let device = UInt32(dice.roll(3))
            let isLoud = index == 0 || dice.roll(3) == 0
            let readings = isLoud ? loud(from: second, device: device) : [at(second, 60)]
            if isLoud {
                let alert = Identifier.alert(
                    rule: "loud", kind: .noise, device: "d\(device)", startedAt: Timestamp(milliseconds: start + (second + 1) * 1000))
                subjects.append(String(Identifier.task(alert: alert).prefix(10)))
            }
            second += 5
            var step = dice.roll(verbs.count)
            let actions = (0..<dice.roll(7)).map { _ -> Action in
                // Mostly on along the straight way.
                step = dice.roll(4) == 0 ? dice.roll(verbs.count) : (step + 1) % verbs.count
                let verb = verbs[step]
                var fields: [String: ActionValue] = [:]
                switch verb {
                case "assign": fields = ["unit": .text("u\(dice.roll(3))")]
                case "feedback": fields = measured
                case "suspend": fields = ["why": .text("rain"), "until": .number(Double(start + (second + Int64(dice.roll(600))) * 1000))]
                case "return", "cancel", "reopen": fields = ["why": .text("because")]
                case "transfer": fields = ["why": .text("theirs"), "to": .text("市场监管")]
                case "comment": fields = ["text": .text("x")]
                case "external":
                    fields = measured
                    fields["stage"] = .text(TaskStage.allCases[dice.roll(TaskStage.allCases.count)].rawValue)
                default: break
                }
                return action(verb, fields, on: subjects[dice.roll(subjects.count)], as: ["王敏", "李强"][dice.roll(2)])
            }
            return (readings, actions)
        }
    }

    /// Each costs the lives of a hundred processes; PATROL_RESTARTS asks for more.
    private static let restarts = ProcessInfo.processInfo.environment["PATROL_RESTARTS"].flatMap(UInt64.init) ?? 4

    @Test(arguments: 1...restarts)
    func aRestartAtEveryInputGivesTheSame(seed: UInt64) throws {
        let parts = session(seed: seed)
        let undisturbed = try Rig(deviceCount: 3)
        try undisturbed.run(parts)
        #expect(try undisturbed.lines("SELECT count(DISTINCT what) > 6 FROM task_event") == ["1"], "seed \(seed) tests nothing")
        let killed = try Rig(deviceCount: 3)
        for part in parts {
            for reading in part.readings { try killed.run([reading], killed: true) }
            for action in part.actions { try killed.run([], then: [action]) }
        }
        try killed.run([])
        #expect(try killed.everything() == undisturbed.everything(), "seed \(seed)")
    }

    /// The log of inputs and the readings, given to a fresh engine, make the same store.
    @Test(arguments: UInt64(200)...205)
    func theLogOfInputsReplays(seed: UInt64) throws {
        let rig = try Rig(deviceCount: 3)
        try rig.run(session(seed: seed))
        var parts: [(readings: [Script], actions: [Action])] = [([], [])]
        let inputs = try rig.lines("SELECT after_input || '|' || name || '|' || subject || '|' || author || '|' || role || '|' || fields FROM engine_input ORDER BY seq")
            .map { $0.split(separator: "|", maxSplits: 5, omittingEmptySubsequences: false).map(String.init) }
        #expect(inputs.count > 5)
        var left = inputs[...]
        for line in try rig.lines("SELECT input, device, ts, laeq FROM noise ORDER BY input") {
            let columns = line.split(separator: " ").map(String.init)
            parts[parts.count - 1].readings.append(
                Script(device: UInt32(columns[1].dropFirst())!, ts: Int64(columns[2])!, level: Double(columns[3])!))
            var actions: [Action] = []
            while let next = left.first, next[0] == columns[0] {
                left = left.dropFirst()
                actions.append(Action(next[1], subject: next[2], author: next[3], role: Action.Role(rawValue: next[4])!, fields: ActionJSON.fields(of: next[5])!))
            }
            if !actions.isEmpty {
                parts[parts.count - 1].actions = actions
                parts.append(([], []))
            }
        }
        #expect(left.isEmpty)
        let again = try Rig(deviceCount: 3)
        try again.run(parts)
        #expect(try again.everything() == rig.everything(), "seed \(seed)")
    }

    // MARK: The clock

    @Test func aTickFiresWhatIsDueAndIsLogged() throws {
        let rig = try Rig(clock: .wall)
        try rig.run(loud())
        let store = try StoreWriter(path: rig.path)
        let engine = try Engine(store: store, options: rig.options)
        let now = Timestamp(milliseconds: start + 60_000)
        #expect(!engine.isDue(at: Timestamp(milliseconds: start + 47_999)) && engine.isDue(at: Timestamp(milliseconds: start + 48_000)))
        _ = try engine.commit(flushesMinutes: false, now: now, tick: Timestamp(milliseconds: start + 47_000))
        #expect(try rig.lines("SELECT count(*) FROM engine_input") == ["0"])
        let committed = try engine.commit(flushesMinutes: false, now: now, tick: Timestamp(milliseconds: start + 50_300))
        #expect(committed.events.count == 1)
        store.close()
        #expect(try story(rig) == ["3 reported patrol", "48 respond_warning patrol"])
        #expect(try rig.lines("SELECT name, (clock - \(start)), after_input FROM engine_input") == ["clock.tick 50300 5"])
    }

    private func stepClock(of rig: Rig, milliseconds: Int64) throws {
        let store = try StoreWriter(path: rig.path)
        rig.options.machine = MachineClock(boot: "one", wallOffset: { milliseconds })
        let engine = try Engine(store: store, options: rig.options, wallOffset: 0)
        engine.stepClock(milliseconds: milliseconds)
        _ = try engine.commit(flushesMinutes: false, now: Timestamp(milliseconds: start))
        store.close()
    }

    @Test(arguments: [-3_600_000, 3_600_000] as [Int64])
    func aStepOfTheWallClockShiftsNothing(step: Int64) throws {
        let rig = try Rig(clock: .wall)
        // Readings as they come before and after the step, and the same without one.
        rig.options.machine = MachineClock(boot: "one", wallOffset: { 0 })
        let before = loud()
        let steady = (10..<70).map { at($0, 60) }
        try rig.run(before)
        try stepClock(of: rig, milliseconds: step)
        try rig.run(steady.map { Script(ts: $0.ts + step, level: 60, received: $0.ts + step) })
        #expect(try story(rig) == ["3 reported patrol", "48 respond_warning patrol", "63 respond_breached patrol"])
        #expect(try rig.lines("SELECT name, fields FROM engine_input") == ["clock.step {\"milliseconds\":\(step)}"])
        #expect(try rig.lines("SELECT correction FROM server_clock") == ["\(-step)"])
    }

    /// A start at a moment of the wall clock, and what is due then; the correction.
    private func correction(of rig: Rig, wall: Int64) throws -> Int64 {
        let store = try StoreWriter(path: rig.path)
        let engine = try Engine(store: store, options: rig.options)
        let now = max(engine.serverClock, Timestamp(milliseconds: wall + engine.clockCorrection))
        _ = try engine.commit(flushesMinutes: false, now: now, tick: now)
        store.close()
        return engine.clockCorrection
    }

    /// While Patrol was down the wall clock jumped: the clocks count what has passed, and no more. A boot later nobody knows.
    @Test(arguments: [-3_600_000, 3_600_000, 0] as [Int64], [true, false])
    func aStepWhileThePatrolIsDownIsNoTime(step: Int64, isSameBoot: Bool) throws {
        let rig = try Rig(clock: .wall)
        rig.options.machine = MachineClock(boot: "one", wallOffset: { 1000 })
        try rig.run(loud(), killed: true)
        // 20 s have passed by the steady clock.
        rig.options.machine = MachineClock(boot: isSameBoot ? "one" : "two", wallOffset: { 1000 + step })
        let wall = start + 24_000 + step
        #expect(try correction(of: rig, wall: wall) == (isSameBoot ? -step : 0))
        let isTaken = !isSameBoot && step > 0
        let story = try story(rig)
        #expect(story.count == (isTaken ? 7 : 1), "\(story)")
        #expect(try rig.lines("SELECT name, fields FROM engine_input WHERE name = 'clock.step'")
            == (isSameBoot && step != 0 ? ["clock.step {\"milliseconds\":\(step)}"] : []))
        // Once seen it is not seen again.
        try rig.run([Script(ts: wall + 1000, level: 60, received: wall + 1000)])
        #expect(try rig.lines("SELECT count(*) FROM engine_input WHERE name = 'clock.step'") == [isSameBoot && step != 0 ? "1" : "0"])
    }

    /// A jump that the source has reported before the kill is not found again, and one that it has not is.
    @Test func aStepIsTakenOnceWhoeverSeesIt() throws {
        let rig = try Rig(clock: .wall)
        rig.options.machine = MachineClock(boot: "one", wallOffset: { 0 })
        try rig.run(loud(), killed: true)
        for isReported in [true, false] {
            rig.options.machine = MachineClock(boot: "one", wallOffset: { isReported ? 60_000 : 90_000 })
            try jump(of: rig, isReported: isReported)
        }
        #expect(try rig.lines("SELECT correction, wall_offset FROM server_clock") == ["-60000 60000"])
        #expect(try correction(of: rig, wall: start) == -90_000)
    }

    /// The process that saw the clock before it jumped commits once more.
    private func jump(of rig: Rig, isReported: Bool) throws {
        let store = try StoreWriter(path: rig.path)
        let engine = try Engine(store: store, options: rig.options, wallOffset: isReported ? 0 : 60_000)
        if isReported { engine.stepClock(milliseconds: 60_000) }
        _ = try engine.commit(flushesMinutes: false, now: Timestamp(milliseconds: start))
        store.close()
    }

    @Test func newSettingsAreAnInputAndHoldAtOnce() throws {
        let rig = try Rig()
        rig.options.dispatch.fingerprint = "old"
        try rig.run([at(0, 60)])
        try rig.run([at(1, 60)])
        #expect(try rig.lines("SELECT name, author, fields FROM engine_input") == ["dispatch.settings patrol {\"hash\":\"old\"}"])
        // Read again while it runs: the next task has the new clock, an old one keeps its due times.
        var new = rig.options.dispatch
        new.fingerprint = "new"
        new.otherKinds.respond.limitMilliseconds = 5000
        new.otherKinds.respond.warnMilliseconds = 0
        rig.reloadedDispatch = new
        try rig.run(loud(from: 2) + loud(from: 10, device: 1), batches: [5, 5], reloads: true)
        rig.options.dispatch = new
        #expect(try rig.lines("SELECT (respond_due - created_at) / 1000 FROM task ORDER BY number") == ["60", "5"])
        #expect(try rig.lines("SELECT fields FROM engine_input ORDER BY seq") == ["{\"hash\":\"old\"}", "{\"hash\":\"new\"}"])
        // Without settings a change at rest leaves them as they are.
        _ = try ChangeAtRest.apply(action("accept", on: try rig.lines("SELECT id FROM task LIMIT 1")[0]), storePath: rig.path, settings: nil)
        #expect(try rig.lines("SELECT dispatch FROM server_clock") == ["new"])
    }

    /// Parts, plans, crews and leads over kills.
    @Test(arguments: UInt64(1)...2)
    func visitsAndCrewsSurviveKills(seed: UInt64) throws {
        func rig() throws -> Rig {
            let rig = try Rig(deviceCount: 2)
            rig.options.world.sites = Sites((0..<4).map { Site(id: "s\($0)", name: "", kind: "x", place: .point(Position(latitude: 30 + Double($0) / 1000, longitude: 120))) })
            rig.options.world.units = (0..<5).map { ResponseUnit(id: "u\($0)", kind: "car") }
            rig.options.dispatch.mode = .manual
            return rig
        }
        var dice = DeterminismTests.Dice(state: seed)
        var second: Int64 = 10
        let parts = (0..<20).map { index -> (readings: [Script], actions: [Action]) in
            second += [1, 30, 400][dice.roll(3)]
            let id = Identifier.lead(kind: "dust", reference: "n\(dice.roll(3))")
            let verbs: [(String, [String: ActionValue])] = [
                ("task.new", ["kind": .text("dust"), "site": .text("s\(dice.roll(3))"), "source": .text("n\(dice.roll(3))"), "departments": .list(["a", "b"])]),
                ("task.plan", ["at": .number(Double(start + (second + 100) * 1000)), "sites_m": .number(300)]),
                ("task.plan", ["at": .number(Double(start + (second + 50) * 1000))]), ("task.joint", ["departments": .list(["c"])]),
                ("dispatch.new", ["areas": .list(["x"]), "site": .text("s0")]), ("unit.off", [:]),
                ("task.arrive", [:]), ("task.assign", ["unit": .text("u\(dice.roll(5))")]), ("task.dispose", [:]),
                ("task.feedback", ["department": .text(["a", "b"][dice.roll(2)]), "text": .text("x")]),
            ]
            let chosen = index == 0 ? [verbs[0], verbs[4]] : (0..<3).map { _ in verbs[dice.roll(verbs.count)] }
            return ([at(second, 60)], chosen.map { Action($0.0, subject: $0.0.hasPrefix("unit") ? "u\(dice.roll(5))" : id, author: "王敏", fields: $0.1) })
        }
        let whole = try rig(), killed = try rig()
        try whole.run(parts)
        #expect(try whole.lines("SELECT count(DISTINCT what) > 5 FROM task_event") == ["1"], "seed \(seed) tests nothing")
        for part in parts {
            for reading in part.readings { try killed.run([reading], killed: true) }
            for action in part.actions { try killed.run([], then: [action]) }
        }
        try killed.run([])
        #expect(try killed.everything() == whole.everything(), "seed \(seed)")
    }
}
