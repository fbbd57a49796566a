import Foundation
import Telemetry
import Testing

@testable import Dispatching

private let zone = LocalZone.utc
/// Somewhere in 仓前.
private let place = Position(latitude: 30.2741, longitude: 120.0151)

private func unit(_ id: String, areas: [String] = [], shift: String? = nil, capabilities: [String] = []) -> ResponseUnit {
    ResponseUnit(id: id, kind: "car", device: "d-\(id)", areas: areas, shift: shift.flatMap { HourRange($0) }, capabilities: capabilities)
}

/// `metres` north of the place.
private func north(_ metres: Double) -> Position {
    Position(latitude: place.latitude + metres / 111_000, longitude: place.longitude)
}

@Suite struct UnitChoiceTests {
    private func fix(_ metres: Double, age: Int64 = 10, accuracy: Double? = 5) -> UnitBoard.Fix {
        UnitBoard.Fix(at: start + -age * 1000, position: north(metres), accuracyMetres: accuracy)
    }

    private func choose(_ board: UnitBoard, _ change: (inout UnitDemand) -> Void = { _ in }) -> UnitChoice {
        var demand = UnitDemand(position: place, area: "330110012001")
        demand.capabilities = ["noise"]
        change(&demand)
        return board.choose(demand, at: start)
    }

    /// 2024-06-07T14:00Z is `start`: a day shift of UTC holds, a night shift does not.
    @Test func eachReasonIsSaid() {
        let board = UnitBoard(
            [
                unit("good", areas: ["330110012000"], shift: "08:00-20:00", capabilities: ["noise"]),
                unit("night", shift: "20:00-08:00", capabilities: ["noise"]), unit("elsewhere", areas: ["330110005"], capabilities: ["noise"]),
                unit("deaf"), unit("lost", capabilities: ["noise"]), unit("old", capabilities: ["noise"]),
                unit("vague", capabilities: ["noise"]), unit("ill", capabilities: ["noise"]), unit("busy", capabilities: ["noise"]),
                unit("asked", capabilities: ["noise"]),
            ], zone: zone)
        for number in board.units.indices where board.units[number].id != "lost" { board.moved(number, to: fix(100 + Double(number))) }
        board.moved(0, to: fix(5000))
        board.moved(5, to: fix(1, age: 200))
        #expect(board.state(5).fix == fix(105), "an older fix changes nothing")
        let stale = UnitBoard([unit("old", capabilities: ["noise"])], zone: zone)
        stale.moved(0, to: fix(1, age: 121))
        #expect(choose(stale).candidates[0].reason == .staleFix)
        stale.moved(0, to: fix(1, age: 120))
        #expect(choose(stale).chosen == "old")
        board.moved(6, to: fix(106, accuracy: 101))
        board.setDuty(.off, of: 7, by: "王", at: start)
        board.occupy("busy", with: "t9", at: start)
        let choice = choose(board) { $0.tried = ["asked"] }
        let reasons = Dictionary(uniqueKeysWithValues: choice.candidates.map { ($0.unit, $0.reason) })
        #expect(reasons == [
            "good": .eligible, "night": .offShift, "elsewhere": .area, "deaf": .capability, "lost": .noFix, "old": .eligible,
            "vague": .inaccurate, "ill": .offDuty, "busy": .busy, "asked": .tried,
        ])
        #expect(choice.chosen == "old")
        #expect(choice.candidates.last?.unit == "lost" && choice.candidates.last?.metres == nil)
        #expect(choice.counts.reduce(0, +) == 10)
        #expect(choice.summary == "tried 1, off_duty 1, off_shift 1, busy 1, other_area 1, no_capability 1, no_fix 1, inaccurate 1")
        board.setDuty(.on, of: 1, by: "王", at: start)
        #expect(choose(board) { $0.tried = ["asked", "old"] }.chosen == "night", "on duty whatever the shift says")
        #expect(choose(board) { ($0.tried, $0.isWidened) = (["asked", "old", "night", "good"], true) }.chosen == "elsewhere")
    }

    @Test func ofTwoAtOnePlaceTheLongerIdleGoes() {
        let board = UnitBoard([unit("a"), unit("b"), unit("c")], zone: zone)
        for number in 0..<3 { board.moved(number, to: fix(100)) }
        board.occupy("a", with: "t1", at: start + -1000)
        board.free("a", of: "t1")
        board.occupy("b", with: "t2", at: start + -5000)
        board.free("b", of: "t2")
        #expect(choose(board) { $0.capabilities = [] }.chosen == "c", "never sent")
        #expect(choose(board) { ($0.capabilities, $0.tried) = ([], ["c"]) }.chosen == "b")
    }

    @Test func withoutAPlaceTheLongestIdleGoes() {
        let board = UnitBoard([unit("a"), unit("b")], zone: zone)
        board.moved(0, to: fix(1))
        board.moved(1, to: fix(9000))
        board.occupy("a", with: "t1", at: start + -1000)
        board.free("a", of: "t1")
        let choice = choose(board) { ($0.position, $0.capabilities) = (nil, []) }
        #expect(choice.chosen == "b" && choice.candidates.allSatisfy { $0.metres == nil })
    }

    /// Against the plainest search there is: sort all by distance and take the first that may go.
    @Test(arguments: UInt64(1)...20)
    func theChosenOneIsTheNearest(seed: UInt64) {
        var state = seed
        func roll(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let count = 300
        let board = UnitBoard(
            (0..<count).map { unit("u\($0)", areas: roll(3) == 0 ? ["33011001\(roll(5))"] : [], capabilities: roll(2) == 0 ? ["noise"] : []) }, zone: zone)
        var free: [Int] = []
        for number in 0..<count {
            let spot = Position(latitude: 30.15 + Double(roll(10_000)) / 25_000, longitude: 119.7 + Double(roll(10_000)) / 25_000)
            board.moved(number, to: UnitBoard.Fix(at: start + -Int64(roll(150)) * 1000, position: spot, accuracyMetres: nil))
            if roll(4) == 0 { board.occupy("u\(number)", with: "t", at: nil) } else { free.append(number) }
        }
        let choice = choose(board)
        let ranked = free.filter { number in
            let unit = board.units[number]
            return unit.capabilities.contains("noise") && (unit.areas.isEmpty || "330110012001".hasPrefix(unit.areas[0]))
                && start - board.state(number).fix!.at <= 120_000
        }.map { ($0, place.metres(to: board.state($0).fix!.position)) }.sorted { $0.1 < $1.1 }
        #expect(!ranked.isEmpty, "seed \(seed) tests nothing")
        let metres = ranked.first { "u\($0.0)" == choice.chosen }?.1 ?? .infinity
        #expect(metres - ranked[0].1 < 1.5, "seed \(seed)")
        let distances = choice.candidates.compactMap(\.metres)
        #expect(distances == distances.sorted() && choice.candidates.count == UnitChoice.kept)
        let nearest = (0..<count).map { place.metres(to: board.state($0).fix!.position) }.sorted()
        #expect(distances.last! <= nearest[UnitChoice.kept - 1] + 1e-6)
    }
}

@Suite struct SendingTests {
    private func dispatcher(_ units: [(String, Double)], _ change: (inout DispatchSettings) -> Void = { _ in }) -> Dispatcher {
        var settings = DispatchSettings()
        settings.otherKinds.respond.warnMilliseconds = 0
        change(&settings)
        let board = UnitBoard(units.map { unit($0.0) }, zone: zone)
        for (number, entry) in units.enumerated() {
            board.moved(number, to: UnitBoard.Fix(at: start + 600_000, position: north(entry.1), accuracyMetres: 5))
        }
        return Dispatcher(settings: settings, units: board)
    }

    private func alert(_ number: Int) -> Alert {
        Alert(
            id: "a\(number)", rule: "r", device: "m\(number)", kind: .noise, deviceNumber: 0, site: nil, area: "330110012001",
            severity: "warning", state: "firing", startedAt: start, firedAt: start, resolvedAt: nil, value: 75)
    }

    private func fire(_ dispatcher: Dispatcher, _ number: Int, _ second: Int64 = 0) {
        dispatcher.advance(to: start + second * 1000)
        dispatcher.alertFired(alert(number), kind: "parking", place: (place.latitude, place.longitude), at: start + second * 1000)
    }

    private func act(_ dispatcher: Dispatcher, _ verb: TaskVerb, _ second: Int64, on id: String = "t1", _ fields: [String: ActionValue] = [:]) throws {
        dispatcher.advance(to: start + second * 1000)
        var action = TaskStageTests.action(verb)
        if verb == .assign { action.fields = [:] }
        action.fields.merge(fields) { $1 }
        try dispatcher.apply(verb, to: id, action, at: start + second * 1000)
    }

    private func story(_ dispatcher: Dispatcher) -> [String] {
        dispatcher.takeEvents().map { "\(($0.at - start) / 1000) \($0.what) \($0.task.unit ?? "-")" }
    }

    @Test func theNearestIsReservedAtOnceAndTheNextTaskTakesAnother() {
        let dispatcher = dispatcher([("far", 900), ("near", 100)])
        for number in 1...3 { fire(dispatcher, number) }
        #expect(story(dispatcher) == ["0 reported -", "0 assigned near", "0 reported -", "0 assigned far", "0 reported -", "0 no_unit -"])
    }

    @Test func whoDoesNotAnswerIsToldAndTheNextIsSent() throws {
        let dispatcher = dispatcher([("a", 100), ("b", 200)])
        fire(dispatcher, 1)
        dispatcher.advance(to: start + 31_000)
        let events = dispatcher.takeEvents()
        #expect(events.map(\.what) == ["reported", "assigned", "unit_silent", "assigned"])
        #expect(events[2].at == start + 30_000 && events[2].why == "a has not acknowledged")
        #expect(events[3].choice?.candidates.first?.reason == .tried)
        #expect(dispatcher.units.state(0).task == nil && dispatcher.units.state(1).task == "t1")
        dispatcher.advance(to: start + 59_000)
        try act(dispatcher, .acknowledge, 59)
        dispatcher.advance(to: start + 200_000)
        #expect(story(dispatcher).filter { $0.contains("unit_silent") || $0.contains("assigned") } == [])
    }

    @Test func whereNobodyCanGoItIsSaidOnceAndLookedAgain() {
        let dispatcher = dispatcher([("a", 100)]) { $0.escalation = [.init(afterMilliseconds: 600_000, unless: .onScene, level: .town)] }
        fire(dispatcher, 1)
        fire(dispatcher, 2)
        #expect(story(dispatcher) == ["0 reported -", "0 assigned a", "0 reported -", "0 no_unit -", "0 escalated -"])
        dispatcher.advance(to: start + 29_000)
        #expect(story(dispatcher) == [])
        // At 30 s a has not answered: t1 finds nobody else, and t2, which looks again at the same moment, takes it.
        dispatcher.advance(to: start + 30_000)
        #expect(story(dispatcher) == ["30 unit_silent -", "30 no_unit -", "30 escalated -", "30 assigned a"])
        #expect(dispatcher.units.state(0).task == "t2")
    }

    @Test func aTaskGivenBackGoesToAnother() throws {
        let dispatcher = dispatcher([("a", 100), ("b", 200)])
        fire(dispatcher, 1)
        try act(dispatcher, .acknowledge, 5)
        try act(dispatcher, .giveBack, 10, ["why": .text("too far")])
        #expect(story(dispatcher) == ["0 reported -", "0 assigned a", "5 acknowledged a", "10 returned -", "10 assigned b"])
    }

    @Test func settlingFreesTheUnit() throws {
        let dispatcher = dispatcher([("a", 100)])
        fire(dispatcher, 1)
        try act(dispatcher, .arrive, 20)
        #expect(dispatcher.units.state(0).task == "t1")
        try act(dispatcher, .dispose, 25)
        #expect(dispatcher.units.state(0).task == nil && dispatcher["t1"]?.unit == "a", "who was there stays on record")
        fire(dispatcher, 2, 26)
        #expect(dispatcher["t2"]?.unit == "a")
    }

    @Test func nobodyIsInTwoPlaces() throws {
        let dispatcher = dispatcher([("a", 100), ("b", 200)]) { $0.mode = .manual }
        fire(dispatcher, 1)
        fire(dispatcher, 2)
        try act(dispatcher, .assign, 1, ["unit": .text("a")])
        #expect(throws: ActionRefusal(.conflict, "the unit a is on the task t1", field: "unit")) {
            try act(dispatcher, .assign, 2, on: "t2", ["unit": .text("a")])
        }
        #expect(throws: ActionRefusal(.unknown, "no unit has the id 'zz'", field: "unit")) { try act(dispatcher, .assign, 2, on: "t2", ["unit": .text("zz")]) }
        // Suspended, its unit is free for another; resumed, the task does not take it back.
        try act(dispatcher, .suspend, 3, ["why": .text("rain")])
        try act(dispatcher, .assign, 4, on: "t2", ["unit": .text("a")])
        try act(dispatcher, .resume, 5)
        #expect(dispatcher["t1"]?.stage == .accepted && dispatcher["t1"]?.unit == nil && dispatcher["t2"]?.unit == "a")
        try act(dispatcher, .assign, 6, ["unit": .text("b")])
        dispatcher.advance(to: start + 40_000)
        #expect(dispatcher["t1"]?.unit == "b", "by hand nobody is replaced")
    }

    @Test(arguments: [true, false])
    func anAreaWithoutAUnitIsSaid(widens: Bool) {
        var settings = DispatchSettings()
        settings.widens = widens
        let board = UnitBoard([unit("elsewhere", areas: ["330110005"])], zone: zone)
        board.moved(0, to: UnitBoard.Fix(at: start, position: north(100), accuracyMetres: 5))
        let dispatcher = Dispatcher(settings: settings, units: board)
        fire(dispatcher, 1)
        #expect(story(dispatcher) == ["0 reported -", widens ? "0 assigned elsewhere" : "0 no_unit -"])
    }

    @Test func whatAnotherPersonHasDecidedIsChangedKnowingly() throws {
        let dispatcher = dispatcher([("a", 100), ("b", 200), ("c", 300)])
        func assign(_ unit: String, by author: String, instead: String? = nil) throws {
            var action = Action("task.assign", subject: "t1", author: author, fields: ["unit": .text(unit)])
            if let instead { action.fields["instead"] = .text(instead) }
            try dispatcher.apply(.assign, to: "t1", action, at: start + 5000)
        }
        fire(dispatcher, 1)
        #expect(throws: ActionRefusal.self, "z was never sent") { try assign("b", by: "王敏", instead: "z") }
        try assign("b", by: "王敏")  // what Patrol has chosen
        try assign("c", by: "王敏")  // her own
        let refusal = #expect(throws: ActionRefusal.self) { try assign("a", by: "赵") }
        #expect(refusal?.message.contains("the unit c was sent by 王敏") == true && refusal?.field == "instead")
        try assign("a", by: "赵", instead: "c")
        try act(dispatcher, .acknowledge, 6)
        #expect(throws: ActionRefusal.self, "it is on its way") { try assign("b", by: "王敏") }
        try assign("b", by: "王敏", instead: "a")
        #expect(dispatcher["t1"]?.unit == "b" && dispatcher.units.state(0).task == nil)
    }

    @Test func aProposalIsConfirmedByAssigning() throws {
        let dispatcher = dispatcher([("a", 100), ("b", 200)]) { $0.mode = .proposal }
        fire(dispatcher, 1)
        #expect(dispatcher["t1"]?.proposed == "a" && dispatcher["t1"]?.stage == .reported)
        try act(dispatcher, .assign, 5)
        #expect(dispatcher["t1"]?.unit == "a" && dispatcher["t1"]?.proposed == nil)
        // Silent: the next is proposed.
        dispatcher.advance(to: start + 36_000)
        #expect(dispatcher["t1"]?.proposed == "b" && dispatcher["t1"]?.unit == nil)
    }

    @Test func itEscalatesUpTheLevelsUntilTheStageIsReached() throws {
        let dispatcher = dispatcher([]) {
            $0.otherKinds.setOut.warnMilliseconds = 0
            $0.otherKinds.dispose.warnMilliseconds = 0
            $0.escalation = [
                .init(afterMilliseconds: 60_000, unless: .acknowledged, level: .village),
                .init(afterMilliseconds: 180_000, unless: .onScene, level: .town),
                .init(afterMilliseconds: 900_000, unless: .disposed, level: .district),
            ]
            $0.receivers = [
                .init(name: "五常", level: .town, area: "330110005"), .init(name: "仓前日班", level: .town, area: "330110012", shift: HourRange("08:00-20:00")),
                .init(name: "仓前夜班", level: .town, area: "330110012", shift: HourRange("20:00-08:00")), .init(name: "区中心", level: .district),
            ]
        }
        fire(dispatcher, 1)
        try act(dispatcher, .assign, 30, ["unit": .text("x")])
        try act(dispatcher, .acknowledge, 170)
        dispatcher.advance(to: start + 3_000_000)
        let told = dispatcher.takeEvents().filter { $0.what == "escalated" }
        #expect(told.map { ($0.at - start) / 1000 } == [60, 180, 900])
        #expect(told.map(\.level) == [.village, .town, .district])
        #expect(told.map(\.told) == [[], ["仓前日班"], ["区中心"]])
        #expect(told[0].why == "village: not acknowledged after 60 s; nobody there to be told")
        // On scene in time, the second step is not taken.
        let quick = Dispatcher(settings: dispatcher.settings)
        fire(quick, 1)
        try act(quick, .assign, 30, ["unit": .text("x")])
        try act(quick, .arrive, 50)
        quick.advance(to: start + 800_000)
        #expect(quick.takeEvents().filter { $0.what == "escalated" }.isEmpty)
        // Given back, it is behind steps whose time is over: both are taken then.
        try act(quick, .giveBack, 800, ["why": .text("not ours")])
        quick.advance(to: start + 3_000_000)
        #expect(quick.takeEvents().filter { $0.what == "escalated" }.map { ($0.at - start) / 1000 } == [800, 800, 900])
    }

    /// Whoever is made anew from the tasks and the units' states goes on as the old one.
    @Test func aRestoredBoardKnowsWhoIsBusy() {
        let old = dispatcher([("a", 100), ("b", 200), ("c", 300)])
        for number in 1...4 { fire(old, number) }
        _ = old.takeEvents()
        let board = UnitBoard(old.units.units, zone: zone)
        for number in board.units.indices { board.restore(board.units[number].id, old.units.state(number)) }
        let new = Dispatcher(settings: old.settings, units: board, nextNumber: old.nextNumber)
        for task in old.takeChanged() { new.restore(task) }
        for number in board.units.indices { #expect(board.state(number) == old.units.state(number)) }
        old.advance(to: start + 100_000)
        new.advance(to: start + 100_000)
        #expect(new.takeEvents() == old.takeEvents())
    }
}
