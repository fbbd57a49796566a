import ArgumentParser
import Foundation
import Ingest
import Pipeline
import Rules
import Settings
import Store
import Telemetry

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Reads a recording into a store; everything is complete in it at the end.",
        discussion: """
            A recording holds a message a line, as 'mosquitto_sub -v' or "mosquitto_sub -F '%U %t %x'" print them, or is
            CSV with a header; plain or gzip'd. Readings that the store has already are counted as duplicates. The clock is
            the recorded arrival, or the running maximum of ts. Alerts are raised only with --rules, or by the rules of
            --config, whose areas, sites, fences, calendars, permits, limits and devices then apply.

            EXAMPLES
              mosquitto_sub -v -t 'patrol/v1/in/#' > night.txt
              patrol replay night.txt --into night.db --rules rules/
              patrol replay meters.csv.gz --into meters.db --kind noise --gateway city --period 60s
            """)

    @Argument(help: "The recording.") var file: String
    @Option(help: "The store; made where there is none.") var into: String
    @Option(help: "Rule files or folders.") var rules: [String] = []
    @Option(help: "A settings file: its rules (where no --rules are given) and what they ask about.") var config: String?
    @Option(help: "CSV: the kind of the rows (noise, vehicle, bodycam).") var kind = "noise"
    @Option(help: "CSV: the gateway that brought them.") var gateway = "recording"
    @Option(help: "CSV: how long a reading holds, for example 60s.") var period: String?
    @Flag(help: "No progress on standard error.") var quiet = false

    func run() throws {
        var options = RecordingOptions()
        guard let kind = Kind(name: kind) else {
            throw Exit.fail("no kind '\(kind)'; there are \(Kind.allCases.map(\.name).joined(separator: ", "))", Exit.usage)
        }
        options.kind = kind
        options.gateway = gateway
        if let period {
            guard let seconds = Self.seconds(period) else {
                throw Exit.fail("--period \(period): write a number of seconds, for example 60s or 0.125s", Exit.usage)
            }
            options.period = seconds
        }
        let settings = try config.map { path in try Exit.onProblems { try Settings.load(path: path) } }
        let ruleSet = RuleSet(
            try Exit.onProblems { rules.isEmpty ? settings?.rules ?? [] : try RuleFile.load(rules, world: settings?.world) })
        if let settings { options.topicRoot = settings.topicRoot }
        let isTerminal = isatty(2) == 1 && !quiet
        let result = try Exit.onStoreFailure {
            do {
                return try Replay.run(recording: file, options: options, into: into, rules: ruleSet, settings: settings) { messages, bytes in
                    guard isTerminal else { return }
                    FileHandle.standardError.write(
                        Data("\r\(messages / 1000) thousand messages, \(bytes >> 20) MB".utf8))
                }
            } catch let error as RecordingError {
                throw Exit.fail(error.description, Exit.usage)
            }
        }
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        let rate = result.seconds > 0 ? Double(result.messages) / result.seconds : 0
        print("\(result.messages) messages into \(into) in \(String(format: "%.2f", result.seconds)) s (\(Int(rate)) a second)")
        if result.problemCount > 0 {
            for problem in result.problems { FileHandle.standardError.write(Data("\(problem)\n".utf8)) }
            throw Exit.fail("\(result.problemCount) lines were no messages; the rest is stored", Exit.problems)
        }
    }

    /// `60s`, `60` or `500ms` as seconds in JSON's own notation.
    static func seconds(_ text: String) -> String? {
        let isMilliseconds = text.hasSuffix("ms")
        let digits = isMilliseconds ? text.dropLast(2) : text.hasSuffix("s") ? text.dropLast() : text[...]
        guard let value = Double(digits), value > 0, value.isFinite else { return nil }
        return "\(isMilliseconds ? value / 1000 : value)"
    }
}
