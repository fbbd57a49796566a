import Dispatching
import Foundation
import Telemetry
import Testing

@testable import Settings

@Suite struct MattersFileTests {
    private func load(_ text: String) throws -> (matters: [Matter], problems: [String]) {
        let areas = try AreaTree([
            Area(code: "330110", name: "余杭区", level: .district), Area(code: "330110012", name: "仓前", level: .town, parent: "330110"),
        ])
        let loaded = MattersFile.load(path: "matters.yaml", text: text, areas: areas, zone: LocalZone(identifier: "Asia/Shanghai")!)
        return (loaded.value, loaded.problems.map(\.description))
    }

    @Test func theDeliveredDistrictIsWell() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Deploy/district").path
        let settings = try Settings.load(path: folder + "/patrol.yaml", environment: [:])
        #expect(settings.dispatch.matters.keys.sorted() == 
            ["exam-noise", "gas-safety", "heritage-check", "noise-check", "officer-help", "park-check", "river-check"])
        #expect(settings.dispatch.matters["gas-safety"]?.isJoint == true)
        #expect(settings.dispatch.kind("noise-check").feedback == .noise && settings.dispatch.kind("river-check").feedback == .general)
        #expect(Set(settings.rules.compactMap(\.taskKind)).isSubset(of: settings.dispatch.matters.keys))
        let noise = settings.dispatch.matters["noise-check"]!
        func entitled(_ area: String, _ time: String) -> Set<String>? {
            noise.entitled(in: area, at: Timestamp(rfc3339: time)!, areas: settings.world.areas)
        }
        #expect(entitled("330110012901", "2022-06-30T23:59:59+08:00") == ["enforcement", "ecology"])
        #expect(entitled("330110012901", "2022-07-01T00:00:00+08:00") == ["enforcement", "ecology", "canqian"])
        #expect(entitled("330110005", "2024-06-07T22:00:00+08:00") == ["enforcement", "ecology"])
        #expect(entitled("unknown", "2024-06-07T22:00:00+08:00") == [])
        #expect(settings.world.units.map(\.officers) == [2, 2, 2] && settings.world.units[2].authority == ["canqian", "enforcement"])
    }

    @Test func everythingWrongIsSaidAtItsPlace() throws {
        let (_, problems) = try load(
            """
            departments:
              - { id: a, name: A }
              - { id: a }
              - { name: B }
            matters:
              - code: noise
                name: { en: Noise, zh: 噪声 }
                law: { clause: 1 }
                departments: [a, enforcment]
                officers: 0
                feedback: words
                joint: maybe
                authority: [{ area: "330111", since: yesterday }, { departments: [a] }, { area: "330110", departments: [z] }]
              - { code: noise, name: x, colour: red }
              - { code: lone, name: x, joint: true, departments: [a], authority: no }
              - { code: free, name: x, authority: [{ area: "330110" }] }
              - { name: nameless }
              - { code: "a/b" }
            """)
        for words in [
            "matters.yaml:3:11: the department 'a' stands here twice", "matters.yaml:4:5: a department needs the key 'id'",
            "matters.yaml:8:10: law needs the key 'name'", "matters.yaml:9:22: no department has the id 'enforcment'", "officers is a whole number from 1 to 50",
            "feedback is one of general, noise", "joint is one of true, false", "no area has the code '330111'; did you mean '330110'?",
            "since is a time such as", "a grant needs the key 'area'", "no department has the id 'z'", "matters.yaml:14:5: the matter 'noise' stands here twice",
            "unknown key 'colour' in a matter", "a joint matter has two departments at least", "'authority' is a list",
            "the matter names none", "a matter needs the key 'code'", "a code has 1 to 64 bytes", "the matter 'a/b' needs the key 'name'",
        ] {
            #expect(problems.contains { $0.contains(words) }, "\(words) is not among \(problems)")
        }
    }

    @Test func aGrantIsOfTheMattersOwnDepartments() throws {
        let (_, problems) = try load(
            """
            departments: [{ id: a, name: A }, { id: b, name: B }]
            matters: [{ code: x, name: x, departments: [a], authority: [{ area: "330110", departments: [b] }] }]
            """)
        #expect(problems.count == 1 && problems[0].contains("the department 'b' is not one of the matter 'x'"))
    }

    @Test func anOfficerIsInOneUnit() {
        let loaded = UnitsFile.load(path: "units.csv", text: "id,kind,officer\nu1,car,李强\nu2,foot,李强\n", areas: nil, devices: nil, limits: .delivered)
        #expect(loaded.problems.map(\.description) == ["units.csv:3:9: the officer '李强' is that of u1 already"])
    }

    @Test func aUnitsOfficersAreANumber() {
        let loaded = UnitsFile.load(
            path: "units.csv", text: "id,kind,officers\nu1,car,2\nu2,car,none\nu3,car,0\nu1,car,2\n", areas: nil, devices: nil, limits: .delivered)
        #expect(loaded.problems.map(\.description) == [
            "units.csv:3:8: officers is a number from 1 to 500, not 'none'", "units.csv:4:8: officers is a number from 1 to 500, not '0'",
            "units.csv:5:1: the id 'u1' is taken by the unit at units.csv:2",
        ])
    }
}
