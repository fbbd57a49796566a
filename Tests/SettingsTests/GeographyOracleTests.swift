import Foundation
import Testing

@testable import Settings
@testable import Telemetry

@Suite(.enabled(if: Oracle.isThere, "python3-shapely and python3-geographiclib are not installed"))
struct GeographyOracleTests {
    /// The numbers of the features that hold each point are those that shapely says; a place exactly on an edge is left to
    /// the rule.
    private func compare(_ path: String, seed: Int, count: Int, datum: String? = nil) throws {
        let file = GeoJSONFile(path: path, what: "a shape", properties: [], allowsPoints: false)
        try #require(file.problems.isEmpty, "\(file.problems)")
        var shapes: [Shape] = []
        var numbers: [Int] = []
        for (number, feature) in file.features.enumerated() {
            if case .area(let shape) = feature.place {
                shapes.append(shape)
                numbers.append(number)
            }
        }
        let index = ShapeIndex(shapes)
        let lines = try Oracle.answer("shapes.py", ["points", "\(seed)", "\(count)", path] + (datum.map { [$0] } ?? []))
        #expect(lines.count == count)
        var inside = 0
        for line in lines {
            let place = FixedPosition(x: try #require(Int32(line[0])), y: try #require(Int32(line[1])))
            var found: [Int] = []
            index.forEach(at: place) { found.append(numbers[$0]) }
            let expected = line.dropFirst(2).compactMap { Int($0) }
            let either = line.dropFirst(2).filter { $0.hasPrefix("?") }.compactMap { Int($0.dropFirst()) }
            if found.filter({ !either.contains($0) }) != expected { Issue.record("\(path) at \(place): \(found), shapely \(expected)") }
            let first = index.first(at: place)
            #expect((first < 0 ? nil : numbers[first]) == found.first)
            if !found.isEmpty { inside += 1 }
        }
        #expect(inside > count / 20)
    }

    @Test func pointsAmongRandomFences() throws {
        let folder = try Folder()
        let path = folder.url.appendingPathComponent("fences.geojson").path
        _ = try Oracle.answer("shapes.py", ["make", "7", "300", path])
        try compare(path, seed: 7, count: 100_000)
    }

    @Test(arguments: ["areas", "fences"]) func pointsInTheExampleDistrict(name: String) throws {
        try compare(Oracle.district.appendingPathComponent("\(name).geojson").path, seed: 11, count: 20_000)
    }

    @Test(.enabled(if: Oracle.hasData, "the recordings are not there")) func pointsInTheTwelveStreets() throws {
        try compare(Oracle.data.appendingPathComponent("yuhang_streets_12.geojson").path, seed: 12, count: 100_000)
    }

    /// The district file is in GCJ-02; it is read as such when it says so.
    @Test(.enabled(if: Oracle.hasData, "the recordings are not there")) func pointsInTheConvertedDistrict() throws {
        let folder = try Folder()
        for name in ["yuhang_330110_district", "hangzhou_330100_districts_after2021"] {
            let text = try String(contentsOf: Oracle.data.appendingPathComponent("\(name).geojson"), encoding: .utf8)
            let brace = try #require(text.firstIndex(of: "{"))
            let path = try folder.write("\(name).geojson", "{\"datum\": \"GCJ-02\"," + text[text.index(after: brace)...])
            try compare(path, seed: 330_110, count: 20_000, datum: "GCJ-02")
        }
    }

    /// A ring is refused exactly where shapely calls the polygon invalid.
    @Test func ringsThatCross() throws {
        var accepted = 0
        let lines = try Oracle.answer("shapes.py", ["rings", "3", "20000"])
        for line in lines {
            let numbers = line.compactMap { Double($0) }
            let ring = stride(from: 1, to: numbers.count, by: 2).map { Position(latitude: numbers[$0 + 1], longitude: numbers[$0]) }
            let isSimple = (try? Polygon(rings: [ring])) != nil
            if isSimple != (numbers[0] == 1) { Issue.record("\(line.joined(separator: " ")): accepted \(isSimple)") }
            if isSimple { accepted += 1 }
        }
        #expect(accepted > lines.count / 20 && accepted < lines.count)
    }

    @Test func distances() throws {
        var (worst, worstFar, worstNear, worstNearby) = (0.0, 0.0, 0.0, 0.0)
        for line in try Oracle.answer("shapes.py", ["distances", "5", "20000"]) {
            let numbers = line.compactMap { Double($0) }
            let (a, b) = (Position(latitude: numbers[0], longitude: numbers[1]), Position(latitude: numbers[2], longitude: numbers[3]))
            let metres = numbers[4]
            // Below a metre the figures themselves are rounded to some micrometres.
            func error(_ value: Double) -> Double { max(0, abs(value - metres) - 1e-6) / metres * 1000 }
            if metres <= 15e6 { worst = max(worst, error(a.metres(to: b))) } else { worstFar = max(worstFar, error(a.metres(to: b))) }
            if metres <= 1e5 && abs(a.latitude) <= 70 && abs(b.latitude) <= 70 {
                worstNearby = max(worstNearby, error(a.metresNearby(to: b)))
                if metres <= 1e4 { worstNear = max(worstNear, error(a.metresNearby(to: b))) }
            }
        }
        // Metres a kilometre, as the documentation says.
        #expect(worst < 0.05 && worstFar < 6, "\(worst) \(worstFar)")
        #expect(worstNearby < 0.5 && worstNear < 0.01, "\(worstNearby) \(worstNear)")
    }
}
