import Telemetry
import Testing

@testable import Dispatching

/// The choice against the plainest search there is, wherever on earth.
@Suite struct UnitIndexTests {
    private struct Dice {
        var state: UInt64
        mutating func roll(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        mutating func part() -> Double { Double(roll(1_000_001)) / 1_000_000 }
    }

    /// Middles of districts: 余杭, both poles, the 180th meridian, the equator, an edge between cubes.
    private static let middles: [(lat: Double, lon: Double)] = [
        (30.27, 119.99), (90, 0), (-89.99, 77), (10, 179.999), (-45, -180), (0, 0), (0.0001, 90),
    ]

    private func board(_ middle: (lat: Double, lon: Double), count: Int, spread: Double, _ dice: inout Dice) -> UnitBoard {
        let units = (0..<count).map {
            ResponseUnit(id: "u\($0)", kind: ["car", "foot"][dice.roll(2)], capabilities: dice.roll(3) == 0 ? ["noise"] : [])
        }
        let board = UnitBoard(units, zone: .utc)
        for number in 0..<count where dice.roll(20) > 0 {
            let lat = max(-90, min(90, middle.lat + (dice.part() - 0.5) * spread))
            var lon = middle.lon + (dice.part() - 0.5) * spread * (abs(lat) > 80 ? 360 : 1)
            if lon > 180 { lon -= 360 } else if lon < -180 { lon += 360 }
            // Some stand on the very same spot.
            let spot = dice.roll(10) == 0 ? Position(latitude: middle.lat, longitude: middle.lon) : Position(latitude: lat, longitude: lon)
            board.moved(number, to: UnitBoard.Fix(at: start + -Int64(dice.roll(140)) * 1000, position: spot, accuracyMetres: nil))
            if dice.roll(3) == 0 { board.occupy("u\(number)", with: "t", at: start + -Int64(dice.roll(100_000))) }
            if dice.roll(6) == 0 { board.free("u\(number)", of: "t") }
        }
        return board
    }

    private func check(_ board: UnitBoard, _ demand: UnitDemand, cost: (Int, Double) -> Double, reach: Double, _ note: String) {
        let choice = board.choose(demand, at: start)
        let position = demand.position!
        let all = board.units.indices.compactMap { number in board.state(number).fix.map { (number, position.metres(to: $0.position)) } }
            .sorted { ($0.1, $0.0) < ($1.1, $1.0) }
        #expect(choice.candidates.prefix(all.count).map(\.unit) == all.prefix(UnitChoice.kept).map { "u\($0.0)" }, "\(note)")
        let able = all.filter { entry in
            let state = board.state(entry.0)
            return state.task == nil && demand.capabilities.isSubset(of: Set(board.units[entry.0].capabilities)) && start - state.fix!.at <= 120_000
        }.map { (number: $0.0, cost: cost($0.0, $0.1)) }
        let least = able.map(\.cost).min() ?? .infinity
        let best = able.filter { $0.cost <= least + reach }.min {
            (board.state($0.number).lastSentAt?.milliseconds ?? .min, $0.number) < (board.state($1.number).lastSentAt?.milliseconds ?? .min, $1.number)
        }
        #expect(choice.chosen == best.map { "u\($0.number)" }, "\(note)")
        #expect(choice.counts.reduce(0, +) == board.units.count && choice.counts[0] == able.count, "\(note)")
    }

    @Test(arguments: middles.indices)
    func theChoiceIsThatOfBruteForce(middle: Int) {
        var dice = Dice(state: UInt64(middle + 1))
        for (count, spread) in [(3, 0.01), (60, 0.02), (300, 0.3), (300, 5), (1500, 0.05), (1500, 0.4)] {
            let place = Self.middles[middle]
            let board = board(place, count: count, spread: spread, &dice)
            for round in 0..<6 {
                var demand = UnitDemand(
                    position: Position(latitude: max(-90, min(90, place.lat + (dice.part() - 0.5) * spread)), longitude: place.lon), area: "x")
                if round % 2 == 1 { demand.capabilities = ["noise"] }
                demand.fairMetres = [0, 1, 800, 1, 1, 30_000][round]
                check(board, demand, cost: { $1 }, reach: demand.fairMetres, "\(place) \(count) units over \(spread)°, round \(round)")
                // Somebody moves on, over an edge perhaps.
                for _ in 0..<20 {
                    let number = dice.roll(count)
                    guard let fix = board.state(number).fix else { continue }
                    board.moved(number, to: UnitBoard.Fix(
                        at: start, position: Position(latitude: max(-90, min(90, fix.position.latitude + 0.01)), longitude: fix.position.longitude), accuracyMetres: nil))
                }
            }
        }
    }

    @Test func bySpeedTheQuickestGoes() {
        var dice = Dice(state: 77)
        var settings = DispatchSettings()
        var travel = Travel()
        travel.speeds = [.init(kind: "foot", kilometresPerHour: 5), .init(kilometresPerHour: 36)]
        settings.travel = travel
        for count in [50, 1500] {
            let board = board((30.27, 119.99), count: count, spread: 0.3, &dice)
            _ = Dispatcher(settings: settings, units: board)
            for _ in 0..<10 {
                let demand = UnitDemand(position: Position(latitude: 30.2 + dice.part() / 5, longitude: 119.9 + dice.part() / 5), area: "x")
                check(board, demand, cost: { number, metres in metres * 3.6 / (board.units[number].kind == "foot" ? 5 : 36) }, reach: 1, "\(count)")
            }
        }
    }

    private func square(_ lat: Double, _ lon: Double) throws -> Shape {
        let corners = [(0.0, 0.0), (0, 0.1), (0.1, 0.1), (0.1, 0)].map { Position(latitude: lat + $0, longitude: lon + $1) }
        return try Shape(polygons: [Polygon(rings: [corners])])
    }

    @Test func aRouterKnowsTheRiverBetween() throws {
        let areas = try AreaTree([
            Area(code: "330110", name: "", level: .district), Area(code: "330110001", name: "", level: .town, parent: "330110", shape: try square(30, 120)),
            Area(code: "330110002", name: "", level: .town, parent: "330110", shape: try square(30, 120.1)),
            Area(code: "330110002001", name: "", level: .village, parent: "330110002", shape: try square(30, 120.1)),
            Area(code: "330110003", name: "", level: .town, parent: "330110", shape: try square(30.1, 120)),
        ])
        let units = ["far", "across", "lost"].map { ResponseUnit(id: $0, kind: "car") }
        let board = UnitBoard(units, zone: .utc, areas: areas)
        for (number, spot) in [(30.11, 120.09), (30.05, 120.101), (31, 121)].enumerated() {
            board.moved(number, to: UnitBoard.Fix(at: start, position: Position(latitude: spot.0, longitude: spot.1), accuracyMetres: nil))
        }
        let demand = UnitDemand(position: Position(latitude: 30.05, longitude: 120.099), area: "330110001")
        #expect(board.choose(demand, at: start).chosen == "across", "200 m as the crow flies")
        var settings = DispatchSettings()
        var travel = Travel()
        travel.seconds = ["330110002": ["330110001": 1500], "330110003": ["330110001": 600]]
        settings.travel = travel
        _ = Dispatcher(settings: settings, units: board)
        let choice = board.choose(demand, at: start)
        #expect(choice.chosen == "far" && choice.seconds == 600)
        #expect(choice.candidates.map(\.unit) == ["across", "far", "lost"], "the explanation goes by distance")
    }

    @Test func tiesAreSettled() {
        let units = ["a", "b"].map { ResponseUnit(id: $0, kind: "car") }
        let board = UnitBoard(units, zone: .utc)
        for (number, metres) in [150.0, 100].enumerated() {
            board.moved(number, to: UnitBoard.Fix(at: start, position: Position(latitude: 30 + metres / 110_850, longitude: 120), accuracyMetres: nil))
        }
        board.occupy("b", with: "t", at: start)
        board.free("b", of: "t")
        var demand = UnitDemand(position: Position(latitude: 30, longitude: 120), area: "x")
        #expect(board.choose(demand, at: start).chosen == "b")
        demand.fairMetres = 60
        #expect(board.choose(demand, at: start).chosen == "a", "never sent, and hardly farther")
        board.occupy("a", with: "t", at: start + 1)
        board.free("a", of: "t")
        #expect(board.choose(demand, at: start).chosen == "b")
        var settings = DispatchSettings()
        settings.tie = .order
        _ = Dispatcher(settings: settings, units: board)
        #expect(board.choose(demand, at: start).chosen == "a")
    }
}
