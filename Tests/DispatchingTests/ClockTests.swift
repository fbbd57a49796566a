import Telemetry
import Testing

@testable import Dispatching

@Suite struct ClockTests {
    private func alert(_ id: String = "a1", device: String = "m1", site: String? = nil, severity: String = "warning") -> Alert {
        Alert(
            id: id, rule: "loud", device: device, kind: .noise, deviceNumber: 0, site: site, area: "330110012001",
            severity: severity, state: "firing", startedAt: start, firedAt: start, resolvedAt: nil, value: 75)
    }

    private func dispatcher(_ change: (inout DispatchSettings) -> Void = { _ in }) -> Dispatcher {
        var settings = DispatchSettings()
        change(&settings)
        return Dispatcher(settings: settings)
    }

    private func act(_ dispatcher: Dispatcher, _ verb: TaskVerb, _ second: Int64, _ fields: [String: ActionValue] = [:]) throws {
        var action = TaskStageTests.action(verb)
        action.fields.merge(fields) { $1 }
        try dispatcher.apply(verb, to: "t1", action, at: start + second * 1000)
    }

    /// What happened, each as `seconds what`.
    private func story(_ dispatcher: Dispatcher) -> [String] {
        dispatcher.takeEvents().map { "\(($0.at - start) / 1000) \($0.what)" }
    }

    @Test func allThreeClocksRunFromTheCreationWarnAndBreak() {
        let dispatcher = dispatcher()
        dispatcher.alertFired(alert(), kind: "noise-check", at: start)
        #expect(dispatcher["t1"]?.respond.due == start + 60_000)
        #expect(dispatcher.nextDue == (start + 45_000).milliseconds)
        dispatcher.advance(to: start + 3_600_000)
        #expect(story(dispatcher) == [
            "0 reported", "45 respond_warning", "60 respond_breached", "135 set_out_warning", "180 set_out_breached",
            "720 dispose_warning", "900 dispose_breached",
        ])
        #expect(dispatcher.nextDue == .max)
    }

    @Test func aClockStopsAtItsStageOrALaterOne() throws {
        let dispatcher = dispatcher()
        dispatcher.alertFired(alert(), kind: "noise-check", at: start)
        try act(dispatcher, .assign, 5)
        try act(dispatcher, .arrive, 20)  // acknowledged and set out with it
        dispatcher.advance(to: start + 899_000)
        try act(dispatcher, .dispose, 899)
        dispatcher.advance(to: start + 1_400_000)
        #expect(story(dispatcher) == ["0 reported", "5 assigned", "20 on_scene", "720 dispose_warning", "899 disposed"])
        let task = dispatcher["t1"]!
        #expect(task.respond.stoppedAt == start + 20_000 && task.setOut.stoppedAt == start + 20_000)
        #expect(task.dispose.stoppedAt == start + 899_000 && !task.dispose.isBreached)
    }

    @Test func whatIsDueHappensBeforeALaterInput() throws {
        let dispatcher = dispatcher()
        dispatcher.alertFired(alert(), kind: "noise-check", at: start)
        dispatcher.advance(to: start + 61_000)
        try act(dispatcher, .assign, 61)
        #expect(story(dispatcher) == ["0 reported", "45 respond_warning", "60 respond_breached", "61 assigned"])
    }

    @Test func howOftenTheClockIsLookedAtChangesNothing() {
        func run(_ steps: [Int64]) -> [TaskEvent] {
            let dispatcher = dispatcher()
            for index in 0..<50 {
                let at = start + Int64(index * 700)
                dispatcher.advance(to: at)
                dispatcher.alertFired(alert("a\(index)", device: "m\(index % 40)"), kind: "noise-check", at: at)
            }
            for step in steps { dispatcher.advance(to: start + step) }
            dispatcher.advance(to: start + 1_000_000)
            return dispatcher.takeEvents()
        }
        let once = run([])
        #expect(once.count > 250)
        #expect(run(Array(stride(from: 40_000, to: 1_000_000, by: 137))) == once)
        #expect(run([50_000, 49_000, 500_000, 500_000]) == once)
    }

    @Test func aRestoredDispatcherGoesOnAsTheOldOne() throws {
        let old = dispatcher()
        for index in 0..<20 { old.alertFired(alert("a\(index)", device: "m\(index)"), kind: "noise-check", at: start + Int64(index / 4) * 1000) }
        old.advance(to: start + 61_000)
        _ = old.takeEvents()
        let new = dispatcher()
        // In another order than they were made.
        for task in old.takeChanged().reversed() { new.restore(task) }
        #expect(new.nextNumber == old.nextNumber)
        old.advance(to: start + 1_000_000)
        new.advance(to: start + 1_000_000)
        #expect(new.takeEvents() == old.takeEvents())
        #expect(new.takeChanged() == old.takeChanged())
    }

    @Test func aClockMayStartLaterAndWarnNot() throws {
        let dispatcher = dispatcher {
            $0.otherKinds.dispose.start = .onScene
            $0.otherKinds.respond.warnMilliseconds = 0
        }
        dispatcher.alertFired(alert(), kind: "other", at: start)
        dispatcher.advance(to: start + 100_000)
        #expect(dispatcher["t1"]?.dispose.due == nil)
        try act(dispatcher, .assign, 100)
        try act(dispatcher, .arrive, 110)
        #expect(dispatcher["t1"]?.dispose.due == start + 1_010_000)
        #expect(story(dispatcher) == ["0 reported", "60 respond_breached", "100 assigned", "110 on_scene"])
    }

    @Test(arguments: [false, true])
    func onlyWhereASettingSaysSoAClockStandsStill(pauses: Bool) throws {
        let dispatcher = dispatcher { $0.otherKinds.pausesWhileSuspended = pauses }
        dispatcher.alertFired(alert(), kind: "other", at: start)
        try act(dispatcher, .suspend, 10, ["until": .number(Double(start.milliseconds) + 100_000), "why": .text("rain")])
        dispatcher.advance(to: start + 99_000)
        try act(dispatcher, .comment, 99)
        let until99 = story(dispatcher)
        #expect(until99 == (pauses ? ["0 reported", "10 suspended", "99 comment"]
            : ["0 reported", "10 suspended", "45 respond_warning", "60 respond_breached", "99 comment"]))
        dispatcher.advance(to: start + 100_000)
        #expect(story(dispatcher) == ["100 reported"], "it resumes by itself")
        dispatcher.advance(to: start + 150_000)
        #expect(story(dispatcher) == (pauses ? ["135 respond_warning", "150 respond_breached"] : ["135 set_out_warning"]))
    }

    @Test func alertsOfOneSituationAreOneTask() throws {
        let dispatcher = dispatcher()
        dispatcher.alertFired(alert("a1", device: "m1", site: "s1"), kind: "noise-check", at: start)
        dispatcher.alertFired(alert("a2", device: "m2", site: "s1", severity: "critical"), kind: "noise-check", at: start + 1000)
        dispatcher.alertFired(alert("a3", device: "m3", site: "s2"), kind: "noise-check", at: start + 2000)
        dispatcher.alertFired(alert("a4", device: "m1", site: "s1"), kind: "parking", at: start + 3000)
        #expect(story(dispatcher) == ["0 reported", "1 joined", "2 reported", "3 reported"])
        #expect(dispatcher["t1"]?.firing == ["a1", "a2"] && dispatcher["t1"]?.severity == "critical")
        #expect(dispatcher.takeChanged().map(\.number) == [1, 2, 3])
    }

    /// Settles the task t1 at 100 s.
    private func settle(_ dispatcher: Dispatcher) throws {
        try act(dispatcher, .assign, 5)
        try act(dispatcher, .arrive, 20)
        try act(dispatcher, .dispose, 100)
        try act(dispatcher, .feedback, 110)
        try act(dispatcher, .close, 120)
    }

    @Test func anotherAlertWithinTheTimeReopensAndLaterIsAnotherTask() throws {
        for (second, expected) in [(3_700, "3700 reopened"), (3_721, "3721 reported")] as [(Int64, String)] {
            let dispatcher = dispatcher()
            dispatcher.alertFired(alert(), kind: "noise-check", at: start)
            dispatcher.alertResolved(alert(), kind: "noise-check")
            try settle(dispatcher)
            _ = story(dispatcher)
            dispatcher.advance(to: start + second * 1000)
            dispatcher.alertFired(alert("a2"), kind: "noise-check", at: start + second * 1000)
            #expect(story(dispatcher).last == expected)
        }
    }

    @Test func anAlertThatStillFiresReopensWithItsClocksAnew() throws {
        let dispatcher = dispatcher()
        dispatcher.alertFired(alert(), kind: "noise-check", at: start)
        try settle(dispatcher)
        _ = story(dispatcher)
        dispatcher.advance(to: start + 750_000)
        #expect(story(dispatcher) == ["700 reopened", "745 respond_warning"])
        #expect(dispatcher["t1"]?.respond.due == start + 760_000 && dispatcher["t1"]?.unit == nil)
    }

    @Test func aSettledTaskIsForgottenWhenItCannotReopen() throws {
        let dispatcher = dispatcher()
        dispatcher.alertFired(alert(), kind: "noise-check", at: start)
        dispatcher.alertResolved(alert(), kind: "noise-check")
        try settle(dispatcher)
        _ = dispatcher.takeChanged()
        dispatcher.advance(to: start + 3_719_000)
        #expect(dispatcher.count == 1)
        dispatcher.advance(to: start + 3_720_000)
        #expect(dispatcher.count == 0 && dispatcher.nextDue == .max)
    }

    @Test func theCheckNeedsAnotherPerson() throws {
        let dispatcher = dispatcher { $0.otherKinds.needsCheck = true }
        var task = TaskStageTests.task(in: .feedback)
        task.feedbackBy = "王敏"
        dispatcher.restore(task)
        #expect(throws: ActionRefusal.self) { try act(dispatcher, .close, 1) }
        #expect(throws: ActionRefusal.self) { try act(dispatcher, .verify, 1) }
        var action = TaskStageTests.action(.verify)
        action.author = "赵"
        try dispatcher.apply(.verify, to: "t1", action, at: start)
        try act(dispatcher, .close, 2)
        #expect(dispatcher["t1"]?.stage == .closed)
    }
}

@Suite struct DueHeapTests {
    @Test func itGivesBackInOrder() {
        var state: UInt64 = 7
        func roll(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for size in [0, 1, 2, 3, 50, 1000] {
            var heap = DueHeap()
            var plain: [(Int64, Int64)] = []
            for number in 0..<size {
                let due = Int64(roll(max(1, size / 3)))
                heap.push(DueHeap.Entry(due: due, number: Int64(number), slot: 0))
                plain.append((due, Int64(number)))
            }
            heap.compact { $0.number % 7 != 3 }
            plain = plain.filter { $0.1 % 7 != 3 }.sorted { $0 < $1 }
            #expect(heap.next == plain.first?.0 ?? .max)
            for (due, number) in plain {
                let entry = heap.pop()
                #expect(entry?.due == due && entry?.number == number)
            }
            #expect(heap.pop() == nil)
        }
    }
}
