import Telemetry
import Testing

@testable import Dispatching

/// The rule by which a task goes after another system, without a store.
@Suite struct ExternalTests {
    private func said(_ stage: TaskStage?, _ fields: [String: ActionValue] = [:]) -> (ExternalReport, Action) {
        var report = ExternalReport(system: "city")
        report.number = "2026-17"
        report.stage = stage
        report.status = stage?.rawValue
        var fields = fields
        if let stage { fields["stage"] = .text(stage.rawValue) }
        return (report, Action("task.external", subject: "t1", author: "city", fields: fields))
    }

    private func follow(
        _ dispatcher: Dispatcher, _ stage: TaskStage?, _ fields: [String: ActionValue] = [:], known: ExternalReport? = nil
    ) throws -> (stage: TaskStage, report: ExternalReport, events: [String]) {
        let (report, action) = said(stage, fields)
        let (task, after) = try dispatcher.follow(report, of: "t1", action, known: known, at: start + 5000)
        return (task.stage, after, dispatcher.takeEvents().map(\.what))
    }

    private func dispatcher(_ stage: TaskStage) -> Dispatcher {
        let dispatcher = Dispatcher(settings: DispatchSettings())
        dispatcher.restore(TaskStageTests.task(in: stage))
        return dispatcher
    }

    private let found = TaskStageTests.action(.feedback).fields

    @Test func itGoesAlongTheStraightWayStepByStep() throws {
        let dispatcher = dispatcher(.reported)
        let on = try follow(dispatcher, .onScene, ["by": .text("陈")])
        #expect(on.stage == .onScene && on.report.conflict == nil)
        #expect(on.events == ["assigned", "on_scene", "external"])
        #expect(dispatcher["t1"]?.unit == "city" && dispatcher["t1"]?.lastBy == "city: 陈")
        let closed = try follow(dispatcher, .closed, found, known: on.report)
        #expect(closed.stage == .closed && closed.events == ["disposed", "feedback", "closed", "external"])
    }

    @Test func withoutFeedbackNothingIsClosed() throws {
        let dispatcher = dispatcher(.onScene)
        let first = try follow(dispatcher, .closed)
        #expect(first.stage == .disposed && first.events == ["disposed", "external_conflict"])
        #expect(first.report.conflict?.contains("feedback needs 'verdict'") == true)
        // The same again is the same conflict and no event; with what was missing it is followed.
        let again = try follow(dispatcher, .closed, known: first.report)
        #expect(again.stage == .disposed && again.events == [] && again.report == first.report)
        let whole = try follow(dispatcher, .closed, found, known: first.report)
        #expect(whole.stage == .closed && whole.events == ["feedback", "closed", "external"] && whole.report.conflict == nil)
    }

    /// Every stage of ours × every stage of theirs: ours never goes back along the straight way, and either both agree, or
    /// theirs is behind, or the conflict is noted.
    @Test(arguments: TaskStage.allCases)
    func whateverTheySayTheTaskIsInOrder(ours: TaskStage) throws {
        for theirs in TaskStage.allCases {
            let dispatcher = dispatcher(ours)
            let (stage, report, events) = try follow(dispatcher, theirs, found)
            let before = ours.progress, after = stage.progress
            if let before, let after { #expect(after >= before, "\(ours) \(theirs)") }
            let isBehind = (theirs.progress ?? .max) <= (before ?? -1)
            if isBehind { #expect(stage == ours && report.conflict == nil && events == ["external"], "\(ours) \(theirs)") }
            #expect(stage == theirs || isBehind || report.conflict != nil, "\(ours) \(theirs): \(stage)")
            #expect(events.last == (report.conflict == nil ? "external" : "external_conflict"), "\(ours) \(theirs)")
            // A lost answer may be repeated.
            #expect(try follow(dispatcher, theirs, found, known: report).events == [], "\(ours) \(theirs)")
        }
    }

    @Test func whatWasFollowedIsNotFollowedAgain() throws {
        let dispatcher = dispatcher(.disposed)
        let known = try follow(dispatcher, .disposed).report
        _ = try dispatcher.apply(.reopen, to: "t1", TaskStageTests.action(.reopen), at: start + 6000)
        _ = dispatcher.takeEvents()
        #expect(try follow(dispatcher, .disposed, known: known).stage == .reopened)
        // Nor does their number alone move anything.
        let number = try follow(dispatcher, nil, known: known)
        #expect(number.stage == .reopened && number.report.stage == nil)
    }

    @Test func aUnitOfOursIsCheckedAsAlways() throws {
        let units = UnitBoard([ResponseUnit(id: "u7", kind: "officer")], zone: .utc)
        let dispatcher = Dispatcher(settings: DispatchSettings(), units: units)
        dispatcher.restore(TaskStageTests.task(in: .accepted))
        let unknown = try follow(dispatcher, .assigned, ["unit": .text("u9")])
        #expect(unknown.stage == .accepted && unknown.report.conflict == "no unit has the id 'u9'")
        let known = try follow(dispatcher, .assigned, ["unit": .text("u7")], known: unknown.report)
        #expect(known.stage == .assigned && dispatcher["t1"]?.unit == "u7")
    }
}
