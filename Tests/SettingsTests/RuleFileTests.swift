import Foundation
import Rules
import Settings
import Telemetry
import Testing

/// What is wrong in a rule file is told at its place, all of it at once, and nothing is read by half.
@Suite struct RuleFileTests {
    private func problems(_ rules: String, world: World? = nil) -> [String] {
        do throws(Problems) {
            _ = try RuleFile.parse("rules:\n" + rules, path: "r.yaml", world: world)
            return []
        } catch {
            return error.all.map(\.description)
        }
    }

    private func rule(_ more: String, on kind: String = "noise") -> String {
        "  - { id: a, on: \(kind), severity: info, \(more) }\n"
    }

    @Test(arguments: [
        ("condition: { metric: laeq, abve: 70 }", "r.yaml:2:68: unknown key 'abve' in a condition; did you mean 'above'?"),
        ("condition: { above: 70 }", "r.yaml:2:52: a condition needs the key 'metric'"),
        ("condition: { metric: laeq, above: 250 }", "r.yaml:2:75: no laeq is above 250.0: it goes from -20.0 to 200.0 dB(A)"),
        ("condition: { metric: laeq, above: 70, clear_below: 71 }", "r.yaml:2:92: clear_below 71.0 is over the level 70.0: it would clear at once"),
        ("condition: { metric: laeq, window: 25h, above: 70 }", "r.yaml:2:76: a window is from 1s to 24h and slides in whole milliseconds: a multiple of 20ms"),
        ("condition: { metric: laeq, window: 1m, value: mean, above: 70 }", "r.yaml:2:87: value of a window of laeq is one of leq, max, min, l10, l90, not 'mean'"),
        ("condition: { not: { metric: laeq, above: 70, clear_below: 60 } }", "r.yaml:2:99: 'clear_below' has no meaning under 'not'"),
        ("condition: { all: [] }", "r.yaml:2:59: 'all' is a list of conditions"),
        ("condition: { all: [{ metric: laeq, above: 70, for: 3s }] }", "r.yaml:2:92: 'for' belongs to the outermost condition"),
        ("condition: { metric: laeq, limit: gb3096, clear_below: 60 }", "r.yaml:2:96: 'clear_below' belongs to 'above' and 'below'"),
        ("condition: { inside: yard }", "r.yaml:2:62: a noise meter stands still: fences are for vehicles and cameras, 'where' for meters"),
        ("condition: { absent_for: 1m }, resolve_after: 1m", "r.yaml:2:87: a rule on absence cannot resolve for want of readings"),
        ("condition: { metric: laeq, above: 70 }, escalate: [{ to: info, after: 1m }]", "r.yaml:2:98: it does not rise: the rule's severity is info"),
        ("condition: { metric: laeq, above: 70 }, group: { by: house }", "r.yaml:2:94: by is one of site, area, team, fence, rule, not 'house'"),
        ("condition: { metric: laeq, above: 70 }, group: { by: fence }", "r.yaml:2:94: a group by fence needs a condition on a fence"),
        ("condition: { metric: laeq, above: 70 }, group: { by: rule, within: 2d }", "r.yaml:2:108: within is from 1s to 24h"),
        ("condition: { metric: laeq, window: 2h, value: l90, above: 70 }", "r.yaml:2:76: a window of l90 is 1h at most"),
        ("condition: { metric: lmax, window: 1m, value: l10, above: 70 }", "r.yaml:2:87: value of a window of lmax is one of leq, max, min, not 'l10'"),
        ("condition: { metric: lmax, window: 1m, above: 70, background: m9 }", "r.yaml:2:103: 'background' belongs to a leq window of laeq"),
        ("condition: { metric: laeq, above: 70, background: m9 }", "r.yaml:2:91: 'background' has no meaning here"),
        ("text: \"{valeu} over\", condition: { metric: laeq, above: 70 }", "r.yaml:2:47: a text has no field '{valeu}'; did you mean '{value}'?"),
        ("condition: { metric: laeq, above: 70 }, latched: true, keep_firing_for: 1m", "r.yaml:2:113: 'keep_firing_for' has no meaning for a latched alert: a person ends it"),
        ("condition: { metric: laeq, above: 70 }, inhibited_by: [a]", "r.yaml:2:96: a rule cannot inhibit itself"),
        ("condition: { metric: laeq, above: 70 }, inhibited_by: [b]", "r.yaml:2:11: inhibited_by: there is no rule 'b'; did you mean 'a'?"),
        ("condition: { metric: laeq, above: 70, for: 9h }, when: { hours: 22:00-06:00 }", "r.yaml:2:52: it can never fire: 'for' is 9h, but it is awake for 480 minutes at most"),
        ("condition: { metric: laeq, above: 70 }, when: { calendar: exams }", "r.yaml:2:99: no calendar has the id 'exams'"),
    ])
    func isToldAtItsPlace(more: String, message: String) {
        let told = problems(rule(more))
        #expect(told.first?.hasPrefix(message) ?? false, "\(told)")
    }

    @Test func namesAreLookedForInTheDistrict() {
        var world = World(zone: .utc)
        world.sites = Sites([
            Site(id: "s1", name: "s1", kind: "school", place: .point(Position(latitude: 30, longitude: 120)))
        ])
        let told = problems(
            rule("condition: { metric: laeq, limit: gb3097 }, where: { sites: [s2], site_kinds: [scool], zones: [7], near: { kind: exam, within: 500 }, fences: [yrd, \"kind:parks\"] }"),
            world: world)
        #expect(told.count == 8, "\(told)")
        #expect(told.contains { $0.contains("there is no standard 'gb3097'") && $0.contains("gb3096") })
        #expect(told.contains { $0.contains("there is no site 's2'") })
        #expect(told.contains { $0.contains("there is no fence 'yrd'") } && told.contains { $0.contains("no fence is of the kind 'parks'") })
        #expect(told.contains { $0.contains("did you mean 'school'?") })
        #expect(told.contains { $0.contains("within is a distance such as 500m or 2km") })
    }

    @Test func circlesOfInhibitionAreToldOnce() {
        let rules = ["a", "b", "c"].enumerated().map { index, id in
            "  - { id: \(id), on: noise, severity: info, condition: { metric: laeq, above: 70 }, inhibited_by: [\(["b", "c", "a"][index])] }\n"
        }.joined()
        #expect(problems(rules) == ["r.yaml:2:11: rules inhibit each other in a circle: a → b → c → a"])
    }

    /// Both places are named, and the rules of both files are refused.
    @Test func twoRulesOfOneIdInTwoFiles() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("patrol-rules-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for name in ["one.yaml", "two.yaml"] {
            try Data(("rules:\n" + rule("condition: { metric: laeq, above: 70 }")).utf8).write(to: folder.appendingPathComponent(name))
        }
        do throws(Problems) {
            _ = try RuleFile.load([folder.path])
            Issue.record("read")
        } catch {
            #expect(error.all.count == 1)
            let told = error.all.map(\.description)[0]
            #expect(told.hasPrefix("\(folder.path)/two.yaml:2:") && told.contains("'a'") && told.contains("one.yaml:2"), "\(told)")
        }
    }

    @Test func tenThousandRulesAreReadAndOneMoreIsNot() throws {
        func rules(_ count: Int) -> String {
            (0..<count).map { "  - { id: r\($0), on: noise, severity: info, condition: { metric: laeq, above: 70 } }\n" }.joined()
        }
        #expect(problems(rules(10_000)) == [])
        #expect(problems(rules(10_001)) == ["r.yaml:10002:11: there are 10001 rules; at most 10000 are read"])
    }

    @Test func aBombOfAliasesAndAFileOfFiftyMegabytesAreRefused() throws {
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1..<12 { bomb += "a\(level): &a\(level) [\(Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", "))]\n" }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("patrol-rules-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func told(_ data: Data) throws -> [String] {
            let path = folder.appendingPathComponent("r.yaml")
            try data.write(to: path)
            do throws(Problems) {
                _ = try RuleFile.load([path.path])
                return []
            } catch {
                return error.all.map(\.message)
            }
        }
        #expect(try told(Data(bomb.utf8)).contains { $0.contains("anchors and aliases") })
        let large = try told(Data(repeating: 0x23, count: 50 << 20))
        #expect(large.count == 1 && large[0].contains("52428800 bytes"), "\(large)")
    }
}
