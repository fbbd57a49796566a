import ArgumentParser
import Foundation
import Store

struct TailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Alerts and tasks as they are committed.",
        discussion: """
            EXAMPLES
              patrol tail                              the last ten, then live until Ctrl-C
              patrol tail -n 100 --no-follow
              patrol tail --since 2h --lang zh
              patrol tail --since 2h --format json | jq .
            """)

    @Option(name: [.customShort("n"), .long], help: "Show so many of the newest first.") var lines = 10
    @Option(help: "Show all from this time on: 10m, 2024-06-07T22:00, RFC 3339.") var since: String?
    @Flag(inversion: .prefixedNo, help: "Go on with what comes.") var follow = true
    @Option(help: "table or json (one object a line).") var format = "table"
    @Option(help: "zh or en; without it as the terminal's locale says.") var lang: String?
    @Option(help: "Time zone of the times shown.") var timezone = "Asia/Shanghai"
    @OptionGroup var options: StoreOptions

    func run() async throws {
        Output.ignoreBrokenPipe()
        Output.endOnInterrupt()
        guard format == "table" || format == "json" else {
            throw Exit.fail("--format is table or json, not '\(format)'", Exit.usage)
        }
        guard lines >= 0 else { throw Exit.fail("-n is a number from 0 on", Exit.usage) }
        let zone = try MomentOption.zone(timezone)
        let from = try since.map { try MomentOption.parse($0, timezone: zone) }
        let reader = try options.reader()
        var feed = EventFeed(reader: reader, timezone: zone, asJSON: format == "json", language: try .option(lang))
        for line in try Exit.onStoreFailure({ try feed.begin(showing: lines, since: from) }) { Output.line(line) }
        while follow {
            try await Task.sleep(for: .milliseconds(200))
            if Output.isReaderGone { return }
            for line in try Exit.onStoreFailure({ try feed.next() }) { Output.line(line) }
        }
    }
}
