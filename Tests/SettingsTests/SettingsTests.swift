import Foundation
import Rules
import Telemetry
import Testing

@testable import Settings

/// A folder with settings in it, gone with the object.
final class Folder {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("patrol-settings-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: url) }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        let path = url.appendingPathComponent(name).path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// Problems of `patrol.yaml`, with the folder's path taken off.
    func problems(_ text: String, _ environment: [String: String] = [:]) throws -> [String] {
        let path = try write("patrol.yaml", text)
        do throws(Problems) {
            _ = try Settings.load(path: path, environment: environment)
            return []
        } catch {
            return error.all.map { $0.description.replacing(url.path + "/", with: "") }
        }
    }

    /// A small one of each file that says where and when.
    func writeWorld() throws {
        let square = "{\"type\": \"Polygon\", \"coordinates\": [[[120, 30], [120.1, 30], [120.1, 30.1], [120, 30.1], [120, 30]]]}"
        func collection(_ features: [(properties: String, geometry: String)]) -> String {
            let list = features.map { "{\"type\": \"Feature\", \"properties\": {\($0.properties)}, \"geometry\": \($0.geometry)}" }
            return "{\"type\": \"FeatureCollection\", \"features\": [\n\(list.joined(separator: ",\n"))\n]}\n"
        }
        try write(
            "areas.geojson",
            collection([
                ("\"code\": 330110, \"name\": \"余杭区\", \"level\": \"district\"", "null"),
                ("\"code\": \"330110012\", \"name\": \"仓前街道\", \"level\": \"镇街\", \"parent\": \"330110\"", square),
            ]))
        try write(
            "sites.geojson",
            collection([
                ("\"id\": \"s1\", \"name\": \"工地\", \"kind\": \"construction\", \"area\": \"330110012000\"",
                 "{\"type\": \"Point\", \"coordinates\": [120.05, 30.05]}")
            ]))
        try write("fences.geojson", collection([("\"id\": \"f1\", \"kind\": \"yard\", \"speed_limit_kmh\": 20", square)]))
        try write("permits.csv", "site,from,until,what\ns1,2024-06-07 22:00,2024-06-08 06:00,emergency-repair\n")
        try write("units.csv", "id,kind,areas,shift,capabilities\nu1,car,330110012;330110,night,noise;traffic\n")
        try write(
            "limits.yaml", "standards:\n  - { id: own, limits: [{ zone: 2, day: 60, night: 50, certainty: published }] }\n")
        try write(
            "calendar.yaml", "calendars:\n  - { id: exams, periods: [{ from: 2024-06-07 09:00, until: 2024-06-07 11:30 }] }\n")
        try write(
            "one.ics",
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20240607\r\nSUMMARY:exam\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
    }

    func load(_ text: String, _ environment: [String: String] = [:]) throws -> Settings {
        try Settings.load(path: write("patrol.yaml", text), environment: environment)
    }
}

private let smallest = "broker: { url: mqtt://127.0.0.1:1883 }\nstore: { path: a.db }\n"

struct SettingsTests {
    private func days(_ ages: Retention.Ages) -> [Int64?] {
        [ages.rawMilliseconds, ages.historyMilliseconds, ages.minuteMilliseconds].map { $0.map { $0 / 86_400_000 } }
    }

    @Test func theSmallestFileIsEnough() throws {
        let folder = try Folder()
        let settings = try folder.load(smallest)
        #expect(settings.storePath == folder.url.path + "/a.db")
        #expect(settings.listenPort == 8080 && settings.timezone == "Asia/Shanghai" && settings.topicRoot == "patrol/v1")
        let (month, year): (Int64, Int64) = (30 * 86_400_000, 365 * 86_400_000)
        let ages = Retention.Ages(rawMilliseconds: month, historyMilliseconds: year, minuteMilliseconds: year)
        #expect(settings.retention == Retention(ages) && settings.walCapBytes == 256 << 20)
    }

    @Test func aKindMayHaveAgesOfItsOwn() throws {
        let folder = try Folder()
        let settings = try folder.load(smallest + """

            retention: { raw: 40d, minutes: 100d, noise_compact: off, vehicle_raw: 7d, vehicle_minutes: 8d, bodycam_raw: off }
            """)
        #expect(days(settings.retention[.noise]) == [40, nil, 100])
        #expect(days(settings.retention[.vehicle]) == [7, 365, 8])
        #expect(days(settings.retention[.bodycam]) == [nil, 365, 100])
        for (wrong, words) in [
            ("minutes: 20d", "retention.minutes must not be shorter than retention.raw"),
            ("minutes: 60d, noise_raw: 70d", "retention.minutes must not be shorter than retention.noise_raw"),
            ("vehicle_raw: 9d, vehicle_minutes: 8d", "retention.vehicle_minutes must not be shorter than retention.vehicle_raw"),
            ("bodycam_minutes: 90d", "bodycam_minutes"),
        ] {
            let problems = #expect(throws: Problems.self) { try folder.load(smallest + "\nretention: { \(wrong) }") }
            #expect(problems?.description.contains(words) == true, "\(wrong): \(problems?.description ?? "")")
        }
    }

    @Test func everythingWrongIsToldAtOnceAndAtItsPlace() throws {
        let folder = try Folder()
        try folder.write("devices.csv", "id,kind,lat\nm1,noise,200\nm1,nois,30\n\"m2,noise,\n")
        try folder.write("rules.yaml", "rules:\n  - { id: a, on: noise, condition: { metric: laeq, above: 70 }, severity: loud }\n")
        let problems = try folder.problems(
            """
            broker:
              url: http://x
              keep_alive: soon
              pasword_file: p
              url: mqtt://y:99999
            stor: { path: a.db }
            store: [a]
            http: { listen: "127.0.0.1:70000" }
            timezone: Asia/Hangzhou
            topic_root: patrol/#
            devices: devices.csv
            units: none.csv
            areas: .
            rules: [rules.yaml, &x none.yaml]
            ingest: { qos0_when_full: dropp, future_allowance: -1s }
            retention: { raw: 30 }
            engine: { clock: moon }
            """)
        #expect(
            problems == [
                "patrol.yaml:5:3: the key 'url' stands in line 2 already",
                "patrol.yaml:14:21: anchors and aliases ('&', '*') are not read; write the value out",
                "patrol.yaml:6:1: unknown key 'stor' in the settings; did you mean 'store'?",
                "patrol.yaml:4:3: unknown key 'pasword_file' in broker; did you mean 'password_file'?",
                "patrol.yaml:7:8: store is a mapping of path, wal_cap_mb, reject_rows",
                "patrol.yaml:1:1: the settings need store: { path: … }",
                "patrol.yaml:2:8: broker.url is mqtt://host:port or mqtts://host:port with a port from 1 to 65535, not 'http://x'",
                "patrol.yaml:3:15: broker.keep_alive is a whole number from 5 to 65535, not 'soon'",
                "patrol.yaml:8:17: http.listen is address:port with a port from 1 to 65535, not '127.0.0.1:70000'",
                "patrol.yaml:9:11: no time zone is called 'Asia/Hangzhou'; write for example Asia/Shanghai",
                "patrol.yaml:10:13: topic_root is levels such as patrol/v1, without '+' and '#', not 'patrol/#'",
                "patrol.yaml:15:27: ingest.qos0_when_full is one of wait, drop, not 'dropp'; did you mean 'drop'?",
                "patrol.yaml:15:52: ingest.future_allowance is a duration such as 30s, 10m or 1h, not '-1s'",
                "patrol.yaml:16:19: retention.raw is a duration such as 30s, 10m or 1h, not '30'",
                "patrol.yaml:17:18: engine.clock is one of wall, readings, not 'moon'",
                "patrol.yaml:13:8: areas: . is a folder, not a file",
                "patrol.yaml:12:8: units: there is no file none.csv",
                "devices.csv:4:1: this quote is never closed",
                "devices.csv:4:1: 1 cells where the header has 3",
                "devices.csv:2:10: lat is a number of degrees up to 90.0, not '200'",
                "devices.csv:3:4: kind is one of noise, vehicle, bodycam",
                "none.yaml:1:1: there is no such file or folder of rules",
                "rules.yaml:2:75: severity is one of info, warning, critical, not 'loud'",
            ])
    }

    /// Each key with a value unlike its default, and where it is seen.
    private static let values: [String: String] = [
        "PATROL_TIMEZONE": "Europe/Tallinn", "PATROL_TOPIC_ROOT": "city/v2", "PATROL_DEVICES": "devices.csv",
        "PATROL_UNKNOWN_DEVICES": "register", "PATROL_UNITS": "units.csv", "PATROL_AREAS": "areas.geojson",
        "PATROL_SITES": "sites.geojson", "PATROL_FENCES": "fences.geojson", "PATROL_RULES": "one.yaml,two.yaml",
        "PATROL_CALENDARS": "one.ics,calendar.yaml", "PATROL_PERMITS": "permits.csv", "PATROL_LIMITS": "limits.yaml", "PATROL_BACKFILL_ALLOWANCE": "1h", "PATROL_RELOAD_ON_CHANGE": "true", "PATROL_BROKER_URL": "mqtts://b:8883",
        "PATROL_BROKER_CLIENT_ID": "p9", "PATROL_BROKER_KEEP_ALIVE": "30", "PATROL_BROKER_USERNAME": "u",
        "PATROL_BROKER_PASSWORD_FILE": "secret", "PATROL_BROKER_CA": "empty", "PATROL_BROKER_CERT": "empty",
        "PATROL_BROKER_KEY": "empty", "PATROL_STORE_PATH": "b.db", "PATROL_STORE_WAL_CAP_MB": "8", "PATROL_STORE_REJECT_ROWS": "5000",
        "PATROL_HTTP_LISTEN": "[::1]:9", "PATROL_INGEST_QOS0_WHEN_FULL": "drop", "PATROL_INGEST_FUTURE_ALLOWANCE": "5s",
        "PATROL_RETENTION_RAW": "off", "PATROL_RETENTION_COMPACT": "90d", "PATROL_RETENTION_MINUTES": "off", "PATROL_RETENTION_EVENTS": "7d", 
        "PATROL_RETENTION_NOISE_RAW": "60d", "PATROL_RETENTION_NOISE_COMPACT": "91d", "PATROL_RETENTION_NOISE_MINUTES": "92d",
        "PATROL_RETENTION_VEHICLE_RAW": "3d", "PATROL_RETENTION_VEHICLE_COMPACT": "off", "PATROL_RETENTION_VEHICLE_MINUTES": "93d",
        "PATROL_RETENTION_BODYCAM_RAW": "94d", "PATROL_RETENTION_BODYCAM_COMPACT": "95d", "PATROL_ENGINE_CLOCK": "readings",
        "PATROL_ROLLUPS_MIN_COVERAGE": "0.5", "PATROL_ROLLUPS_DAY_STARTS": "07:30", "PATROL_ROLLUPS_NIGHT_STARTS": "23:00",
        "PATROL_ROLLUPS_LDEN_DAY_STARTS": "06:00", "PATROL_ROLLUPS_LDEN_EVENING_STARTS": "18:00",
        "PATROL_ROLLUPS_LDEN_NIGHT_STARTS": "24:00", "PATROL_DISPATCH": "dispatch.yaml", "PATROL_MATTERS": "matters.yaml",
    ]

    @Test func everyKeyCanBeSetByTheEnvironment() throws {
        let folder = try Folder()
        try folder.write("devices.csv", "id,kind\nm1,noise\n")
        try folder.write("empty", "")
        try folder.write("secret", "s3cret\n")
        try folder.write("dispatch.yaml", "mode: manual\n")
        try folder.write("matters.yaml", "matters: [{ code: dust, name: Dust }]\n")
        try folder.writeWorld()
        for name in ["one", "two"] {
            try folder.write(
                name + ".yaml", "rules:\n  - { id: \(name), on: noise, condition: { metric: laeq, above: 70 }, severity: info }\n")
        }
        let all = Settings.keys.flatMap { section in section.names.map { Settings.variable(section.section, $0) } }
        #expect(Set(all) == Set(Self.values.keys))
        let settings = try folder.load(smallest, Self.values)
        #expect(settings.timezone == "Europe/Tallinn" && settings.topicRoot == "city/v2")
        #expect(settings.devices?.map(\.id) == ["m1"] && settings.registersUnknownDevices)
        #expect(settings.rules.map(\.id) == ["one", "two"])
        #expect(settings.dispatch.mode == .manual && Array(settings.dispatch.matters.keys) == ["dust"])
        #expect(settings.backfillAllowanceMilliseconds == 3_600_000 && settings.reloadsOnChange)
        #expect(Set(["/two.yaml", "/one.ics", "/fences.geojson", "/patrol.yaml"].map { folder.url.path + $0 }).isSubset(of: settings.files))
        #expect(settings.broker.url == "mqtts://b:8883" && settings.broker.clientID == "p9")
        #expect(settings.broker.keepAliveSeconds == 30 && settings.broker.username == "u" && settings.broker.password == "s3cret")
        let file = folder.url.path + "/empty"
        #expect(settings.broker.ca == file && settings.broker.certificate == file && settings.broker.key == file)
        #expect(settings.storePath == folder.url.path + "/b.db" && settings.walCapBytes == 8 << 20)
        #expect(settings.rejectRows == 5000 && settings.dispatch.mode.rawValue == "manual")
        #expect(settings.listenHost == "::1" && settings.listenPort == 9)
        #expect(settings.qos0WhenFull == .drop && settings.futureAllowanceMilliseconds == 5000)
        let week: Int64? = 604_800_000
        #expect(settings.eventRetentionMilliseconds == week)
        #expect(settings.clock == .readings)
        #expect(days(settings.retention[.noise]) == [60, 91, 92])
        #expect(days(settings.retention[.vehicle]) == [3, nil, 93])
        #expect(days(settings.retention[.bodycam]) == [94, 95, nil])
        let world = settings.world
        #expect(world.zone.identifier == "Europe/Tallinn" && world.areas.areas.map(\.code) == ["330110", "330110012"])
        #expect(world.sites.all.map(\.id) == ["s1"] && world.fences.all.map(\.id) == ["f1"])
        #expect(world.calendars.map(\.id) == ["one", "exams"] && world.permits.all.map(\.site) == ["s1"])
        #expect(world.limits["gb3096"] == nil && world.limits["own"]?.limit(zone: "2")?.nightDecibels == 50)
        #expect(world.units.map(\.id) == ["u1"])
        #expect(settings.rollups.minimumCoverage == 0.5 && settings.rollups.dayStarts == 27_000_000)
        #expect(settings.rollups.nightStarts == 82_800_000 && settings.rollups.ldenNightStarts == 86_400_000)
    }

    @Test func timesOfDayAreInOrder() throws {
        let folder = try Folder()
        let problems = try folder.problems(
            smallest + "rollups: { min_coverage: 80, day_starts: 6, night_starts: \"05:00\", lden_day_starts: \"20:00\" }\n")
        #expect(problems.allSatisfy { $0.hasPrefix("patrol.yaml:3:") })
        #expect(
            problems.map { $0.split(separator: " ", maxSplits: 1)[1] } == [
                "rollups.min_coverage is a part from 0 to 1, for example 0.75, not '80'",
                "rollups.day_starts is a time of day such as 06:00, not '6'",
                "rollups.day_starts must lie before night_starts",
                "rollups: lden_day_starts, lden_evening_starts and lden_night_starts follow one another",
            ])
    }

    @Test func aWrongVariableIsToldByItsName() throws {
        let folder = try Folder()
        let problems = try folder.problems(
            smallest,
            ["PATROL_HTTP_LISTEN": "here", "PATROL_STORE_PAHT": "x", "PATROL_TIMEZONE": "", "PATROL_DATA": "not ours", "PATROL_UNITS": "no"])
        #expect(
            problems == [
                "PATROL_HTTP_LISTEN:1:1: http.listen is address:port with a port from 1 to 65535, not 'here'",
                "PATROL_UNITS:1:1: units: there is no file no",
                "PATROL_STORE_PAHT:1:1: no setting has this environment variable; did you mean 'PATROL_STORE_PATH'?",
            ])
    }

    @Test func thePasswordOfTheEnvironmentGoesFirst() throws {
        let folder = try Folder()
        try folder.write("secret", "file\n")
        let text = "broker: { url: mqtt://b, username: u, password_file: secret }\nstore: { path: a.db }\n"
        #expect(try folder.load(text).broker.password == "file")
        #expect(try folder.load(text, ["PATROL_BROKER_PASSWORD": "environment"]).broker.password == "environment")
        #expect(
            try folder.problems("broker: { url: mqtt://b, password: x }\nstore: { path: a.db }\n")
                == ["patrol.yaml:1:26: unknown key 'password' in broker; did you mean 'password_file'?"])
    }

    @Test func aKeyThreeTimesIsToldTwice() throws {
        let problems = try Folder().problems("\(smallest)timezone: UTC\ntimezone: UTC\nhttp: { listen: \"a:1\", listen: \"a:2\" }\ntimezone: UTC\n")
        #expect(
            problems.sorted() == [
                "patrol.yaml:4:1: the key 'timezone' stands in line 3 already",
                "patrol.yaml:5:24: the key 'listen' stands in line 5 already",
                "patrol.yaml:6:1: the key 'timezone' stands in line 3 already",
            ])
    }

    @Test func anIDOfTwoRuleFilesIsToldWithBothPlaces() throws {
        let folder = try Folder()
        let rule = "rules:\n  - { id: a, on: noise, condition: { metric: laeq, above: 70 }, severity: info }\n"
        try folder.write("1.yaml", rule)
        try folder.write("2.yaml", rule)
        #expect(
            try folder.problems(smallest + "rules: [1.yaml, 2.yaml]\n")
                == ["2.yaml:2:11: the id 'a' is taken by the rule at \(folder.url.path)/1.yaml:2:11"]
                || folder.problems(smallest + "rules: [1.yaml, 2.yaml]\n")
                    == ["2.yaml:2:11: the id 'a' is taken by the rule at 1.yaml:2:11"])
    }

    @Test(arguments: [
        ("", "patrol.yaml:1:1: the file is empty"), ("a: [\n", "patrol.yaml:2:1: not YAML: "),
        ("broker: {url: mqtt://b}\n\tstore: 1\n", "patrol.yaml:2:1: not YAML: "),
    ])
    func whatIsNoYAMLIsToldAtItsPlace(text: String, beginning: String) throws {
        let problems = try Folder().problems(text)
        #expect(problems.count == 1 && problems[0].hasPrefix(beginning), "\(problems)")
    }
}

struct DevicesFileTests {
    private func problems(_ text: String) -> [String] { DevicesFile.parse(text, path: "d.csv").problems.map(\.description) }

    @Test func cellsAsSpreadsheetsWriteThem() {
        let file = DevicesFile.parse(
            "\u{FEFF}id,kind,name\r\nm1,noise,\"工地, \"\"一\"\"号\"\r\nm2,bodycam,\r\n", path: "d.csv")
        let devices = file.value
        #expect(file.problems.isEmpty)
        #expect(devices.map(\.id) == ["m1", "m2"] && devices[0].name == "工地, \"一\"号" && devices[1].name == nil)
    }

    @Test func strictAboutTheRest() {
        #expect(problems("id,kind,id\n") == ["d.csv:1:9: the column 'id' stands in the header twice"])
        #expect(problems("id,kind\nm\"1,noise\n").first == "d.csv:2:2: a '\"' inside a cell: put the cell in quotes and write it twice")
        #expect(problems("id,kind\n\"m1\"x,noise\n").first == "d.csv:2:5: a cell goes on behind its closing quote")
        #expect(problems("id,kind\nm1,noise\nm2,noise\nm1,noise\n") == ["d.csv:4:1: the device stands in line 2 already"])
        #expect(problems("") == ["d.csv:1:1: the file is empty"])
        #expect(problems("id,knd\n").first == "d.csv:1:4: unknown column 'knd'; did you mean 'kind'?")
    }
}
