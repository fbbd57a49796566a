import Telemetry
import Testing

@testable import Rules

/// Vehicles in fences, counted: those that are there, different ones within a time, and how often one came in.
@Suite struct GroupCountTests {
    private static let start = Timestamp(milliseconds: PropertyTests.start)

    private static func world() throws -> World {
        func square(_ id: String, west: Double) throws -> Fence {
            let corners = [(0.0, 0.0), (0.1, 0.0), (0.1, 0.1), (0.0, 0.1)].map { Position(latitude: 30 + $0.1, longitude: west + $0.0) }
            return Fence(id: id, name: id, kind: "yard", shape: try Shape(polygons: [try Polygon(rings: [corners])]))
        }
        var world = World(zone: .utc)
        world.fences = Fences([try square("a", west: 120), try square("b", west: 120.1)])
        return world
    }

    private static func rule(_ relation: FenceLeaf.Relation, _ group: RuleDefinition.Group, keep: Int64 = 0) -> RuleDefinition {
        var rule = RuleDefinition(
            id: "r", titleEnglish: "r", titleChinese: "r", kind: .vehicle,
            condition: .leaf(Leaf(.fence(FenceLeaf(relation, ["kind:yard"], debounceMilliseconds: 0, accuracyMetres: 50)), .holds)),
            holdMilliseconds: 0, severity: .info, taskKind: nil)
        rule.group = group
        rule.keepFiringMilliseconds = keep
        return rule
    }

    /// Fixes (second, vehicle, place) with `a` and `b` in the middle of a fence, `o` outside; for each alert its subject,
    /// start, fire and end in seconds, value, and vehicles.
    private static func run(_ rule: RuleDefinition, _ fixes: [(Int64, UInt32, Character)], until: Int64 = 1000, restarts: Bool = false) throws -> [String] {
        let world = try world()
        var run = RuleRun(rules: RuleSet([rule]), world: world)
        for device in 0..<8 { run.add(device: Device(number: UInt32(device), kind: .vehicle, id: "v\(device)", gateway: "g")) }
        for (second, vehicle, place) in fixes {
            var reading = Reading(kind: .vehicle, periodMilliseconds: 1000)
            reading.device = vehicle
            reading.ts = start + second * 1000
            reading.set(VehicleValue.lat, place == "o" ? 31 : 30.05)
            reading.set(VehicleValue.lon, place == "b" ? 120.15 : 120.05)
            run.take(reading, clock: reading.ts)
        }
        run.advance(to: start + until * 1000)
        return run.alerts.map { fired in
            func after(_ moment: Timestamp?) -> String { moment.map { "\(($0 - start) / 1000)" } ?? "-" }
            return "\(fired.last.subject ?? "") \(after(fired.last.startedAt)) \(after(fired.last.firedAt)) \(after(fired.resolvedAt)) "
                + "\(fired.last.value) \(fired.last.devices)"
        }
    }

    @Test func vehiclesThatAreThere() throws {
        let lines = try Self.run(
            Self.rule(.inside, .init(by: .fence, atLeast: 2)),
            [(0, 0, "a"), (10, 1, "b"), (20, 2, "a"), (30, 3, "a"), (40, 0, "o"), (50, 2, "b"), (60, 3, "o")])
        // Two in a at 20 s, three at 30 s; at 50 s one of them has gone over into b, without an end of its own.
        #expect(lines == ["fence/a 20 21 60 3.0 [0, 2, 3]"])
    }

    @Test func differentOnesWithinATime() throws {
        let lines = try Self.run(
            Self.rule(.inside, .init(by: .rule, atLeast: 3), keep: 60_000),
            [(0, 0, "a"), (5, 0, "o"), (20, 1, "b"), (25, 1, "o"), (30, 1, "b"), (35, 1, "o"), (40, 2, "a"), (45, 2, "o"), (66, 3, "o")])
        // Vehicle 1 counts once; vehicle 0 is a minute ago at 65 s.
        #expect(lines == ["rule/r 40 41 65 3.0 [0, 1, 2]"])
    }

    @Test func howOftenOneCameIn() throws {
        let fixes: [(Int64, UInt32, Character)] = [
            (0, 0, "o"), (0, 1, "o"), (10, 0, "a"), (15, 0, "o"), (20, 0, "a"), (25, 1, "a"), (28, 0, "o"), (30, 0, "b"), (32, 0, "o"),
            (40, 1, "o"), (45, 1, "a"), (500, 2, "o"),
        ]
        // Entries into a, known at 11, 21, 26 and 46 s: three within 30 s until 41 s, and again with the last.
        let lines = try Self.run(Self.rule(.entered, .init(by: .fence, atLeast: 3, withinMilliseconds: 30_000)), fixes)
        #expect(lines == ["fence/a 11 26 41 3.0 [0, 1]", "fence/a 21 46 51 3.0 [0, 1]"])
        let all = try Self.run(Self.rule(.entered, .init(by: .rule, atLeast: 4, withinMilliseconds: 30_000)), fixes)
        #expect(all == ["rule/r 11 31 41 4.0 [0, 1]", "rule/r 21 46 51 4.0 [0, 1]"])
        let left = try Self.run(Self.rule(.left, .init(by: .fence, atLeast: 2, withinMilliseconds: 20_000)), fixes)
        #expect(left == ["fence/a 16 29 36 2.0 [0]", "fence/a 29 41 49 2.0 [0, 1]"])
    }

    /// The state as bytes and back, after each fix, with the timers that stand.
    @Test func aRestartAfterEachFix() throws {
        let rule = Self.rule(.entered, .init(by: .fence, atLeast: 3, withinMilliseconds: 30_000))
        let world = try Self.world()
        func engine() -> AlertEngine {
            let engine = AlertEngine(rules: RuleSet([rule]), world: world)
            for device in 0..<3 { engine.add(device: Device(number: UInt32(device), kind: .vehicle, id: "v\(device)", gateway: "g")) }
            return engine
        }
        func lines(restarts: Bool) -> [String] {
            var now = engine()
            var before = [Evaluated](repeating: Evaluated(), count: 3)
            var lines: [String] = []
            func gather() {
                now.drain(
                    vanished: { _ in },
                    transitions: { lines.append("\($0.state) \($0.startedAt - Self.start) \($0.value) \($0.resolvedAt.map { $0 - Self.start } ?? 0)") },
                    open: { _ in })
            }
            var dice = PropertyTests.Dice(state: 7)
            for second in 0..<200 {
                var reading = Reading(kind: .vehicle, periodMilliseconds: 1000)
                reading.device = UInt32(dice.roll(3))
                reading.ts = Self.start + Int64(second) * 2500
                reading.set(VehicleValue.lat, dice.roll(2) == 0 ? 31 : 30.05)
                reading.set(VehicleValue.lon, 120.05)
                unsafe now.evaluate(reading, text: nil, before: before[Int(reading.device)], clock: reading.ts)
                before[Int(reading.device)].advance(reading)
                gather()
                guard restarts else { continue }
                let next = engine()
                next.advance(to: now.now)
                next.restore(shared: now.sharedState)
                now.drainStates { _, page in next.restore(page: page) }
                next.forgetChanges()
                now = next
            }
            return lines
        }
        let undisturbed = lines(restarts: false)
        #expect(undisturbed.count > 6)
        #expect(lines(restarts: true) == undisturbed)
    }
}
