import Testing

@testable import Delivery

/// The webhook's machine without a socket and a clock.
@Suite struct WebhookStateTests {
    private func policy(_ change: (inout WebhookState.Policy) -> Void = { _ in }) -> WebhookState.Policy {
        var policy = WebhookState.Policy()
        policy.maxInFlight = 3
        change(&policy)
        return policy
    }

    private func subject(_ sequence: Int64, _ subject: String, at: Int64 = 1000) -> StreamEvent {
        event(sequence, "{\"type\":\"patrol.alert.firing\",\"subject\":\"\(subject)\"}", at: at)
    }

    /// Reads to the end and gives what is sent now.
    private func sends(_ state: inout WebhookState, now: Int64) -> [Int64] {
        var sent: [Int64] = []
        while true {
            switch state.next(now: now) {
            case .send(let sequence, _): sent.append(sequence)
            case .read: _ = state.took(EventPage(events: []))
            case .wait: return sent
            }
        }
    }

    private func machine(_ subjects: [String], _ policy: WebhookState.Policy, at: Int64 = 1000) -> WebhookState {
        var state = WebhookState(delivered: 0, policy: policy)
        #expect(state.next(now: 0) == .read(after: 0, limit: 1000))
        _ = state.took(EventPage(events: subjects.enumerated().map { subject(Int64($0 + 1), $1, at: at) }))
        return state
    }

    @Test func subjectsKeepTheirOrder() {
        var state = machine(["a", "a", "b", "a", "c", "d"], policy())
        #expect(sends(&state, now: 0) == [1, 3, 5])
        #expect(state.answered(3, .taken, now: 0, wall: 0) == [])
        #expect(sends(&state, now: 0) == [6])
        #expect(state.answered(1, .taken, now: 0, wall: 0) == [.delivered(through: 1)])
        #expect(sends(&state, now: 0) == [2])
        #expect(state.answered(2, .taken, now: 0, wall: 0) == [.delivered(through: 3)])
        #expect(sends(&state, now: 0) == [4])
        for sequence in [Int64(6), 5, 4] { _ = state.answered(sequence, .taken, now: 0, wall: 0) }
        #expect(state.progress.delivered == 6 && state.entries.isEmpty && state.inFlight == 0)
    }

    @Test func aFailedEventWaitsLongerAndLonger() {
        var state = machine(["a", "a"], policy { $0.circuitFailures = 100 })
        var now: Int64 = 0
        var pauses: [Int64] = []
        for attempt in 1...8 {
            #expect(state.next(now: now) == .send(sequence: 1, attempt: attempt))
            #expect(state.answered(1, .failed("500"), now: now, wall: 0) == [])
            guard case .wait(let milliseconds?) = waits(&state, now) else { Issue.record("must wait"); return }
            pauses.append(milliseconds)
            now += milliseconds
        }
        for (index, pause) in pauses.enumerated() {
            let ceiling = Int64(5000) << index
            #expect((ceiling / 2...ceiling).contains(pause), "\(pauses)")
        }
    }

    private func waits(_ state: inout WebhookState, _ now: Int64) -> WebhookState.Action {
        while true {
            let action = state.next(now: now)
            if case .read = action { _ = state.took(EventPage(events: [])) } else { return action }
        }
    }

    @Test func theCircuitOpensAndOneTries() {
        var state = machine(["a", "b", "c", "d", "e"], policy { $0.circuitFailures = 3 })
        #expect(sends(&state, now: 0) == [1, 2, 3])
        for sequence in Int64(1)...3 { _ = state.answered(sequence, .failed("refused"), now: 0, wall: 0) }
        #expect(state.isFailing)
        guard case .wait(let pause?) = waits(&state, 0) else { Issue.record("must wait"); return }
        #expect((2500...5000).contains(pause))
        // One event goes, whatever else is ready.
        let probe = sends(&state, now: pause)
        #expect(probe.count == 1)
        _ = state.answered(probe[0], .failed("refused"), now: pause, wall: 0)
        guard case .wait(let longer?) = waits(&state, pause) else { Issue.record("must wait"); return }
        #expect((5000...10000).contains(longer))
        let again = sends(&state, now: pause + longer)
        #expect(again.count == 1)
        _ = state.answered(again[0], .taken, now: pause + longer, wall: 0)
        #expect(!state.isFailing)
        #expect(!sends(&state, now: pause + longer).isEmpty)
    }

    @Test func whatCameBackAfterTheCircuitOpenedDoesNotKeepItOpenLonger() {
        var state = machine(["a", "b", "c"], policy { $0.circuitFailures = 1 })
        #expect(sends(&state, now: 0) == [1, 2, 3])
        _ = state.answered(1, .failed("x"), now: 0, wall: 0)
        let first = state.nextAttempt
        _ = state.answered(2, .failed("x"), now: 0, wall: 0)
        _ = state.answered(3, .failed("x"), now: 0, wall: 0)
        #expect(state.nextAttempt == first)
    }

    @Test func aRefusedEventIsGivenUpAndTheRestGoesOn() {
        var state = machine(["a", "a", "b"], policy { $0.refusals = 3 })
        var now: Int64 = 0
        #expect(sends(&state, now: now) == [1, 3])
        _ = state.answered(3, .taken, now: now, wall: 0)
        for _ in 1...2 {
            #expect(state.answered(1, .refused("HTTP 422"), now: now, wall: 0) == [])
            #expect(!state.isFailing)
            now += 10_000_000
            #expect(sends(&state, now: now) == [1])
        }
        let effects = state.answered(1, .refused("HTTP 422"), now: now, wall: 0)
        #expect(effects == [
            .dead(subject(1, "a"), attempts: 3, reason: "refused 3 times: HTTP 422"), .delivered(through: 1),
        ])
        #expect(sends(&state, now: now) == [2])
    }

    @Test func whatHasFailedTooLongIsGivenUpAndWhatWasNeverTriedIsNot() {
        var state = machine(["a", "b", "c"], policy { $0.circuitFailures = 1; $0.maxInFlight = 1; $0.giveUpMilliseconds = 1000 })
        #expect(sends(&state, now: 0) == [1])
        #expect(state.answered(1, .failed("x"), now: 0, wall: 1500) == [])
        #expect(sends(&state, now: 6000).count == 1)
        let flying = state.entries.values.first { $0.isFlying }!.event.sequence
        let effects = state.answered(flying, .failed("x"), now: 6000, wall: 9000)
        let dead = effects.compactMap { if case .dead(let event, _, _) = $0 { event.sequence } else { nil } }
        #expect(dead.sorted() == [1, flying].sorted().reduce(into: []) { if $0.last != $1 { $0.append($1) } })
        #expect(state.entries[3] != nil)
    }

    /// An hour of 500: few attempts, nothing given up, and then everything once and in order.
    @Test func anHourOfErrorsAndThenEverything() {
        var state = machine((0..<60).map { "s\($0 % 7)" }, policy())
        var now: Int64 = 0
        var failed = 0
        var taken: [Int64] = []
        while taken.count < 60, now < 7_200_000 {
            switch state.next(now: now) {
            case .send(let sequence, _):
                let isBack = now >= 3_600_000
                if isBack { taken.append(sequence) } else { failed += 1 }
                let effects = state.answered(sequence, isBack ? .taken : .failed("HTTP 500"), now: now, wall: now)
                #expect(effects.allSatisfy { if case .dead = $0 { false } else { true } })
            case .read: _ = state.took(EventPage(events: []))
            case .wait(let milliseconds):
                guard let milliseconds else { Issue.record("nothing would happen any more"); return }
                now += max(milliseconds, 1)
            }
        }
        #expect(Set(taken).count == 60 && taken.count == 60)
        for subject in Int64(0)..<7 {
            let mine = taken.filter { ($0 - 1) % 7 == subject }
            #expect(mine == mine.sorted())
        }
        #expect((5...30).contains(failed), "\(failed) attempts")
    }

    @Test func goneStopsAndResumingGoesOn() {
        var state = machine(["a", "b"], policy())
        #expect(sends(&state, now: 0) == [1, 2])
        #expect(state.answered(1, .gone, now: 0, wall: 0).count == 1)
        #expect(state.paused != nil)
        #expect(state.next(now: 1_000_000) == .wait(milliseconds: nil))
        _ = state.answered(2, .taken, now: 0, wall: 0)
        state.resume()
        #expect(sends(&state, now: 0) == [1])
    }

    @Test func busyIsObeyed() {
        var state = machine(["a", "b", "c", "d"], policy())
        #expect(sends(&state, now: 0) == [1, 2, 3])
        #expect(state.answered(1, .busy(afterMilliseconds: 60_000), now: 0, wall: 0) == [])
        _ = state.answered(2, .taken, now: 0, wall: 0)
        #expect(sends(&state, now: 59_999) == [])
        #expect(Set(sends(&state, now: 60_000)) == [4, 1])
        // Without a word, longer and longer.
        _ = state.answered(1, .busy(afterMilliseconds: nil), now: 60_000, wall: 0)
        guard case .wait(let pause?) = waits(&state, 60_000) else { Issue.record("must wait"); return }
        #expect((2500...10_000).contains(pause))
    }

    @Test func whatDoesNotMatchIsPassedOver() {
        var state = machine(["a", "b"], policy { $0.filter = EventFilter(types: ["patrol.task.*"]) })
        #expect(state.progress.delivered == 2)
        #expect(sends(&state, now: 0) == [])
    }

    @Test func skippingKeepsDeadLetters() {
        var state = machine(["a", "a", "a", "b"], policy { $0.maxInFlight = 1 })
        #expect(sends(&state, now: 0) == [1])
        let effects = state.skip(through: 6)
        let dead = effects.compactMap { if case .dead(let event, _, _) = $0 { event.sequence } else { nil } }
        #expect(dead == [2, 3, 4])
        #expect(state.answered(1, .taken, now: 0, wall: 0) == [.delivered(through: 4)])
        #expect(state.next(now: 0) == .read(after: 4, limit: 1000))
        let later = state.took(EventPage(events: [subject(5, "x"), subject(6, "y"), subject(7, "z")]))
        #expect(later.last == .delivered(through: 6))
        #expect(sends(&state, now: 0) == [7])
    }

    @Test func deadLettersGoAgain() {
        var state = machine([], policy())
        state.sendAgain(subject(4, "a"))
        #expect(sends(&state, now: 0) == [4])
        #expect(state.answered(4, .taken, now: 0, wall: 0) == [.buried(sequence: 4)])
        #expect(state.progress.delivered == 0)
        // One that fails for good stays what it was.
        state.sendAgain(subject(5, "a"))
        #expect(sends(&state, now: 0) == [5])
        #expect(state.answered(5, .failed("x"), now: 0, wall: 100 * 86_400_000) == [])
        #expect(state.entries.isEmpty)
    }

    /// Random receivers: whatever they answer, every event is delivered or dead once, in order per subject.
    @Test(arguments: 1...40) func nothingIsLostAndOrderIsKept(seed: Int) {
        var dice = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
        func roll(_ sides: UInt64) -> UInt64 {
            dice ^= dice << 13
            dice ^= dice >> 7
            dice ^= dice << 17
            return dice % sides
        }
        var state = WebhookState(
            delivered: 0, policy: policy { $0.window = 20; $0.refusals = 2; $0.circuitFailures = 3; $0.giveUpMilliseconds = 600_000 },
            seed: UInt64(seed))
        let names = (1...60).map { _ in Int(roll(5)) }
        let events = (1...60).map { subject(Int64($0), "s\(names[$0 - 1])", at: 0) }
        var flying: [Int64] = []
        var ended: [Int64] = []
        var mark: Int64 = 0
        var now: Int64 = 0
        func note(_ effects: [WebhookState.Effect]) {
            for effect in effects {
                switch effect {
                case .dead(let event, _, _): ended.append(event.sequence)
                case .delivered(let through):
                    if through <= mark { Issue.record("seed \(seed): \(through) after \(mark)") }
                    mark = through
                case .paused: state.resume()
                case .buried: Issue.record("no dead letter was sent again")
                }
            }
        }
        var steps = 0
        while mark < 60, steps < 5_000 {
            steps += 1
            switch state.next(now: now) {
            case .read(let after, let limit):
                note(state.took(EventPage(events: Array(events[Int(after)...].prefix(min(limit, 7))))))
            case .send(let sequence, _):
                let own = names[Int(sequence) - 1]
                let isEarly = (0..<Int(sequence) - 1).contains { names[$0] == own && !ended.contains(Int64($0 + 1)) }
                if isEarly { Issue.record("seed \(seed): \(sequence) goes before another of its subject") }
                flying.append(sequence)
                if flying.count > 3 { Issue.record("seed \(seed): \(flying.count) at once") }
            case .wait(let milliseconds):
                guard flying.isEmpty || roll(2) == 0 else {
                    let sequence = flying.remove(at: Int(roll(UInt64(flying.count))))
                    let outcome: WebhookState.Outcome =
                        switch roll(12) {
                        case 0: .gone
                        case 1: .busy(afterMilliseconds: roll(2) == 0 ? nil : 1000)
                        case 2, 3: .refused("x")
                        case 4, 5, 6: .failed("x")
                        default: .taken
                        }
                    if outcome == .taken { ended.append(sequence) }
                    note(state.answered(sequence, outcome, now: now, wall: now))
                    continue
                }
                now += max(1, milliseconds ?? 1)
            }
        }
        #expect(mark == 60, "seed \(seed): stuck at \(mark)")
        #expect(ended.sorted() == Array(1...60), "seed \(seed)")
    }
}
