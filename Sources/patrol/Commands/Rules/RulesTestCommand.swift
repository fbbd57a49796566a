import ArgumentParser
import Foundation
import Rules
import Settings
import Telemetry

struct RulesTestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Runs scenarios of rules: readings as short series, and the alerts they must raise.",
        discussion: """
            A failing test shows what was expected beside what came; the exit code is then 1.

            EXAMPLES
              patrol rules test tests/noise.yaml
              patrol rules test tests/*.yaml
            """)

    @Argument(help: "Files of tests.") var files: [String]

    func run() throws {
        Output.ignoreBrokenPipe()
        var failed = 0, count = 0
        for path in files {
            let file: RuleTestFile
            do {
                file = try RuleTestFile.load(path)
            } catch {
                for problem in error.all { Output.line("\(problem)") }
                failed += 1
                continue
            }
            for test in file.tests {
                count += 1
                let outcome = RuleScenario.run(test, rules: file.rules, world: file.world)
                guard !outcome.isWell else { continue }
                failed += 1
                Output.line("\(path):\(test.line):1: \(test.name)")
                for line in outcome.lines { Output.line("  \(line)") }
            }
        }
        Output.line("\(count) tests, \(failed == 0 ? "all well" : "\(failed) failed")")
        if failed > 0 { throw Exit.problems }
    }
}
