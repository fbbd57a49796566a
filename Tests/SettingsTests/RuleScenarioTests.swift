import Foundation
import Rules
import Settings
import Testing

/// The scenarios that users can write, run as `patrol rules test` runs them.
@Suite struct RuleScenarioTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    private func run(_ path: String) throws -> Int {
        let file = try RuleTestFile.load(path)
        for test in file.tests {
            let outcome = RuleScenario.run(test, rules: file.rules, world: file.world)
            #expect(outcome.isWell, "\(path):\(test.line): \(test.name)\n\(outcome.lines.joined(separator: "\n"))")
        }
        return file.tests.count
    }

    @Test func theWholeLanguage() throws {
        #expect(try run(Self.root + "/Tests/RuleScenarios/language.tests.yaml") >= 25)
    }

    /// Each quirk of real recordings.
    @Test func quirksOfRecordings() throws {
        #expect(try run(Self.root + "/Tests/RuleScenarios/quirks.tests.yaml") >= 12)
    }

    @Test func theDeliveredDistrict() throws {
        let folder = Self.root + "/Deploy/district/tests"
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }.sorted()
        #expect(!files.isEmpty)
        for file in files { _ = try run(folder + "/" + file) }
    }

    @Test func aFailingTestShowsWhatCameBesideWhatWasExpected() throws {
        let rules = try RuleFile.parse(
            "rules:\n  - { id: loud, on: noise, condition: { metric: laeq, above: 70 }, severity: info }\n", path: "r.yaml")
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("patrol-rule-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data("rules:\n  - { id: loud, on: noise, condition: { metric: laeq, above: 70 }, severity: info }\n".utf8)
            .write(to: folder.appendingPathComponent("r.yaml"))
        let path = folder.path + "/t.yaml"
        try Data(
            """
            rules: r.yaml
            tests:
              - name: late
                start: 2024-06-07T12:00:00
                devices: [{ id: m, kind: noise }]
                readings: [{ device: m, laeq: "60 71 60" }]
                expect: [{ rule: loud, started: 2s }]
            """.utf8).write(to: URL(fileURLWithPath: path))
        let file = try RuleTestFile.load(path)
        let outcome = RuleScenario.run(file.tests[0], rules: rules, world: file.world)
        #expect(!outcome.isWell)
        #expect(
            outcome.lines == [
                "- rule loud        device *         started 2s       fired *          resolved *       value *          severity *       reason *",
                "+ rule loud        device m         started 1s       fired 2s         resolved 2s      value 71.0       severity info    reason condition  en: \"71 dB(A), limit 70: m\"",
            ])
    }

    /// The reader takes its keys from the tables of the reference, so that the two cannot differ; what is left is that each
    /// section is there, and each metric.
    @Test func theReferenceNamesEverything() {
        let text = RuleReference.text
        for section in RuleLanguage.sections {
            for key in section.keys { #expect(text.contains("| `\(key.name)` |"), "\(key.name)") }
        }
        for metric in ["laeq", "implied_kmh", "boot", "battery"] { #expect(text.contains("| `\(metric)` |")) }
    }
}
