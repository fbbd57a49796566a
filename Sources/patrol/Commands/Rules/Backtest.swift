import Dispatch
import Foundation
import Pipeline
import Rules
import Settings
import Telemetry

/// Sets of rules over readings as they come: rules that do not know of each other run on queues of their own, some parts
/// of the readings behind whoever reads.
final class Backtest: Sendable {
    /// What a set of rules would have raised.
    struct Outcome {
        /// By the time at which they fired.
        var alerts: [RuleRun.Fired] = []
        var devices: [Device] = []
        var readings = 0
        var end = Timestamp.distantPast
    }

    /// Rules that run on one queue; touched there only.
    private final class Part: @unchecked Sendable {
        let set: Int
        let rules: [Int]
        let queue = DispatchQueue(label: "patrol.backtest")
        /// Parts of the readings that may wait.
        let room = DispatchSemaphore(value: 4)
        var run: RuleRun
        var outcome = Outcome()

        init(set: Int, rules: [Int], of all: [RuleDefinition], world: World) {
            self.set = set
            self.rules = rules
            run = RuleRun(rules: RuleSet(rules.map { all[$0] }), world: world)
        }

        func take(_ accepted: AcceptedReadings) {
            for device in accepted.devices { run.add(device: device) }
            outcome.devices += accepted.devices
            var at = 0
            var contests = accepted.contests[...]
            for (number, reading) in accepted.readings.enumerated() {
                while let contest = contests.first, contest.readings <= number {
                    run.contest(contest.device)
                    contests.removeFirst()
                }
                let count = Int(reading.officerBytes) + Int(reading.bootBytes)
                outcome.end = max(outcome.end, reading.received)
                run.take(reading, text: count == 0 ? [] : Array(accepted.texts[at..<at + count]), clock: outcome.end)
                at += count
            }
            for contest in contests { run.contest(contest.device) }
            outcome.readings += accepted.readings.count
        }

        func finish() -> Outcome {
            run.advance(to: outcome.end)
            outcome.alerts = run.alerts.map { alert in
                var alert = alert
                alert.last.rule = rules[alert.last.rule]
                return alert
            }
            return outcome
        }
    }

    private let sets: Int
    private let parts: [Part]
    private let records: DeviceRecords

    init(_ sets: [[RuleDefinition]], settings: Settings?, world: World) {
        self.sets = sets.count
        records = DeviceRecords(settings)
        let most = ProcessInfo.processInfo.activeProcessorCount
        parts = sets.enumerated().flatMap { number, rules in
            RuleSet.independent(rules, parts: most).map { Part(set: number, rules: $0, of: rules, world: world) }
        }
    }

    /// Takes the next readings; waits where a part is far behind. One thread at a time.
    func take(_ accepted: AcceptedReadings) {
        var accepted = accepted
        accepted.devices = accepted.devices.map(records.described)
        for part in parts {
            part.room.wait()
            part.queue.async { [accepted] in
                part.take(accepted)
                part.room.signal()
            }
        }
    }

    /// What each set would have raised, once all is taken.
    func finish() -> [Outcome] {
        var outcomes = Array(repeating: Outcome(), count: sets)
        for part in parts {
            let outcome = part.queue.sync { part.finish() }
            outcomes[part.set].alerts += outcome.alerts
            (outcomes[part.set].devices, outcomes[part.set].readings, outcomes[part.set].end) = (outcome.devices, outcome.readings, outcome.end)
        }
        for set in outcomes.indices {
            outcomes[set].alerts.sort { a, b in
                (a.last.firedAt ?? a.last.startedAt, a.last.rule, a.last.device) < (b.last.firedAt ?? b.last.startedAt, b.last.rule, b.last.device)
            }
        }
        return outcomes
    }
}
