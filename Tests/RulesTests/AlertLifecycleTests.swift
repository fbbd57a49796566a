import Rules
import Telemetry
import Testing

private func rule(
    _ bound: RuleDefinition.Bound = .above(70), hold: Int64 = 3000, clear: Double? = 68
) -> RuleDefinition {
    RuleDefinition(
        id: "r", titleEnglish: "", titleChinese: "", kind: .noise, metric: "laeq", bound: bound, holdMilliseconds: hold,
        clear: clear, severity: .warning, taskKind: nil)
}

/// Runs levels (ts in s, level) through one rule; a line for each transition, and the open state at the end.
private func run(_ definition: RuleDefinition, _ readings: [(Int64, Double)], period: UInt32 = 1000) -> [String] {
    let engine = AlertEngine(rules: RuleSet([definition]), world: World(zone: .utc))
    engine.add(device: Device(number: 0, kind: definition.kind, id: "m", gateway: "g"))
    var before = Evaluated()
    for (second, level) in readings {
        var reading = Reading(kind: .noise, periodMilliseconds: period)
        reading.ts = Timestamp(milliseconds: second * 1000)
        reading.set(NoiseValue.laeq, level)
        unsafe engine.evaluate(reading, text: nil, before: before, clock: reading.ts)
        before.advance(reading)
    }
    var lines: [String] = []
    func seconds(_ time: Timestamp?) -> String { time.map { "\($0.milliseconds / 1000)" } ?? "-" }
    engine.drain(
        vanished: { _ in },
        transitions: {
            lines.append(
                "\($0.state) \(seconds($0.startedAt)) \(seconds($0.firedAt)) \(seconds($0.resolvedAt)) \($0.value)")
        },
        open: { lines.append("open \($0.state) \(seconds($0.startedAt)) \($0.value)") })
    return lines
}

@Suite struct AlertLifecycleTests {
    @Test func firesAtTheEndOfTheReadingThatCompletesTheTime() {
        #expect(run(rule(), [(0, 71), (1, 72)]) == ["open pending 0 72.0"])
        #expect(run(rule(), [(0, 71), (1, 75), (2, 72)]) == ["firing 0 3 - 75.0", "open firing 0 75.0"])
    }

    @Test func withoutATimeItFiresAtOnce() {
        #expect(run(rule(hold: 0), [(5, 71)]) == ["firing 5 6 - 71.0", "open firing 5 71.0"])
    }

    @Test func atTheLevelIsNotOverIt() { #expect(run(rule(hold: 0), [(0, 70)]) == []) }

    @Test func oneReadingBelowEndsPending() { #expect(run(rule(), [(0, 71), (1, 70), (2, 71), (3, 71)]) == ["open pending 2 71.0"]) }

    @Test func hysteresisKeepsFiring() {
        let lines = run(rule(hold: 0), [(0, 71), (1, 69), (2, 68), (3, 67.9)])
        #expect(lines == ["firing 0 1 - 71.0", "resolved 0 1 3 71.0"])
    }

    @Test func withoutAClearLevelTheBoundClears() {
        #expect(run(rule(hold: 0, clear: nil), [(0, 71), (1, 70)]) == ["firing 0 1 - 71.0", "resolved 0 1 1 71.0"])
    }

    @Test func aGapStartsPendingAfresh() {
        #expect(run(rule(hold: 20_000), [(0, 71), (11, 71)]) == ["open pending 0 71.0"], "a gap of 10 s is no gap")
        #expect(run(rule(hold: 20_000), [(0, 71), (12, 71)]) == ["open pending 12 71.0"])
        #expect(run(rule(hold: 200_000), [(0, 71), (180, 71)], period: 60_000) == ["firing 0 240 - 71.0", "open firing 0 71.0"])
        #expect(run(rule(hold: 200_000), [(0, 71), (181, 71)], period: 60_000) == ["open pending 181 71.0"])
    }

    @Test func aGapDoesNotEndFiring() {
        #expect(run(rule(hold: 0), [(0, 71), (500, 71)]) == ["firing 0 1 - 71.0", "open firing 0 71.0"])
    }

    @Test func aLateQuietReadingBreaksPendingButNotFiring() {
        #expect(run(rule(), [(0, 71), (1, 71), (0, 60)]) == ["open pending 1 71.0"])
        #expect(run(rule(hold: 0), [(0, 71), (1, 71), (0, 60)]) == ["firing 0 1 - 71.0", "open firing 0 71.0"])
    }

    @Test func aLateLoudReadingStartsNothing() { #expect(run(rule(hold: 0), [(5, 60), (3, 90)]) == []) }

    @Test func belowMirrorsAbove() {
        let low = rule(.below(15), hold: 0, clear: 20)
        #expect(run(low, [(0, 14), (1, 12), (2, 20), (3, 20.1)]) == ["firing 0 1 - 14.0", "resolved 0 1 3 12.0"])
    }

    @Test func itCanFireAgain() {
        let lines = run(rule(hold: 0), [(0, 71), (1, 60), (2, 80)])
        #expect(lines == ["firing 0 1 - 71.0", "resolved 0 1 1 71.0", "firing 2 3 - 80.0", "open firing 2 80.0"])
    }
}
