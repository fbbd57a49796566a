import Dispatching
import Foundation
import Telemetry
import Testing

@testable import Settings

@Suite struct DispatchFileTests {
    private func parse(_ text: String) -> (settings: DispatchSettings, problems: [String]) {
        let (settings, problems) = DispatchFile.parse(text, path: "dispatch.yaml")
        return (settings, problems.map(\.description))
    }

    @Test func theDeliveredFileIsWellAndSaysTheDefaults() {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Deploy/district/dispatch.yaml").path
        var world = World(zone: .utc)
        let calendars = URL(fileURLWithPath: path).deletingLastPathComponent().appendingPathComponent("calendars").path
        world.calendars = CalendarFile.load(paths: [calendars], zone: .utc, night: world.limits.night).value
        let (settings, problems) = DispatchFile.load(path: path, areas: nil, world: world)
        #expect(problems.map(\.description) == [])
        var expected = DispatchSettings()
        expected.escalation = settings.escalation
        expected.receivers = settings.receivers
        expected.kinds = settings.kinds
        expected.priority = settings.priority
        #expect(settings == expected)
        var kind = DispatchSettings.Kind()
        (kind.feedback, kind.capabilities) = (.noise, ["noise"])
        #expect(settings.kinds == ["noise-check": kind])
        #expect(settings.escalation.count == 3 && settings.receivers.count == 2)
        #expect(settings.priority.map(\.nearKind) == ["exam", nil] && settings.priority[1].siteKinds == ["school", "hospital"])
    }

    @Test func everyKeyIsTaken() {
        let (settings, problems) = parse(
            """
            mode: proposal
            units: { acknowledge_within: 20s, look_again_after: 1m, fix_age: 90s, accuracy_m: 50, widen: false, camera_age: 2m, fair_within_m: 200, fair_within_s: 30, ties: order, travel: { speeds: [{ kind: foot, kmh: 5 }] } }
            clocks: { dispose: { within: 20m, warn: 0s, from: on_scene, until: closed } }
            leads: { join_within: 20m, join_m: 50, site_m: 10 }
            priority: [{ kinds: [parking], areas: ["330110012"], sites: [market], near: school, within_m: 80, when: { hours: 06:00-22:00 } }]
            escalation: [{ after: 2m, unless: on_scene, tell: town }]
            receivers: [{ name: x, level: grid, area: "330110012", shift: "20:00-08:00" }]
            kinds:
              parking: { clocks: { respond: { within: 5m } }, check: true, reopen_within: 10m, still_firing_after: 1m, pauses_while_suspended: true, capabilities: [tow] }
            """)
        #expect(problems == [])
        #expect(settings.mode == .proposal && settings.unitAcknowledgeMilliseconds == 20_000 && settings.lookAgainMilliseconds == 60_000)
        #expect(settings.fixAgeMilliseconds == 90_000 && settings.accuracyMetres == 50 && !settings.widens)
        #expect(settings.otherKinds.dispose == .init(start: .onScene, stop: .closed, limitMilliseconds: 1_200_000, warnMilliseconds: 0))
        let parking = settings.kind("parking")
        #expect(parking.respond.limitMilliseconds == 300_000 && parking.dispose.stop == .closed, "the rest as for all kinds")
        #expect(parking.needsCheck && parking.reopenMilliseconds == 600_000 && parking.stillFiringMilliseconds == 60_000 && parking.pausesWhileSuspended)
        #expect(parking.capabilities == ["tow"])
        #expect(settings.joinMilliseconds == 1_200_000 && settings.joinMetres == 50 && settings.siteMetres == 10)
        #expect(settings.cameraAgeMilliseconds == 120_000 && settings.fairMetres == 200 && settings.fairSeconds == 30 && settings.tie == .order)
        #expect(settings.travel?.speeds == [.init(kind: "foot", kilometresPerHour: 5)])
        var line = DispatchSettings.PriorityLine()
        (line.kinds, line.areas, line.siteKinds, line.nearKind, line.nearMetres) = (["parking"], ["330110012"], ["market"], "school", 80)
        line.when = .hours(DayHours(hours: [HourRange("06:00-22:00")!]))
        #expect(settings.priority == [line])
        #expect(settings.escalation == [.init(afterMilliseconds: 120_000, unless: .onScene, level: .town)])
        #expect(settings.receivers[0].shift?.text == "20:00-08:00")
    }

    @Test func priorityIsChecked() throws {
        var world = World(zone: .utc)
        world.sites = Sites([Site(id: "s", name: "s", kind: "exam", place: .point(Position(latitude: 30, longitude: 120)))])
        let areas = try AreaTree([Area(code: "330110", name: "余杭区", level: .district)])
        let (settings, problems) = DispatchFile.parse(
            """
            priority:
              - { near: exams }
              - { areas: ["330111"], when: { calendar: gaokao } }
              - { within_m: 0 }
              - {}
              - { near: exam }
            """, path: "dispatch.yaml", areas: areas, world: world)
        let texts = problems.map(\.description)
        for words in [
            "dispatch.yaml:2:13: no site is of the kind 'exams'; did you mean 'exam'?", "no area has the code '330111'", "gaokao",
            "within_m is a number of metres from 1 to 50000", "'within_m' goes with 'near'", "a line of 'priority' says which tasks",
        ] { #expect(texts.contains { $0.contains(words) }, "\(words) is not among \(texts)") }
        #expect(settings.priority.last?.nearKind == "exam")
    }

    @Test func travelIsChecked() throws {
        let areas = try AreaTree([Area(code: "330110", name: "余杭区", level: .district)])
        let (_, problems) = DispatchFile.parse(
            """
            leads: { join_m: -1 }
            units:
              ties: oldest
              fair_within_m: -5
              travel: { speeds: [{ area: "330111", kmh: 20 }, { kind: car }, { kmh: 0 }], table: none.csv }
            """, path: "dispatch.yaml", areas: areas)
        let texts = problems.map(\.description)
        for words in [
            "join_m is a number of metres from 0 to 10000", "ties is one of idle, order", "fair_within_m is a number from 0",
            "no area has the code '330111'", "a speed needs the key 'kmh'", "kmh is a number from 1 to 300", "none.csv",
        ] { #expect(texts.contains { $0.contains(words) }, "\(words) is not among \(texts)") }
        #expect(parse("units: { travel: { speeds: [{ area: x, kmh: 5 }] } }").problems.first?.contains("needs the settings' 'areas'") == true)
        let table = TravelFile.load(
            path: "t.csv", text: "from,to,seconds\n330110,330110,60\n330110,330110,70\n330199,330110,5\n330110,,5\n330110,330110,soon\n", areas: areas)
        #expect(table.problems.map(\.description) == [
            "t.csv:3:8: the way from 330110 to 330110 stands here twice", "t.csv:4:1: no area has the code '330199'; did you mean '330110'?",
            "t.csv:5:1: the cell 'to' is empty", "t.csv:6:15: seconds is a number from 1 to 86400, not 'soon'",
        ])
    }

    @Test func everythingWrongIsSaidAtItsPlace() {
        let (_, problems) = parse(
            """
            mode: auto
            units: { fix_age: soon, accuracy_m: -1, widen: maybe, look_again_after: 0s, nearest: 5 }
            clocks:
              respond: { within: 0s }
              dispose: { within: 1m, warn: 2m, from: on_scene, until: assigned }
            escalation:
              - { after: 5m, unless: acknowledged, tell: town }
              - { after: 1m, unless: suspended, tell: moon }
            receivers: [{ level: town, shift: always }]
            kinds: [noise-check]
            """)
        for words in [
            "dispatch.yaml:1:7: mode is one of automatic, proposal, manual", "dispatch.yaml:2:19: fix_age is a duration",
            "accuracy_m is a number of metres over 0", "widen is one of true, false", "look_again_after is at least 1s",
            "unknown key 'nearest'", "dispatch.yaml:4:22: 'within' is more than 0", "'warn' is how long before",
            "would stop ('until: assigned') before it starts", "unless is one of", "tell is one of city, district, town, village, grid",
            "a receiver needs the key 'name'", "'kinds' is a mapping",
        ] {
            #expect(problems.contains { $0.contains(words) }, "\(words) is not among \(problems)")
        }
    }
}
