import ArgumentParser
import Foundation
import Settings
import Store
import Telemetry

extension AlertsCommand {
    struct SilenceCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "silence",
            abstract: "Silences: alerts that are known of and are to make no task for a while.",
            discussion: """
                A silenced alert fires and is on record, but makes no task. When the silence ends and the alert still fires, it
                acts as if it fired then. An alert that fired before the silence keeps its task.

                EXAMPLES
                  patrol alerts silence add --rule 'noise-*' --site s1 --for 2h --reason "blasting, announced" --as 王敏
                  patrol alerts silence list
                  patrol alerts silence expire s03f --as 王敏
                """,
            subcommands: [Add.self, List.self, Expire.self])

        struct Add: ParsableCommand {
            static let configuration = CommandConfiguration(commandName: "add", abstract: "Adds a silence; of each matcher that is given one value must fit.")

            @Option(name: .customLong("rule"), help: "A rule's id; a * at the end stands for anything. May be repeated, as all matchers.")
            var rules: [String] = []
            @Option(name: .customLong("device"), help: "A device's id; * as above.") var devices: [String] = []
            @Option(name: .customLong("site"), help: "A site's id; * as above.") var sites: [String] = []
            @Option(name: .customLong("area"), help: "An area's code, with everything below it.") var areas: [String] = []
            @Option(name: .customLong("severity"), help: "info, warning or critical.") var severities: [String] = []
            @Option(name: .customLong("kind"), help: "noise, vehicle or bodycam.") var kinds: [String] = []
            @Option(help: "Why.") var reason: String
            @Option(name: .customLong("for"), help: "How long: 30m, 2h, 7d.") var duration: String?
            @Option(help: "When it ends, instead of --for: 2024-06-07T22:30.") var until: String?
            @Option(help: "When it begins: in 30m, or at 2024-06-07T22:00; now without it.") var from: String?
            @Option(help: "Time zone of --from and --until.") var timezone = "Asia/Shanghai"
            @OptionGroup var change: ChangeOptions

            func run() throws {
                guard (duration == nil) != (until == nil) else {
                    throw Exit.fail("a silence has an end: --for 2h or --until 2024-06-07T22:30, one of them", Exit.usage)
                }
                let zone = try MomentOption.zone(timezone)
                let now = Int64((Date().timeIntervalSince1970 * 1000).rounded())
                func moment(_ text: String) throws -> Int64 {
                    // A duration counts forward here.
                    try durationMilliseconds(text).map { now + $0 } ?? MomentOption.parse(text, timezone: zone)
                }
                let start = try from.map(moment)
                let end: Int64
                if let duration {
                    guard let length = durationMilliseconds(duration), length > 0 else {
                        throw Exit.fail("--for is a duration such as 30m, 2h or 7d, not '\(duration)'", Exit.usage)
                    }
                    end = (start ?? now) + length
                } else {
                    end = try moment(until ?? "")
                }
                var fields: [String: ActionValue?] = ["reason": .text(reason), "until": .number(Double(end)), "from": start.map { .number(Double($0)) }]
                let matchers: [(Silence.Matcher, [String])] = [
                    (.rules, rules), (.devices, devices), (.sites, sites), (.areas, areas), (.severities, severities), (.kinds, kinds),
                ]
                for (matcher, list) in matchers where !list.isEmpty { fields[matcher.rawValue] = .list(list) }
                try change.run(try change.action("silence.add", "", fields)) { language, answer in
                    language("silenced: \(answer["id"] ?? "")", "已静默：\(answer["id"] ?? "")")
                }
            }
        }

        struct List: ParsableCommand {
            static let configuration = CommandConfiguration(commandName: "list", abstract: "The silences that stand, and how many firing alerts each holds back.")

            @Flag(help: "Also those that are over.") var all = false
            @Option(help: "Rows at most.") var limit = 50
            @OptionGroup var view: ViewOptions

            func run() throws {
                Output.ignoreBrokenPipe()
                let view = try self.view.checked()
                guard limit > 0 else { throw Exit.fail("--limit is a number from 1 on", Exit.usage) }
                let reader = try self.view.store.reader()
                let rows = try Exit.onStoreFailure {
                    try reader.rows(
                        """
                        SELECT s.id, s.match, s.reason, s.author, s.starts_at, s.ends_at, s.ended_by, (SELECT count(*) FROM alert_detail d
                          JOIN alert a ON a.id = d.alert_id WHERE d.silenced_by = s.id AND a.state = 'firing') AS holds_back
                        FROM silence s WHERE ?1 OR s.ended_at IS NULL ORDER BY s.number DESC LIMIT ?2
                        """, [.integer(all ? 1 : 0), .integer(Int64(limit))])
                }
                view.table(columns: rows.columns, Self.headings, rows.rows, empty: view.language("no silence", "没有静默"))
            }

            private static let headings: [String: (String, String)] = [
                "id": ("id", "编号"), "match": ("silences", "静默对象"), "reason": ("reason", "原因"), "author": ("by", "设置人"),
                "starts_at": ("from", "开始"), "ends_at": ("until", "结束"), "ended_by": ("ended by", "提前结束人"),
                "holds_back": ("alerts held back", "静默中的告警"),
            ]
        }

        struct Expire: ParsableCommand {
            static let configuration = CommandConfiguration(commandName: "expire", abstract: "Ends a silence now; what still fires acts as if it fired now.")

            @Argument(help: "The silence's id, which may be shortened.") var id: String
            @Option(help: "A remark.") var why: String?
            @OptionGroup var change: ChangeOptions

            func run() throws {
                try change.run(try change.action("silence.expire", id, ["why": why.map(ActionValue.text)])) { language, answer in
                    language("over: \(answer["id"] ?? id)", "已结束静默：\(answer["id"] ?? id)")
                }
            }
        }
    }
}
