import Telemetry
import Testing

@testable import Dispatching

/// A dispatcher made afresh after every input, from nothing but the tasks that the old one gave out, goes on as if nothing
/// had happened.
@Suite struct RestartTests {
    private struct Dice {
        var state: UInt64
        mutating func roll(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
    }

    private enum Input {
        case fired(Alert), resolved(Alert), verb(TaskVerb, String, Action), lead(Lead), time
    }

    private func inputs(seed: UInt64) -> [(at: Timestamp, input: Input)] {
        var dice = Dice(state: seed)
        var at = start
        var alerts: [Alert] = []
        let verbs = TaskVerb.allCases
        var verb = 0
        return (0..<300).map { index in
            at = at + [0, 700, 20_000, 61_000, 400_000][dice.roll(5)]
            let site = dice.roll(3) == 0 ? "s\(dice.roll(2))" : nil
            switch dice.roll(8) {
            case 0, 1:
                let alert = Alert(
                    id: "a\(index)", rule: "r", device: "m\(dice.roll(4))", kind: .noise, deviceNumber: 0, site: site, area: "330110",
                    severity: ["info", "critical"][dice.roll(2)], state: "firing", startedAt: at, firedAt: at, resolvedAt: nil, value: 75)
                alerts.append(alert)
                return (at, .fired(alert))
            case 2 where !alerts.isEmpty: return (at, .resolved(alerts[dice.roll(alerts.count)]))
            case 3:
                var lead = Lead(kind: "noise-check", text: "x")
                (lead.site, lead.area, lead.source) = (site, "330110", dice.roll(2) == 0 ? "n\(dice.roll(9))" : nil)
                return (at, .lead(lead))
            case 4: return (at, .time)
            default:
                verb = dice.roll(4) == 0 ? dice.roll(verbs.count) : (verb + 1) % verbs.count
                var action = TaskStageTests.action(verbs[verb])
                action.author = ["王敏", "李强"][dice.roll(2)]
                if verbs[verb] == .suspend { action.fields["until"] = .number(Double((at + Int64(1 + dice.roll(300_000))).milliseconds)) }
                action.fields["into"] = .text("t\(dice.roll(max(1, index)))")
                action.fields["alert"] = .text("a\(dice.roll(max(1, index)))")
                return (at, .verb(verbs[verb], alerts.isEmpty ? "t0" : "t" + alerts[dice.roll(alerts.count)].id.dropFirst(), action))
            }
        }
    }

    private func take(_ input: Input, at: Timestamp, _ dispatcher: Dispatcher) -> ActionRefusal? {
        dispatcher.advance(to: at)
        do throws(ActionRefusal) {
            switch input {
            case .fired(let alert): dispatcher.alertFired(alert, kind: "noise-check", at: at)
            case .resolved(let alert): dispatcher.alertResolved(alert, kind: "noise-check")
            case .verb(let verb, let id, let action): try dispatcher.apply(verb, to: id, action, at: at)
            case .lead(let lead): try dispatcher.report(lead, author: "王敏", role: .operator, at: at)
            case .time: break
            }
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: UInt64(1)...100)
    func aRestartAtEveryInputGivesTheSame(seed: UInt64) {
        var settings = DispatchSettings()
        settings.otherKinds.pausesWhileSuspended = seed % 2 == 0
        settings.otherKinds.reopenMilliseconds = 300_000
        let steady = Dispatcher(settings: settings)
        var restarted = Dispatcher(settings: settings)
        var store: [String: TaskState] = [:]
        var plans: [String: VisitPlan] = [:]
        var count = 0, refused = 0
        for (at, input) in inputs(seed: seed) {
            let refusal = take(input, at: at, steady)
            #expect(take(input, at: at, restarted) == refusal, "seed \(seed)")
            refused += refusal == nil ? 0 : 1
            let events = steady.takeEvents()
            #expect(restarted.takeEvents() == events, "seed \(seed)")
            count += events.count
            for task in restarted.takeChanged() { store[task.id] = task }
            for event in events {
                for plan in event.plans { plans[plan.id] = plan }
                if let plan = event.begun { plans[plan.id] = nil }
            }
            let old = restarted
            restarted = Dispatcher(settings: settings, nextNumber: old.nextNumber)
            for task in store.values where task.stage.isOpen || task.forgetAt.map({ $0 > at }) ?? false { restarted.restore(task) }
            for plan in plans.values { restarted.restore(plan) }
        }
        #expect(count > 80 && refused < 290, "seed \(seed) tests nothing: \(count) events, \(refused) refused")
    }
}
