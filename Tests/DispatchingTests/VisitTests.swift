import Telemetry
import Testing

@testable import Dispatching

private let place = Position(latitude: 30.2741, longitude: 120.0151)

private func north(_ metres: Double) -> Position {
    Position(latitude: place.latitude + metres / 110_850, longitude: place.longitude)
}

private func act(_ dispatcher: Dispatcher, _ verb: TaskVerb, _ id: String, second: Int64, as author: String = "王敏", _ fields: [String: ActionValue] = [:]) throws -> TaskState {
    dispatcher.advance(to: start + second * 1000)
    let action = Action("task.\(verb.rawValue)", subject: id, author: author, role: verb == .verify ? .checker : .operator, fields: fields)
    return try dispatcher.apply(verb, to: id, action, at: start + second * 1000)
}

private func story(_ dispatcher: Dispatcher) -> [String] { dispatcher.takeEvents().map { "\(($0.at - start) / 1000) \($0.what)" } }

@Suite struct JointTaskTests {
    private func gas() -> DispatchSettings {
        var matter = Matter(code: "gas-safety", nameEnglish: "Gas", nameChinese: "燃气")
        (matter.departments, matter.isJoint) = (["housing", "market", "fire"], true)
        var settings = DispatchSettings()
        settings.take(matters: [matter])
        return settings
    }

    private func lead(_ dispatcher: Dispatcher, kind: String = "gas-safety", departments: [String] = [], source: String = "1") throws -> TaskState {
        var lead = Lead(kind: kind, text: "restaurant")
        (lead.site, lead.departments, lead.source) = ("s1", departments, source)
        return try dispatcher.report(lead, author: "王敏", role: .operator, at: start).task
    }

    @Test func eachDepartmentReportsOnOneVisit() throws {
        let dispatcher = Dispatcher(settings: gas())
        let task = try lead(dispatcher)
        #expect(task.parts.map(\.department) == ["housing", "market", "fire"])
        for (second, verb) in [TaskVerb.assign, .arrive, .dispose].enumerated() {
            _ = try act(dispatcher, verb, task.id, second: Int64(second), ["unit": .text("u1")])
        }
        #expect(throws: ActionRefusal(.invalid, "a joint task has a part per department: 'department' is one of housing, market, fire", field: "department")) {
            try act(dispatcher, .feedback, task.id, second: 9, ["text": .text("ok")])
        }
        for (second, department) in ["market", "housing"].enumerated() {
            let after = try act(dispatcher, .feedback, task.id, second: 10 + Int64(second), as: department, ["department": .text(department), "text": .text("ok")])
            #expect(after.stage == .disposed)
            #expect(throws: ActionRefusal.self, "it is not complete") { try act(dispatcher, .close, task.id, second: 12) }
        }
        let complete = try act(dispatcher, .feedback, task.id, second: 20, as: "f", ["department": .text("fire"), "text": .text("one extinguisher is out of date")])
        #expect(complete.stage == .feedback && complete.parts.map(\.by) == ["housing", "market", "f"])
        #expect(throws: ActionRefusal.self, "who has reported a part does not check it") { try act(dispatcher, .verify, task.id, second: 21, as: "market") }
        #expect(try act(dispatcher, .close, task.id, second: 22).stage == .closed)
        let events = dispatcher.takeEvents()
        #expect(events.map(\.what).suffix(4) == ["part_feedback", "part_feedback", "feedback", "closed"])
        #expect(events.compactMap(\.feedback?.department) == ["market", "housing", "fire"])
        // Opened again, all is to be looked at again.
        #expect(try act(dispatcher, .reopen, task.id, second: 30).parts.allSatisfy { $0.by == nil })
    }

    @Test func aTaskIsMadeJointByHandOrByALead() throws {
        let dispatcher = Dispatcher(settings: gas())
        #expect(throws: ActionRefusal(.invalid, "a joint task has two departments at least", field: "departments")) {
            try lead(dispatcher, departments: ["fire"])
        }
        #expect(throws: ActionRefusal(.invalid, "no department has the id 'fir'; known: fire, housing, market", field: "departments")) {
            try lead(dispatcher, departments: ["fir", "fire"])
        }
        var plain = DispatchSettings()
        plain.otherKinds.reopenMilliseconds = 0
        let free = Dispatcher(settings: plain)
        let task = try lead(free, kind: "other")
        #expect(task.parts == [])
        #expect(throws: ActionRefusal.self) { try act(free, .joint, task.id, second: 1, ["departments": .list(["a"])]) }
        #expect(try act(free, .joint, task.id, second: 2, ["departments": .list(["a", "b", "a"])]).parts.map(\.department) == ["a", "b"])
        #expect(try act(free, .joint, task.id, second: 3, ["departments": .list(["c"])]).parts.map(\.department) == ["a", "b", "c"])
        #expect(try lead(free, kind: "other", departments: ["c", "d"], source: "2").parts.map(\.department) == ["a", "b", "c", "d"])
        #expect(throws: ActionRefusal.self, "no part of a plain task") {
            let other = Dispatcher(settings: plain)
            other.restore(TaskStageTests.task(in: .disposed))
            _ = try act(other, .feedback, "t1", second: 1, ["department": .text("a"), "text": .text("x")])
        }
    }
}

@Suite struct VisitPlanTests {
    private let sites = Sites([
        Site(id: "here", name: "", kind: "construction", area: "330110012", place: .point(place)),
        Site(id: "near", name: "", kind: "school", area: "330110012", place: .point(north(499))),
        Site(id: "far", name: "", kind: "school", area: "330110012", place: .point(north(501))),
        Site(id: "west", name: "", kind: "shop", place: .point(Position(latitude: place.latitude, longitude: place.longitude - 0.003))),
    ])

    private func dispatcher() throws -> (Dispatcher, TaskState) {
        let dispatcher = Dispatcher(settings: DispatchSettings(), sites: sites)
        var lead = Lead(kind: "dust", text: "cover the heap")
        lead.site = "here"
        let task = try dispatcher.report(lead, author: "王敏", role: .operator, at: start).task
        _ = dispatcher.takeEvents()
        return (dispatcher, task)
    }

    private func moment(_ second: Int64) -> [String: ActionValue] { ["at": .number(Double((start + second * 1000).milliseconds))] }

    private func settle(_ dispatcher: Dispatcher, _ id: String) throws {
        for verb in [TaskVerb.assign, .arrive, .dispose, .feedback, .close] {
            _ = try act(dispatcher, verb, id, second: 5, ["unit": .text("u1"), "text": .text("x")])
        }
    }

    @Test func theSamePlaceAgainIsANewTaskAtItsTime() throws {
        let (dispatcher, task) = try dispatcher()
        _ = try act(dispatcher, .plan, task.id, second: 1, moment(1800).merging(["why": .text("is it covered")]) { $1 })
        #expect(throws: ActionRefusal(.conflict, "that visit is planned already", field: "at")) { try act(dispatcher, .plan, task.id, second: 2, moment(1800)) }
        #expect(throws: ActionRefusal.self) { try act(dispatcher, .plan, task.id, second: 3, moment(3)) }
        try settle(dispatcher, task.id)
        _ = dispatcher.takeEvents()
        dispatcher.advance(to: start + 1_799_999)
        #expect(story(dispatcher) == [])
        dispatcher.advance(to: start + 1_900_000)
        let events = dispatcher.takeEvents()
        // At its own moment, however late somebody looks.
        #expect(events.first?.what == "reported" && events.first?.at == start + 1_800_000)
        #expect(events.first?.task.site == "here" && events.first?.task.subject == "is it covered" && events.first?.source?.kind == "plan")
        #expect(events.map(\.what).contains("respond_breached"))
    }

    @Test func whileTheTaskIsOpenTheVisitJoinsIt() throws {
        let (dispatcher, task) = try dispatcher()
        _ = try act(dispatcher, .plan, task.id, second: 1, moment(20))
        dispatcher.advance(to: start + 20_000)
        #expect(story(dispatcher) == ["1 planned", "20 joined"] && dispatcher.count == 1)
    }

    @Test func allSitesNearAreVisited() throws {
        let (dispatcher, task) = try dispatcher()
        #expect(throws: ActionRefusal(.conflict, "no other site lies within 10 m", field: "sites_m")) {
            try act(dispatcher, .plan, task.id, second: 1, moment(60).merging(["sites_m": .number(10)]) { $1 })
        }
        _ = try act(dispatcher, .plan, task.id, second: 1, moment(60).merging(["sites_m": .number(500)]) { $1 })
        #expect(dispatcher.takeEvents().last?.plans.map(\.site) == ["near", "west"])
        dispatcher.advance(to: start + 60_000)
        let made = dispatcher.takeEvents().filter { $0.what == "reported" }
        #expect(Set(made.compactMap(\.task.site)) == ["near", "west"] && made.allSatisfy { $0.begun?.task == task.id })
    }

    /// Whoever is made anew from tasks and plans goes on as the old one, and how often it is looked changes nothing.
    @Test func aRestoredDispatcherKnowsItsPlans() throws {
        let (old, task) = try dispatcher()
        _ = try act(old, .plan, task.id, second: 1, moment(60).merging(["sites_m": .number(500)]) { $1 })
        _ = try act(old, .plan, task.id, second: 1, moment(45))
        let plans = old.takeEvents().flatMap(\.plans)
        #expect(plans.count == 3)
        let new = Dispatcher(settings: old.settings, sites: sites, nextNumber: old.nextNumber)
        for task in old.takeChanged() { new.restore(task) }
        for plan in plans.reversed() { new.restore(plan) }
        old.advance(to: start + 2_000_000)
        for second in 0...2000 { new.advance(to: start + Int64(second) * 1000) }
        let events = old.takeEvents()
        #expect(new.takeEvents() == events && events.count > 10)
    }
}

@Suite struct MusterTests {
    private func dispatcher() -> Dispatcher {
        let units = [
            ResponseUnit(id: "a", kind: "car", officer: "李强", areas: ["330110012"]), ResponseUnit(id: "b", kind: "car", areas: ["330110012001"]),
            ResponseUnit(id: "c", kind: "car", areas: ["330110005"]), ResponseUnit(id: "d", kind: "car", areas: ["330110012"]),
            ResponseUnit(id: "e", kind: "car", areas: ["330110012"], shift: HourRange("20:00-08:00")),
        ]
        let board = UnitBoard(units, zone: .utc)
        for (number, metres) in [300.0, 100, 200, 400, 50].enumerated() {
            board.moved(number, to: UnitBoard.Fix(at: start, position: north(metres), accuracyMetres: 5))
        }
        board.setDuty(.off, of: 3, by: "王", at: start)
        return Dispatcher(settings: DispatchSettings(), units: board)
    }

    private func order(_ dispatcher: Dispatcher, _ fields: [String: ActionValue], second: Int64 = 0) throws -> TaskState {
        let fields = ["lat": ActionValue.number(place.latitude), "lon": .number(place.longitude)].merging(fields) { $1 }
        return try dispatcher.muster(Action("dispatch.new", author: "王敏", fields: fields), at: start + second * 1000)
    }

    @Test func allFreeUnitsOfAnAreaAreSentAndCloseAsOne() throws {
        let dispatcher = dispatcher()
        let task = try order(dispatcher, ["areas": .list(["330110012"]), "text": .text("exam night")])
        #expect(task.crew.map(\.unit) == ["b", "a"], "the nearest first")
        let choice = dispatcher.takeEvents().last!.choice!
        #expect(choice.summary == "off_duty 1, off_shift 1, other_area 1")
        #expect(dispatcher.units.state(0).task == task.id && dispatcher.units.state(1).task == task.id)
        // Nobody is sent twice.
        #expect(throws: ActionRefusal(.conflict, "nobody is free: off_duty 1, off_shift 1, busy 2, other_area 1", field: "areas")) {
            try order(dispatcher, ["areas": .list(["330110012"])], second: 1)
        }
        #expect(throws: ActionRefusal.self, "which of them?") { try act(dispatcher, .acknowledge, task.id, second: 2) }
        #expect(try act(dispatcher, .acknowledge, task.id, second: 3, as: "李强").stage == .acknowledged)
        #expect(try act(dispatcher, .arrive, task.id, second: 5, as: "b").stage == .onScene)
        let later = try act(dispatcher, .setOut, task.id, second: 6, ["unit": .text("a")])
        #expect(later.stage == .onScene && later.crew.map(\.stage) == [.onScene, .setOut])
        #expect(throws: ActionRefusal.self) { try act(dispatcher, .acknowledge, task.id, second: 7, ["unit": .text("a")]) }
        #expect(throws: ActionRefusal.self) { try act(dispatcher, .acknowledge, task.id, second: 7, ["unit": .text("zz")]) }
        dispatcher.advance(to: start + 100_000)
        #expect(dispatcher.takeEvents().map { "\($0.what) \($0.unit ?? "-")" }.filter { !$0.contains("_warning") && !$0.contains("_breached") }
            == ["acknowledged a", "on_scene b", "set_out a"], "nobody is replaced")
        // One goes home, the others settle it.
        #expect(try act(dispatcher, .giveBack, task.id, second: 101, ["unit": .text("a"), "why": .text("called away")]).stage == .onScene)
        #expect(dispatcher.units.state(0).task == nil)
        for verb in [TaskVerb.dispose, .feedback, .close] { _ = try act(dispatcher, verb, task.id, second: 110, ["text": .text("quiet")]) }
        #expect(dispatcher[task.id]?.stage == .closed && dispatcher.units.state(1).task == nil)
    }

    @Test func aRadiusAsksForFreshFixes() throws {
        let dispatcher = dispatcher()
        dispatcher.units.setDuty(.on, of: 3, by: "王", at: start)
        #expect(try order(dispatcher, ["within": .number(250)]).crew.map(\.unit) == ["b", "c"])
        #expect(dispatcher.takeEvents().last!.choice!.summary == "off_shift 1, too_far 2")
        #expect(throws: ActionRefusal.self, "all fixes are old") { try order(dispatcher, ["within": .number(2500)], second: 121) }
    }

    @Test func whatIsMissingIsSaid() throws {
        let dispatcher = dispatcher()
        #expect(throws: ActionRefusal(.invalid, "say whom to send: 'areas', or 'within' so many metres, or both", field: "areas")) { try order(dispatcher, [:]) }
        #expect(throws: ActionRefusal.self) {
            try dispatcher.muster(Action("dispatch.new", author: "王", fields: ["areas": .list(["330110012"])]), at: start)
        }
        #expect(throws: ActionRefusal(.invalid, "a radius needs a place with coordinates", field: "within")) {
            try dispatcher.muster(Action("dispatch.new", author: "王", fields: ["area": .text("330110012"), "within": .number(5)]), at: start)
        }
        #expect(!dispatcher.hasEvents && !dispatcher.hasChanged)
    }

    @Test func allGoneHomeItIsReturned() throws {
        let dispatcher = dispatcher()
        let task = try order(dispatcher, ["areas": .list(["330110012"])])
        for unit in ["a", "b"] { _ = try act(dispatcher, .giveBack, task.id, second: 5, ["unit": .text(unit), "why": .text("x")]) }
        #expect(dispatcher[task.id]?.stage == .returned && dispatcher.units.state(0).task == nil)
        // Another one is named by hand.
        #expect(try act(dispatcher, .assign, task.id, second: 6, ["unit": .text("c")]).unit == "c")
    }

    @Test func aRestoredCrewIsBusy() throws {
        let old = dispatcher()
        let task = try order(old, ["areas": .list(["330110012"])])
        _ = try act(old, .giveBack, task.id, second: 1, ["unit": .text("a"), "why": .text("x")])
        let board = UnitBoard(old.units.units, zone: .utc)
        let new = Dispatcher(settings: old.settings, units: board, nextNumber: old.nextNumber)
        for task in old.takeChanged() { new.restore(task) }
        #expect(board.state(0).task == nil && board.state(1).task == task.id)
    }
}
