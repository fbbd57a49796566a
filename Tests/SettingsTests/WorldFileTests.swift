import Foundation
import Testing

@testable import Settings
@testable import Telemetry

private let shanghai = LocalZone(identifier: "Asia/Shanghai")!

private func at(_ text: String) -> Timestamp { LocalTimeText.moment(text, zone: shanghai, isEnd: false)! }

/// A GeoJSON file of features, one a line from line 3 on.
private func collection(_ features: String..., head: String = "") -> String {
    "{\"type\": \"FeatureCollection\", \(head)\n\"features\": [\n\(features.joined(separator: ",\n"))\n]}\n"
}

private func feature(_ properties: String, _ geometry: String = "null") -> String {
    "{\"type\": \"Feature\", \"properties\": {\(properties)}, \"geometry\": \(geometry)}"
}

private func polygon(_ rings: String) -> String { "{\"type\": \"Polygon\", \"coordinates\": \(rings)}" }

private let square = polygon("[[[120, 30], [120.1, 30], [120.1, 30.1], [120, 30.1], [120, 30]]]")

struct PlaceFileTests {
    @Test func everythingWrongWithAreas() {
        let file = AreasFile.load(
            path: "a.geojson",
            text: collection(
                feature("\"code\": \"330110\", \"name\": \"余杭区\", \"level\": \"district\", \"parent\": \"330100\""),
                feature("\"code\": \"330110010\", \"nmae\": \"良渚\", \"level\": \"twn\", \"parent\": \"330110\""),
                feature("\"code\": \"330110011\", \"name\": \"a\", \"level\": \"town\", \"parent\": \"330110012\""),
                feature("\"code\": \"330110012\", \"name\": \"b\", \"level\": \"town\", \"parent\": \"330110011\""),
                feature("\"code\": \"330110011000\", \"name\": \"c\", \"level\": \"town\""),
                feature("\"code\": \"330110013\", \"name\": \"d\", \"level\": \"village\", \"parent\": \"33011\"")))
        #expect(
            file.problems.map(\.description) == [
                "a.geojson:4:57: unknown property 'nmae' of an area; did you mean 'name'?",
                "a.geojson:4:35: an area needs the property 'name'",
                "a.geojson:4:80: level is one of city, district, town, village, grid, not 'twn'; did you mean 'town'?",
                "a.geojson:7:35: a town needs the property 'parent', the code of the area above it",
                "a.geojson:3:100: no area has the code '330100' (leave 'parent' out at the top); did you mean '330110'?",
                "a.geojson:5:97: the area '330110011' lies below itself: its parents lead back to it",
                "a.geojson:6:97: the area '330110012' lies below itself: its parents lead back to it",
                "a.geojson:7:44: the code '330110011000' is taken by the area at a.geojson:5:44",
                "a.geojson:8:100: no area has the code '33011' (leave 'parent' out at the top); did you mean '330110'?",
            ])
        #expect(file.value.isEmpty)
    }

    @Test func everythingWrongWithFences() {
        let fence = "\"id\": \"f\", \"kind\": \"yard\""
        let bow = polygon("[[[120, 30], [120.1, 30.1], [120.1, 30], [120, 30.1], [120, 30]]]")
        let pacific = polygon("[[[179, 30], [-179, 30], [-179, 31], [179, 31], [179, 30]]]")
        let swapped = polygon("[[[30, 120], [30, 121], [31, 121], [30, 120]]]")
        let file = FencesFile.load(
            path: "f.geojson",
            text: collection(
                feature(fence, bow), feature(fence, pacific), feature("\"id\": \"e\", \"kind\": \"yard\""),
                feature("\"id\": \"g\", \"kind\": \"yard\"", polygon("[]")), feature("\"id\": \"h\", \"kind\": \"yard\"", swapped),
                feature("\"id\": \"i/j\", \"kind\": \"yard\", \"speed_limit_kmh\": \"20\"", square),
                feature("\"id\": \"k\"", "{\"type\": \"LineString\", \"coordinates\": [[1, 2], [3, 4]]}"),
                feature("\"id\": \"l\", \"kind\": \"yard\"", "{\"type\": \"MultiPolygon\", \"coordinates\": []}"),
                feature("\"id\": \"m\", \"kind\": \"yard\"", polygon("[[[120, \"30\"], [1, 2]]]"))))
        #expect(
            file.problems.map { $0.description.prefix(400) } == [
                "f.geojson:3:113: the ring crosses or touches itself at longitude 120.05, latitude 30.05: its edges from corner 1 and from corner 3",
                "f.geojson:4:124: an edge at longitude -179.0, latitude 30.0 crosses the antimeridian (180°): cut the shape in two there, a polygon each side (RFC 7946 §3.1.9)",
                "f.geojson:6:111: the shape is empty: it has no corner, so that nothing is ever inside",
                "f.geojson:7:113: latitude 120.0 is over 90: longitude stands first in GeoJSON",
                "f.geojson:9:60: the geometry of a fence is Polygon or MultiPolygon with coordinates, not 'LineString'",
                "f.geojson:10:116: the shape is empty: it has no corner, so that nothing is ever inside",
                "f.geojson:11:113: a position is [longitude, latitude]",
                "f.geojson:4:42: the id 'f' is taken by the fence at f.geojson:3:42",
                "f.geojson:5:35: the fence is empty: it has no geometry, so that nothing is ever inside",
                "f.geojson:8:42: an id has 1 to 64 bytes without control characters, quotes, / + #",
                "f.geojson:8:84: speed_limit_kmh is a number over 0 and up to 500",
                "f.geojson:9:35: a fence needs the property 'kind'",
            ])
    }

    @Test func sitesAreCheckedAgainstAreas() throws {
        let areas = AreasFile.load(
            path: "a.geojson", text: collection(feature("\"code\": \"330110\", \"name\": \"余杭区\", \"level\": \"区\"", square)))
        #expect(areas.problems.isEmpty)
        let file = SitesFile.load(
            path: "s.geojson",
            text: collection(
                feature("\"id\": \"s1\", \"kind\": \"exam\", \"area\": \"330119\"", "{\"type\": \"Point\", \"coordinates\": [120, 30, 12]}"),
                feature("\"id\": \"s2\", \"kind\": \"exam\", \"area\": 330110", square), feature("\"id\": \"s3\", \"kind\": \"exam\"")),
            areas: areas.value)
        #expect(
            file.problems.map(\.description) == [
                "s.geojson:3:72: no area has the code '330119'; did you mean '330110'?",
                "s.geojson:5:35: the site has no geometry: a Point or a Polygon",
            ])
        #expect(file.value["s1"]?.place == .point(Position(latitude: 30, longitude: 120)) && file.value.kinds == ["exam"])
        let (index, sites) = file.value.near(kind: "exam", metres: 500)
        #expect(sites.map(\.id) == ["s1", "s2"] && index.first(at: Position(latitude: 30.104, longitude: 120.05)) == 1)
    }

    @Test func gcj02IsConvertedWhereDeclared() throws {
        let point = "{\"type\": \"Point\", \"coordinates\": [119.994657, 30.267513]}"
        let text = collection(feature("\"id\": \"s\", \"kind\": \"exam\"", point), head: "\"datum\": \"GCJ-02\",")
        guard case .point(let place)? = SitesFile.load(path: "s", text: text, areas: nil).value["s"]?.place else {
            Issue.record("no point")
            return
        }
        #expect(abs(place.latitude - 30.27) < 1e-6 && abs(place.longitude - 119.99) < 1e-6)
        let problems = SitesFile.load(path: "s", text: collection(head: "\"datum\": \"GCJ02\", \"crs\": {},"), areas: nil).problems
        #expect(
            problems.map(\.description) == [
                "s:1:56: 'crs' is not read (RFC 7946 has none): write \"datum\": \"WGS-84\" or \"GCJ-02\" instead",
                "s:1:40: datum is one of WGS-84, GCJ-02, not 'GCJ02'; did you mean 'GCJ-02'?",
            ])
    }

    @Test(arguments: [
        ("", "x:1:1: not JSON: the document ends where a value should stand"), ("[1, 2", "x:1:6: not JSON: the document ends before ']'"),
        ("{\"a\": 1,\n \"a\": 2}", "x:2:2: the key 'a' stands in its object twice"), ("{\"a\" 1}", "x:1:6: not JSON: ':' is missing here"),
        ("[01]", "x:1:2: not JSON: a number begins with 0"), ("[1e999]", "x:1:2: the number is too large"),
        ("[\"\\ud800\"]", "x:1:9: not JSON: half of a surrogate pair"), ("[tru]", "x:1:2: not JSON: no value begins so"),
        ("{} {}", "x:1:4: something stands behind the end of the document"), ("[\"a", "x:1:2: not JSON: this quote is never closed"),
        ("[]", "x:1:1: the file is a GeoJSON FeatureCollection: { \"type\": \"FeatureCollection\", \"features\": [ … ] }"),
        (String(repeating: "[", count: 5000), "x:1:33: nested deeper than 32"),
    ])
    func whatIsNoGeoJSON(text: String, problem: String) {
        #expect(FencesFile.load(path: "x", text: text).problems.map(\.description) == [problem])
    }

    @Test func jsonTexts() throws {
        let node = try JSONReader.read("\u{FEFF}{\"a\\u00e9\\n\\\"\": [\"\\ud83d\\ude94\", -1.5e2, true, null]}")
        guard case .object(let members) = node.value, case .array(let values) = members[0].value.value else {
            Issue.record("no object")
            return
        }
        #expect(members[0].key == "aé\n\"" && values[0].text == "🚔" && values[1].text == "-150" && values[3].isNull)
    }

    /// A fuzz of a kind: whatever is cut off or swapped, a problem is told and nothing traps.
    @Test(arguments: 0..<4) func brokenFiles(part: Int) {
        let whole = Array(
            collection(
                feature("\"id\": \"f\", \"kind\": \"yard\", \"speed_limit_kmh\": 20", square),
                feature("\"id\": \"g\", \"kind\": \"yard\"", "{\"type\": \"MultiPolygon\", \"coordinates\": [[[[1,2],[3,4],[3,2]]]]}")
            ).utf8)
        #expect(FencesFile.load(path: "x", text: String(decoding: whole, as: UTF8.self)).problems.isEmpty)
        for index in stride(from: part, to: whole.count - 1, by: 4) {
            #expect(!FencesFile.load(path: "x", text: String(decoding: whole[..<index], as: UTF8.self)).problems.isEmpty)
            for byte in Array("{}[]\",:0-x".utf8) {
                var broken = whole
                broken[index] = byte
                _ = FencesFile.load(path: "x", text: String(decoding: broken, as: UTF8.self))
            }
        }
    }
}

struct TableFileTests {
    private var sites: Sites { Sites([Site(id: "s1", name: "a", kind: "exam", place: .point(Position(latitude: 30, longitude: 120)))]) }

    @Test func permits() {
        let file = PermitsFile.load(
            path: "p.csv",
            text: """
                site,from,until,what
                s1,2024-06-07 22:00,2024-06-08,emergency-repair
                s1,2024-06-07T14:00:00Z,2024-06-08T06:00:00+08:00,night-work
                s2,2024-06-08 06:00,2024-06-07 22:00,
                s1,2024-06-31,yesterday,pour
                """, sites: sites, zone: shanghai)
        #expect(
            file.problems.map(\.description) == [
                "p.csv:4:1: no site has the id 's2'; did you mean 's1'?",
                "p.csv:4:1: the cell 'what' is empty",
                "p.csv:4:21: the permit ends before it begins",
                "p.csv:5:4: from is a time such as 2024-06-07 22:00 or a date, not '2024-06-31'",
                "p.csv:5:15: until is a time such as 2024-06-07 22:00 or a date, not 'yesterday'",
            ])
        #expect(file.value.all.map(\.from) == [at("2024-06-07 22:00"), at("2024-06-07 22:00")])
        #expect(file.value.all.map(\.until) == [at("2024-06-09"), at("2024-06-08 06:00")])
    }

    @Test func units() throws {
        let areas = try AreaTree([Area(code: "330110", name: "余杭区", level: .district)])
        let devices = [DeviceRecord(kind: .vehicle, id: "car-1", gateway: ""), DeviceRecord(kind: .noise, id: "m1", gateway: "")]
        let file = UnitsFile.load(
            path: "u.csv",
            text: """
                id,kind,device,areas,shift,capabilities
                u1,car,car-1,330110 ; 330110000000,night,noise; traffic
                u2,foot,m1,330111,nigth,
                u1,foot,car-1,,22:30-06:30,noise
                u3,,,,24:00-25:00,
                """, areas: areas, devices: devices, limits: .delivered)
        #expect(
            file.problems.map(\.description) == [
                "u.csv:3:9: no vehicle or body camera has the id 'm1'; known: car-1",
                "u.csv:3:12: no area has the code '330111'; did you mean '330110'?",
                "u.csv:3:19: shift is day, night or hours such as 08:00-20:00, not 'nigth'",
                "u.csv:4:1: the id 'u1' is taken by the unit at u.csv:2",
                "u.csv:4:9: the device 'car-1' is that of u1 already",
                "u.csv:5:1: the cell 'kind' is empty",
                "u.csv:5:7: shift is day, night or hours such as 08:00-20:00, not '24:00-25:00'",
            ])
        #expect(file.value.count == 1 && file.value[0].shift == .night && file.value[0].capabilities == ["noise", "traffic"])
        #expect(file.value[0].areas == ["330110", "330110000000"])
    }

    @Test func devicesNameWhatThereIs() throws {
        let known = DevicesFile.Known(
            areas: try AreaTree([Area(code: "330110", name: "余杭区", level: .district)]), sites: sites, zones: NoiseLimits.delivered.zones)
        let file = DevicesFile.parse("id,kind,area,site,zone\nm1,noise,330119,s9,5\nm2,noise,330110000000,s1,4a\n", path: "d.csv", known: known)
        #expect(
            file.problems.map(\.description) == [
                "d.csv:2:10: no area has the code '330119'; did you mean '330110'?",
                "d.csv:2:17: no site has the id 's9'; did you mean 's1'?",
                "d.csv:2:20: no limit names the zone '5'; known: 0, 1, 2, 3, 4a, 4b",
            ])
        #expect(file.value.map(\.id) == ["m2"])
    }

    @Test func limits() throws {
        let path = Oracle.district.appendingPathComponent("limits.yaml").path
        let delivered = LimitsFile.load(path: path)
        #expect(delivered.problems.isEmpty && delivered.value == .delivered)
        let file = LimitsFile.load(
            path: "l.yaml",
            text: """
                day: { hours: 22:00-06:00, certainty: publishd }
                standards:
                  - { id: a, limits: [{ zone: 1, day: 700, night: 50 }, { zone: 1, day: 60 }, { day: 60, night: 50, nigt: 3 }] }
                  - { id: a, limits: [] }
                  - { name: b, night_lmax_excess: { value: loud } }
                  - { id: c, night_lmax_excess: { value: 15 } }
                """)
        #expect(
            file.problems.map(\.description) == [
                "l.yaml:1:15: day.hours is hours of one day such as 06:00-22:00, not '22:00-06:00'; the rest is night",
                "l.yaml:1:39: certainty is one of published, unverified, not 'publishd'; did you mean 'published'?",
                "l.yaml:3:39: day is a level from 20 to 120 dB(A), not 700.0",
                "l.yaml:3:57: the key 'night' is missing, a level in dB(A)",
                "l.yaml:3:101: unknown key 'nigt' in a limit; did you mean 'night'?",
                "l.yaml:4:11: the id 'a' is taken by the standard at l.yaml:3:11",
                "l.yaml:5:5: a standard needs the key 'id'",
                "l.yaml:6:5: a standard needs 'limits', a list of { zone, day, night, certainty }",
            ])
    }

    /// Nothing of a file is read beyond what is allowed.
    @Test(arguments: ["devices", "areas", "fences", "limits", "calendars", "permits", "units"]) func aFileOfFiftyMegabytes(key: String) throws {
        let folder = try Folder()
        let name = key == "calendars" ? "big.ics" : "big.yaml"
        let path = try folder.write(name, "id,kind\n")
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.truncate(atOffset: 50 << 20)
        try handle.close()
        let problems = try folder.problems("broker: { url: mqtt://b }\nstore: { path: a.db }\n\(key): \(key == "calendars" ? "[\(name)]" : name)\n")
        #expect(problems.count == 1 && problems[0].hasPrefix("\(name):1:1: the file has 52428800 bytes; "), "\(problems)")
    }

    /// Nine levels of nine aliases would be 400 million values.
    @Test func aBombOfAliases() throws {
        var text = "day: &a0 { hours: x }\n"
        for level in 1...30 { text += "k\(level): &a\(level) [\(Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", "))]\n" }
        let problems = LimitsFile.load(path: "l.yaml", text: text).problems
        #expect(problems.contains { $0.message.hasPrefix("anchors and aliases") })
    }
}
