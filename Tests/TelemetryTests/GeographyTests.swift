import Testing

@testable import Telemetry

/// Rings written in whole degrees, longitude first as in a map.
private func polygon(_ rings: [[(Double, Double)]]) throws(ShapeFault) -> Polygon {
    try Polygon(rings: rings.map { $0.map { Position(latitude: $0.1, longitude: $0.0) } })
}

private func fault(_ rings: [[(Double, Double)]]) -> ShapeFault? {
    do throws(ShapeFault) {
        _ = try polygon(rings)
        return nil
    } catch { return error }
}

private func at(_ x: Double, _ y: Double) -> FixedPosition { FixedPosition(Position(latitude: y, longitude: x))! }

private let square = [(0.0, 0.0), (4, 0), (4, 4), (0, 4), (0, 0)]

struct PolygonTests {
    @Test func southAndWestBelongToIt() throws {
        let area = try polygon([square, [(1, 1), (3, 1), (3, 3), (1, 3)]])
        #expect(area.rings[0].count == 4)
        #expect(area.holds(at(0, 0)) && area.holds(at(0, 2)) && area.holds(at(2, 0)) && area.holds(at(0.5, 3.5)))
        #expect(!area.holds(at(4, 4)) && !area.holds(at(4, 2)) && !area.holds(at(2, 4)) && !area.holds(at(5, 2)))
        // A hole gives away what it would hold.
        #expect(!area.holds(at(2, 2)) && !area.holds(at(1, 1)) && !area.holds(at(1, 2)) && area.holds(at(3, 2)) && area.holds(at(2, 3)))
    }

    /// A plane cut into triangles around a corner, with corners of one on the edges of others: each place has one owner.
    @Test func ofNeighboursExactlyOneHoldsAPlace() throws {
        let triangles = try [
            [(0, 0), (4, 0), (2, 2)], [(4, 0), (4, 4), (2, 2)], [(4, 4), (0, 4), (2, 2)], [(0, 4), (0, 2), (2, 2)],
            [(0, 2), (0, 0), (1, 1)], [(0, 2), (1, 1), (2, 2)],
        ].map { try polygon([$0]) }
        let index = ShapeIndex(try triangles.map { try Shape(polygons: [$0]) })
        for x in 0..<40 {
            for y in 0..<40 {
                let place = at(Double(x) / 10, Double(y) / 10)
                #expect(triangles.count { $0.holds(place) } == 1, "\(x) \(y)")
                var found: [Int] = []
                index.forEach(at: place) { found.append($0) }
                #expect(found == triangles.indices.filter { triangles[$0].holds(place) })
            }
        }
    }

    @Test func whatIsNoAreaIsRefusedWithThePlace() {
        #expect(fault([])?.kind == .empty)
        #expect(fault([[]])?.kind == .empty)
        #expect(fault([[(0, 0), (1, 1), (0, 0)]])?.kind == .tooFewCorners)
        // A bow tie.
        let bow = fault([[(0, 0), (4, 4), (4, 0), (0, 4)]])
        #expect(bow?.kind == .crosses(ring: 0, corner: 2) && bow?.corner == 0)
        #expect(bow?.at == Position(latitude: 2, longitude: 2))
        // Touches itself in a corner.
        #expect(fault([[(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)]])?.at == Position(latitude: 0, longitude: 2))
        #expect(fault([[(0, 0), (4, 0), (4, 4), (4, 6), (4, 4), (0, 4)]])?.kind == .spike)
        #expect(fault([square, [(1, 1), (6, 1), (1, 3)]])?.kind == .crosses(ring: 1, corner: 0))
        #expect(fault([square, [(6, 1), (8, 1), (7, 3)]])?.kind == .holeOutside)
        // A hole may touch the outer ring at a place.
        #expect(fault([square, [(0, 2), (2, 1), (2, 3)]]) == nil)
        #expect(fault([[(170, 0), (-170, 0), (-170, 4), (170, 4)]])?.kind == .antimeridian)
        #expect(fault([[(170, 0), (190, 0), (190, 4)]])?.kind == .outOfRange)
        #expect(fault([[(30.1, 120.1), (30.2, 120.1), (30.2, 120.2)]])?.description.contains("longitude stands first") == true)
        #expect(fault([Array(repeating: (1, 1), count: 20_001)])?.kind == .tooManyCorners(20_001))
    }

    @Test func corners() {
        // The whole globe's extent: products of differences still fit.
        let whole = fault([[(-180, -90), (0, -90), (180, -90), (180, 90), (0, 90), (-180, 90)]])
        #expect(whole == nil)
        #expect(fault([[(-90, -90), (90, -90), (90, 90), (-90, 90)]]) == nil)
        #expect(FixedPosition(Position(latitude: .nan, longitude: 0)) == nil)
        #expect(FixedPosition(Position(latitude: 0, longitude: 180.1)) == nil)
    }
}

struct ShapeIndexTests {
    @Test(arguments: 1...20) func findsWhatEachShapeHolds(seed: UInt64) throws {
        var state = seed &* 0x9E37_79B9_7F4A_7C15
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(limit))
        }
        // Rectangles with and without holes, some in two parts that overlap, on a lattice so that edges coincide.
        let shapes = try (0..<60).map { _ in
            try Shape(
                polygons: (0...random(2)).map { _ in
                    let (x, y, width, height) = (Double(random(30)), Double(random(30)), Double(3 + random(9)), Double(3 + random(9)))
                    let outer = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
                    let hole = [(x + 1, y + 1), (x + 2, y + 1), (x + 2, y + 2), (x + 1, y + 2)]
                    return try polygon(random(2) == 0 ? [outer] : [outer, hole])
                })
        }
        let index = ShapeIndex(shapes)
        for x in 0...85 {
            for y in 0...85 {
                let place = at(Double(x) / 2, Double(y) / 2)
                var found: [Int] = []
                index.forEach(at: place) { found.append($0) }
                let expected = shapes.indices.filter { shapes[$0].holds(place) }
                #expect(found == expected && index.first(at: place) == expected.first ?? -1, "seed \(seed) \(x) \(y)")
                if x == y { #expect(shapes.indices.filter { index.holds($0, place) } == expected) }
            }
        }
    }

    @Test func nothingIsInNothing() {
        let index = ShapeIndex([])
        #expect(index.first(at: at(0, 0)) == -1 && index.count == 0)
        #expect(ProximityIndex([], metres: 5).first(at: Position(latitude: 0, longitude: 0)) == -1)
    }
}

struct PositionTests {
    /// The vector of the developers' notes on GCJ-02.
    @Test func gcj02() {
        let wgs = Position(latitude: 30.27, longitude: 119.99)
        let gcj = ChinaDatum.gcj02(fromWGS84: wgs)
        #expect(abs(gcj.latitude - 30.267513) < 5e-7 && abs(gcj.longitude - 119.994657) < 5e-7)
        #expect(abs(wgs.metres(to: gcj) - 526) < 1)
        let paris = Position(latitude: 48.85, longitude: 2.35)
        #expect(ChinaDatum.gcj02(fromWGS84: paris) == paris && ChinaDatum.wgs84(fromGCJ02: paris) == paris)
        for latitude in stride(from: 18.0, to: 54, by: 1.7) {
            for longitude in stride(from: 73.5, to: 135, by: 2.3) {
                let place = Position(latitude: latitude, longitude: longitude)
                let back = ChinaDatum.wgs84(fromGCJ02: ChinaDatum.gcj02(fromWGS84: place))
                #expect(abs(back.latitude - latitude) < 1e-9 && abs(back.longitude - longitude) < 1e-9)
            }
        }
    }

    @Test func placesWithinADistance() throws {
        let school = Place.area(
            try Shape(polygons: [polygon([[(119.990, 30.270), (119.992, 30.270), (119.992, 30.272), (119.990, 30.272)]])]))
        let gate = Place.point(Position(latitude: 30.280, longitude: 119.990))
        let index = ProximityIndex([school, gate], metres: 500)
        func near(_ latitude: Double, _ longitude: Double) -> [Int] {
            var found: [Int] = []
            index.forEach(at: Position(latitude: latitude, longitude: longitude)) { found.append($0) }
            return found
        }
        #expect(near(30.271, 119.991) == [0])  // inside
        #expect(near(30.2764, 119.991) == [0, 1])  // 488 m north of the edge, 411 m from the gate
        #expect(near(30.271, 119.9973) == [])  // 510 m east of the edge
        #expect(near(30.271, 119.9971) == [0])  // 491 m
        #expect(near(30.2844, 119.990) == [1] && near(30.2846, 119.990) == [])  // 488 m, 510 m
        #expect(school.metres(from: Position(latitude: 30.271, longitude: 119.991)) == 0)
        #expect(index.first(at: Position(latitude: .nan, longitude: 0)) == -1)
    }
}

struct AreaTreeTests {
    private func area(_ code: String, _ level: Area.Level, _ parent: String? = nil, _ shape: Shape? = nil) -> Area {
        Area(code: code, name: "n\(code)", level: level, parent: parent, shape: shape)
    }

    @Test func everythingBelow() throws {
        let inner = try Shape(polygons: [polygon([[(1, 1), (2, 1), (2, 2), (1, 2)]])])
        let outer = try Shape(polygons: [polygon([square])])
        let tree = try AreaTree([
            area("330110010001", .village, "330110010000", inner), area("330110", .district, nil, outer),
            area("330110010", .town, "330110"), area("330110012", .town, "330110000000"),
            area("33011001000102", .grid, "330110010001"),
        ])
        #expect(tree.areas.map(\.code) == ["330110", "330110010", "330110010001", "33011001000102", "330110012"])
        #expect(tree.number(ofCode: "330110012000") == 4 && tree.number(ofCode: "330110013") == nil)
        #expect(tree.below(1) == 1..<4 && tree.below(0) == 0..<5)
        #expect(tree.isIn("33011001000102", "330110010000") && !tree.isIn("330110012", "330110010") && !tree.isIn("x", "330110"))
        #expect(tree.path(to: 3).map(\.code) == ["330110", "330110010", "330110010001", "33011001000102"])
        // The narrowest with a boundary.
        #expect(tree.number(at: Position(latitude: 1.5, longitude: 1.5)) == 2)
        #expect(tree.number(at: Position(latitude: 3, longitude: 3)) == 0)
        #expect(tree.number(at: Position(latitude: 5, longitude: 3)) == nil)
    }

    @Test func whatIsNoTree() throws {
        let error = try #require(throws: AreaFaults.self) {
            try AreaTree([
                area("1", .town, "2"), area("2", .town, "3"), area("3", .town, "1"), area("4", .village, "1"), area("4", .grid),
                area("5", .grid, "9"), area("6", .town, "6"),
            ])
        }
        #expect(error.all.map(\.area) == [0, 1, 2, 4, 5, 6])
        #expect(error.all.map(\.kind) == [.circle, .circle, .circle, .duplicate(of: 3), .unknownParent, .circle])
        let levels = try #require(throws: AreaFaults.self) { try AreaTree([area("1", .village), area("2", .town, "1")]) }
        #expect(levels.all.map(\.kind) == [.level(parent: .village)])
    }
}
