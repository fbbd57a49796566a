import ArgumentParser
import Foundation
import Rules
import Settings
import Telemetry

struct RulesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rules",
        abstract: "Checks, tries and explains rules.",
        discussion: """
            EXAMPLES
              patrol rules check rules/ --config patrol.yaml
              patrol rules test tests/noise.yaml
              patrol rules backtest rules/ --from last-month.db
              patrol rules explain a3f0c2 --config patrol.yaml
            """,
        subcommands: [
            RulesCheckCommand.self, RulesTestCommand.self, RulesBacktestCommand.self, RulesExplainCommand.self,
            RulesListCommand.self, RulesReferenceCommand.self, RulesReloadCommand.self,
        ])
}

struct RulesReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Has a running Patrol read its rules again, when they are well.",
        discussion: """
            The settings and everything they name are checked first; with a problem nothing is changed and the exit code is 1.
            Rules that are as before keep their state, changed ones begin anew, alerts of removed ones end.

            EXAMPLES
              patrol rules reload --config /etc/patrol/patrol.yaml
            """)

    @Option(help: "The settings of the running Patrol.") var config = StoreOptions.settingsFile

    func run() throws {
        let settings: Settings
        do {
            settings = try Settings.load(path: config)
        } catch {
            for problem in error.all { Output.line("\(problem)") }
            throw Exit.problems
        }
        // The lock's holder writes its number into it.
        let text = FileManager.default.contents(atPath: settings.storePath + ".lock").map { String(decoding: $0, as: UTF8.self) }
        guard let process = text.flatMap({ pid_t($0) }), process > 1, isPatrol(process), kill(process, SIGHUP) == 0 else {
            throw Exit.fail("no Patrol is running on \(settings.storePath)", Exit.store)
        }
        Output.line("\(settings.rules.count) rules are well; process \(process) reads them, its log says what came of it")
    }

    /// A number in a lock that nobody holds may be another program's by now.
    private func isPatrol(_ process: pid_t) -> Bool {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/exe")).map {
            $0.hasSuffix("/patrol") || $0.contains("/patrol ")
        } ?? false
    }
}

/// The rules a command is about, with the district around them.
struct RuleSources: ParsableArguments {
    @Argument(help: "Rule files or folders; without them those of the settings.") var rules: [String] = []
    @Option(help: "Settings whose places, calendars and limits the rules see; ./patrol.yaml where it is there.")
    var config: String?

    /// The settings at hand, nil where there are none.
    func settings() throws -> Settings? {
        let isHere = FileManager.default.fileExists(atPath: StoreOptions.settingsFile)
        guard let path = config ?? (isHere ? StoreOptions.settingsFile : nil) else { return nil }
        return try Exit.onProblems { try Settings.load(path: path) }
    }

    static var shanghai: World { World(zone: LocalZone(identifier: "Asia/Shanghai") ?? .utc) }

    func load() throws -> (rules: [RuleDefinition], settings: Settings?, world: World) {
        let settings = try settings()
        let world = settings?.world ?? Self.shanghai
        if rules.isEmpty {
            guard let settings else {
                throw Exit.fail("name rule files, or settings with --config", Exit.usage)
            }
            return (settings.rules, settings, world)
        }
        return (try Exit.onProblems { try RuleFile.load(rules, world: settings?.world) }, settings, world)
    }
}

struct RulesCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks rule files; all problems at once.",
        discussion: """
            Problems print as path:line:column: message; the exit code is then 1. With settings (--config, or ./patrol.yaml)
            the areas, sites, fences, calendars and limits that the rules name are looked for there.

            EXAMPLES
              patrol rules check rules/
              patrol rules check noise.yaml --config /etc/patrol/patrol.yaml
            """)

    @OptionGroup var sources: RuleSources

    func run() throws {
        do {
            let settings = try sources.settings()
            let rules = sources.rules.isEmpty ? settings?.rules : try RuleFile.load(sources.rules, world: settings?.world)
            guard let rules else { throw Exit.fail("name rule files, or settings with --config", Exit.usage) }
            Output.line("\(rules.count) rule\(rules.count == 1 ? " is" : "s are") well")
        } catch let problems as Problems {
            for problem in problems.all { Output.line("\(problem)") }
            throw Exit.problems
        }
    }
}

struct RulesListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "The rules that the settings or the files have, one a line.",
        discussion: """
            EXAMPLES
              patrol rules list --config patrol.yaml
              patrol rules list rules/ --format json
            """)

    @OptionGroup var sources: RuleSources
    @Option(help: "table, csv or json.") var format = "table"

    func run() throws {
        Output.ignoreBrokenPipe()
        guard let format = OutputFormat(rawValue: format) else {
            throw Exit.fail("--format is table, csv or json, not '\(format)'", Exit.usage)
        }
        let loaded = try sources.load()
        let printer = RowPrinter(
            columns: ["rule", "on", "severity", "for", "task", "title_en", "title_zh"], format: format,
            timezone: TimeZone(identifier: "UTC") ?? .gmt)
        printer.print(
            loaded.rules.map { rule in
                [
                    .text(rule.id), .text(rule.kind.name), .text(rule.severity.rawValue),
                    .text(rule.holdMilliseconds == 0 ? "" : durationText(rule.holdMilliseconds)),
                    .text(rule.taskKind ?? ""), .text(rule.titleEnglish), .text(rule.titleChinese),
                ]
            })
    }
}

struct RulesReferenceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reference", abstract: "The language of rule files: every key, every metric.",
        discussion: """
            EXAMPLES
              patrol rules reference | less
            """)

    func run() throws {
        Output.ignoreBrokenPipe()
        Output.line(RuleReference.text)
    }
}
