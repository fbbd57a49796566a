import Rules
import Telemetry
import Testing

/// What must hold whatever the readings are.
@Suite struct PropertyTests {
    struct Dice {
        var state: UInt64
        mutating func roll(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
    }

    /// Aligned to every window's step and to midnight in UTC.
    static let start: Int64 = 1_717_718_400_000

    static let laeq = RuleMetric.named("laeq", of: .noise)!

    static func rule(_ id: String, _ condition: Condition, hold: Int64 = 0) -> RuleDefinition {
        RuleDefinition(
            id: id, titleEnglish: id, titleChinese: id, kind: .noise, condition: condition, holdMilliseconds: hold,
            severity: .warning, taskKind: nil)
    }

    static var rules: [RuleDefinition] {
        var keep = rule("keep", .leaf(Leaf(.metric(laeq), .above(66))))
        keep.keepFiringMilliseconds = 5000
        var silent = rule("silent", .leaf(Leaf(.metric(laeq), .above(66))))
        silent.resolveAfterMilliseconds = 20_000
        return [
            rule("level", .leaf(Leaf(.metric(laeq), .above(66), clear: 64)), hold: 3000),
            rule("window", .leaf(Leaf(.window(laeq, .leq, milliseconds: 60_000), .above(66), minimumCoverage: 0.2))),
            rule("peak", .leaf(Leaf(.window(laeq, .max, milliseconds: 20_000), .above(68), minimumCoverage: 0))),
            rule("absent", .leaf(Leaf(.absence(milliseconds: 15_000), .holds))), keep, silent,
            rule("count", .leaf(Leaf(.count(.leaf(Leaf(.metric(laeq), .above(66))), milliseconds: 60_000), .above(2)))),
        ]
    }

    /// (device, ms after start, level), in the order of time.
    static func recording(_ dice: inout Dice, devices: Int) -> [(device: UInt32, at: Int64, level: Double)] {
        var at: Int64 = 0
        return (0..<400).map { _ in
            at += [200, 400, 1000, 1000, 9000][dice.roll(5)] as Int64
            return (UInt32(dice.roll(devices)), at, 58 + Double(dice.roll(120)) / 10)
        }
    }

    /// A line for each alert: rule, device, times after `start`, value.
    static func run(
        _ readings: [(device: UInt32, at: Int64, level: Double)], start: Int64 = start, rules: [RuleDefinition] = rules
    ) -> [String] {
        var run = RuleRun(rules: RuleSet(rules), world: World(zone: .utc))
        for device in 0..<4 { run.add(device: Device(number: UInt32(device), kind: .noise, id: "m\(device)", gateway: "g")) }
        for (device, at, level) in readings {
            var reading = Reading(kind: .noise, periodMilliseconds: 1000)
            reading.device = device
            reading.ts = Timestamp(milliseconds: start + at)
            reading.received = reading.ts
            reading.set(NoiseValue.laeq, level)
            run.take(reading, clock: reading.ts)
        }
        run.advance(to: Timestamp(milliseconds: start + 100_000_000))
        return run.alerts.map { fired in
            func after(_ moment: Timestamp?) -> String { moment.map { "\($0.milliseconds - start)" } ?? "-" }
            return "\(rules[fired.last.rule].id) m\(fired.last.device) \(after(fired.last.startedAt)) \(after(fired.last.firedAt)) \(after(fired.resolvedAt)) \(fired.last.value)"
        }
    }

    @Test(arguments: UInt64(1)...20)
    func aShiftInTimeShiftsTheAlerts(seed: UInt64) {
        var dice = Dice(state: seed)
        let readings = Self.recording(&dice, devices: 3)
        let alerts = Self.run(readings)
        #expect(alerts.count > 20, "seed \(seed) tests nothing")
        // Whole steps of every window: a minute.
        #expect(Self.run(readings, start: Self.start + 60_000 * Int64(1 + dice.roll(100_000))) == alerts, "seed \(seed)")
    }

    @Test(arguments: UInt64(1)...20)
    func devicesDoNotTouchEachOther(seed: UInt64) {
        var dice = Dice(state: seed)
        let readings = Self.recording(&dice, devices: 3)
        let together = Self.run(readings).sorted()
        // One after the other, with the same clock at the end.
        let alone = (UInt32(0)..<3).flatMap { device in Self.run(readings.filter { $0.device == device }) }.sorted()
        #expect(alone == together, "seed \(seed)")
        let renamed = Self.run(readings.map { (($0.device + 1) % 3, $0.at, $0.level) })
            .map { line in line.replacing("m0 ", with: "m3 ").replacing("m1 ", with: "m0 ").replacing("m2 ", with: "m1 ").replacing("m3 ", with: "m2 ") }
        #expect(renamed.sorted() == together, "seed \(seed), devices in another order")
    }

    /// A device's rules are judged together, and most readings pass most of them by; each must say what it says alone.
    @Test(arguments: UInt64(1)...20)
    func rulesDoNotTouchEachOther(seed: UInt64) {
        var dice = Dice(state: seed)
        let readings = Self.recording(&dice, devices: 2)
        var cooling = Self.rule("cooling", .leaf(Leaf(.metric(Self.laeq), .above(69))))
        cooling.coolDownMilliseconds = 30_000
        let tests: [Leaf.Test] = [.above(69.5), .above(67), .below(58.5), .below(59), .equals(60), .equals(69.9), .above(80)]
        let rules = tests.enumerated().map { Self.rule("plain\($0)", .leaf(Leaf(.metric(Self.laeq), $1))) } + [cooling] + Self.rules
        let together = Self.run(readings, rules: rules)
        var spoke = 0
        for rule in rules {
            let alone = Self.run(readings, rules: [rule])
            #expect(alone == together.filter { $0.hasPrefix("\(rule.id) ") }, "seed \(seed), \(rule.id)")
            spoke += alone.isEmpty ? 0 : 1
        }
        #expect(spoke >= rules.count - 2, "seed \(seed) tests too little")
        // Without a rule that is asked for each reading, most readings are passed by.
        let loud = rules.filter { $0.id == "plain0" || $0.id == "plain2" || $0.id == "plain5" }
        let expected = together.filter { line in loud.contains { line.hasPrefix("\($0.id) ") } }
        #expect(Self.run(readings, rules: loud) == expected, "seed \(seed)")
    }

    @Test func independentRulesAreParted() {
        func rule(_ id: String, _ inhibitors: [String] = []) -> RuleDefinition {
            var rule = Self.rule(id, .leaf(Leaf(.metric(Self.laeq), .above(66))))
            rule.inhibitedBy = inhibitors
            return rule
        }
        let rules = [rule("a"), rule("b", ["e"]), rule("c"), rule("d", ["b", "gone"]), rule("e"), rule("f")]
        #expect(RuleSet.independent(rules, parts: 2) == [[1, 3, 4], [0, 2, 5]])
        #expect(RuleSet.independent(rules, parts: 9) == [[1, 3, 4], [0], [2], [5]])
        #expect(RuleSet.independent(rules, parts: 1) == [Array(0..<6)])
        #expect(RuleSet.independent([], parts: 4) == [[]])
    }

    /// A rule of the night, and a window against the night's limit, on nights of 7, 8 and 9 hours of other zones.
    @Test(arguments: [
        ("Europe/Berlin", "2024-03-30T21:00:00+01:00", 7), ("Europe/Berlin", "2024-10-26T21:00:00+02:00", 9),
        ("Europe/Berlin", "2024-06-07T21:00:00+02:00", 8), ("America/New_York", "2024-11-02T21:00:00-04:00", 9),
        ("America/New_York", "2024-03-09T21:00:00-05:00", 7), ("Asia/Shanghai", "2024-03-30T21:00:00+08:00", 8),
    ])
    func aNightOfAnotherZone(zone: String, evening: String, hours: Int64) throws {
        var night = Self.rule("night", .leaf(Leaf(.metric(Self.laeq), .above(50))))
        let world = World(zone: try #require(LocalZone(identifier: zone)))
        night.when = world.night
        let limit = Self.rule(
            "limit", .leaf(Leaf(.window(Self.laeq, .leq, milliseconds: 600_000), .aboveLimit(standard: "gb3096", margin: 0), minimumCoverage: 0.5)))
        var run = RuleRun(rules: RuleSet([night, limit]), world: world)
        run.add(device: Device(number: 0, kind: .noise, id: "m", gateway: "g", zone: "2"))
        let start = try #require(Timestamp(rfc3339: evening))
        for minute in 0..<Int64(12 * 60) {
            var reading = Reading(kind: .noise, periodMilliseconds: 60_000)
            reading.ts = start + minute * 60_000
            // Under the day's 60 dB and over the night's 50.
            reading.set(NoiseValue.laeq, 55)
            run.take(reading, clock: reading.ts)
        }
        let lines = run.alerts.map { fired in
            "\(fired.last.rule) \((fired.last.startedAt - start) / 60_000) \(fired.resolvedAt.map { ($0 - start) / 60_000 } ?? -1)"
        }
        // From 22:00, an hour after the start. The window begins anew with the night and with the day, and asks for five
        // minutes of each.
        #expect(lines.sorted() == ["0 60 \(60 + hours * 60)", "1 64 \(60 + hours * 60 + 4)"], "\(zone) \(evening)")
    }

    /// Raising a level never loses an alert: every moment that an alert of `above` covered is covered still.
    @Test(arguments: UInt64(1)...20)
    func louderIsNeverQuieter(seed: UInt64) {
        var dice = Dice(state: seed)
        let readings = Self.recording(&dice, devices: 2)
        let louder = readings.map { ($0.device, $0.at, $0.level + Double(dice.roll(3))) }
        let rules = Self.rules.filter { ["level", "window", "peak", "keep"].contains($0.id) }
        func spans(_ lines: [String]) -> [(key: String, from: Int64, until: Int64)] {
            lines.map { line in
                let parts = line.split(separator: " ")
                return ("\(parts[0]) \(parts[1])", Int64(parts[3])!, Int64(parts[4]) ?? .max)
            }
        }
        let before = spans(Self.run(readings, rules: rules)), after = spans(Self.run(louder, rules: rules))
        for span in before {
            let isCovered = after.contains { $0.key == span.key && $0.from <= span.from && span.until <= $0.until }
            #expect(isCovered, "seed \(seed): \(span)")
        }
    }
}
