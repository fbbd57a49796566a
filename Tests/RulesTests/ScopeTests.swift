import Telemetry
import Testing

@testable import Rules

/// For which devices a rule holds, by each list and by all together.
@Suite struct ScopeTests {
    static func world() throws -> World {
        let corners = [(30.2, 119.9), (30.2, 120.0), (30.3, 120.0), (30.3, 119.9)].map { Position(latitude: $0.0, longitude: $0.1) }
        var world = World(zone: .utc)
        world.fences = Fences([
            Fence(id: "ruins", name: "ruins", kind: "heritage", shape: try Shape(polygons: [try Polygon(rings: [corners])]))
        ])
        world.sites = Sites([
            Site(id: "s1", name: "s1", kind: "exam", area: "330110012", place: .point(Position(latitude: 30.25, longitude: 119.95))),
            Site(id: "s2", name: "s2", kind: "construction", area: "330110013", place: .point(Position(latitude: 30.5, longitude: 119.95))),
        ])
        return world
    }

    static func device(site: String? = nil, lat: Double? = nil, lon: Double? = nil) -> Device {
        Device(number: 0, kind: .noise, id: "m", gateway: "g", site: site, zone: "2", lat: lat, lon: lon, team: "t1", tags: "roof; loud")
    }

    @Test func eachListAsksForOneOfItsOwn() throws {
        let world = try Self.world()
        func holds(_ device: Device, _ set: (inout Scope) -> Void) -> Bool {
            var scope = Scope()
            set(&scope)
            return scope.holds(for: device, in: world)
        }
        let atExam = Self.device(site: "s1"), elsewhere = Self.device(site: "s2")
        for (device, isIn) in [(atExam, true), (elsewhere, false), (Self.device(), false)] {
            #expect(holds(device) { $0.sites = ["s1", "s9"] } == isIn)
            #expect(holds(device) { $0.siteKinds = ["exam"] } == isIn)
            #expect(holds(device) { $0.areas = ["330110012"] } == isIn)
            #expect(holds(device) { $0.near = Scope.Near(siteKind: "exam", metres: 500) } == isIn)
            // The site's place, where the device has none of its own.
            #expect(holds(device) { $0.fences = ["ruins"] } == isIn)
            #expect(holds(device) { $0.fences = ["kind:heritage"] } == isIn)
        }
        #expect(holds(atExam) { ($0.tags, $0.teams, $0.zones, $0.devices) = (["loud"], ["t1"], ["2"], ["m"]) })
        #expect(!holds(atExam) { ($0.tags, $0.teams) = (["loud"], ["t2"]) }, "every list that is given")
        #expect(!holds(atExam) { $0.fences = ["kind:yard"] })
    }

    @Test func theDevicesOwnPlaceComesBeforeItsSites() throws {
        let world = try Self.world()
        var scope = Scope()
        scope.fences = ["ruins"]
        #expect(scope.holds(for: Self.device(site: "s2", lat: 30.21, lon: 119.91), in: world))
        #expect(!scope.holds(for: Self.device(site: "s1", lat: 30.31, lon: 119.91), in: world))
        // Within 500 m of an exam too, of which 30.21, 119.91 is not.
        scope.near = Scope.Near(siteKind: "exam", metres: 500)
        #expect(!scope.holds(for: Self.device(lat: 30.21, lon: 119.91), in: world))
        #expect(scope.holds(for: Self.device(lat: 30.253, lon: 119.95), in: world))
    }
}
