import API
import ArgumentParser
import Foundation
import Store
import Telemetry

struct OutletsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outlets",
        abstract: "Where events go: how far each outlet is, and steering them.",
        discussion: """
            EXAMPLES
              patrol outlets                                     all, with lag, last answer and next attempt
              patrol outlets show webhook:duty-room              one, with its dead letters
              patrol outlets test webhook:duty-room --as li      sends a marked test event and says what came back
              patrol outlets pause webhook:duty-room --as li --why "moving house"
              patrol outlets retry webhook:duty-room --as li     dead letters again, and at once what waits
            """,
        subcommands: [
            OutletsList.self, OutletsShow.self, OutletsPause.self, OutletsResume.self, OutletsRetry.self, OutletsSkip.self,
            OutletsDrop.self, OutletsTest.self,
        ],
        defaultSubcommand: OutletsList.self)
}

/// What the running Patrol says of its outlets; of a store at rest what is written there.
private enum OutletView {
    static func all(_ options: StoreOptions) throws -> [[String: Any]] {
        let path = try options.path()
        if let access = TokenFile(store: path), let answer = try? PlainHTTP.get("/api/v1/outlets", from: access.url),
            answer.status == 200, let object = parsed(answer.body)
        {
            return object["items"] as? [[String: Any]] ?? []
        }
        return try Exit.onStoreFailure {
            let reader = try StreamReader(path: path)
            let bounds = try reader.bounds()
            let dead = try reader.deadLetterCounts()
            return try reader.outlets().map { row in
                var item: [String: Any] = [
                    "name": row.name, "condition": row.paused == nil ? "at rest" : "paused", "delivered": row.delivered,
                    "lag_events": max(0, bounds.last - row.delivered), "dead_letters": dead[row.name] ?? 0,
                ]
                if let paused = row.paused { item["reason"] = paused }
                return item
            }
        }
    }

    static func parsed(_ text: String) -> [String: Any]? {
        try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    }

    /// A whole name, or one that only one outlet ends with.
    static func one(_ name: String, _ options: StoreOptions) throws -> [String: Any] {
        let all = try all(options)
        let found = all.filter { $0["name"] as? String == name }
        let near = found.isEmpty ? all.filter { ($0["name"] as? String)?.hasSuffix(":" + name) == true } : found
        guard near.count == 1, let item = near.first else {
            let names = all.compactMap { $0["name"] as? String }.joined(separator: ", ")
            throw Exit.fail("there is no outlet '\(name)'; there are \(names)", Exit.problems)
        }
        return item
    }

    static func json(_ value: Any) -> String {
        (try? JSONSerialization.data(withJSONObject: value, options: [.sortedKeys])).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    static func text(_ value: Any?) -> String {
        switch value {
        case let text as String: text
        case let number as NSNumber: number.stringValue
        default: ""
        }
    }

    static func moment(_ value: Any?) -> String {
        guard let number = value as? NSNumber else { return "" }
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "MM-dd HH:mm:ss"
        return formatter.string(from: Date(timeIntervalSince1970: number.doubleValue / 1000))
    }

    static func table(_ rows: [[String]]) {
        let widths = rows.reduce([Int](repeating: 0, count: rows.first?.count ?? 0)) { widths, row in
            zip(widths, row).map { max($0, RowPrinter.width($1)) }
        }
        for row in rows {
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - RowPrinter.width($0)) }
            Output.line(cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
        }
    }
}

struct OutletsList: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "All outlets.")

    @Option(help: "table or json (one object a line).") var format = "table"
    @OptionGroup var store: StoreOptions

    func run() throws {
        Output.ignoreBrokenPipe()
        guard format == "table" || format == "json" else {
            throw Exit.fail("--format is table or json, not '\(format)'", Exit.usage)
        }
        let all = try OutletView.all(store)
        if format == "json" { return all.forEach { Output.line(OutletView.json($0)) } }
        var rows = [["OUTLET", "CONDITION", "BEHIND", "SECONDS", "DEAD", "LAST ANSWER", "AT", "NEXT ATTEMPT"]]
        for item in all {
            rows.append([
                OutletView.text(item["name"]), OutletView.text(item["condition"]), OutletView.text(item["lag_events"]),
                OutletView.text(item["lag_seconds"]), OutletView.text(item["dead_letters"]),
                String(OutletView.text(item["reason"] ?? item["last_answer"]).prefix(60)), OutletView.moment(item["last_answer_at"]),
                OutletView.moment(item["next_attempt"]),
            ])
        }
        OutletView.table(rows)
    }
}

struct OutletsShow: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "One outlet, with its dead letters.")

    @Argument(help: "mqtt, webhook:NAME, …; NAME alone where only one has it.") var name: String
    @Option(help: "table or json (one object a line: the outlet, then its dead letters).") var format = "table"
    @OptionGroup var store: StoreOptions

    func run() throws {
        Output.ignoreBrokenPipe()
        let outlet = try OutletView.one(name, store)
        let letters = try Exit.onStoreFailure {
            try StreamReader(path: store.path()).deadLetters(outlet: OutletView.text(outlet["name"]), limit: 1000)
        }
        if format == "json" {
            Output.line(OutletView.json(outlet))
            for letter in letters {
                Output.line(
                    JSONLine.text([
                        ("sequence", .number(letter.sequence)), ("event", .text(letter.event)), ("at", .number(letter.at)),
                        ("attempts", .number(Int64(letter.attempts))), ("reason", .text(letter.reason)), ("payload", .raw(letter.payload)),
                    ]))
            }
            return
        }
        let moments: Set = ["last_answer_at", "next_attempt"]
        OutletView.table(
            outlet.keys.sorted().map { [$0, moments.contains($0) ? OutletView.moment(outlet[$0]) : OutletView.text(outlet[$0])] })
        for letter in letters {
            Output.line("\ndead letter \(letter.sequence) (\(letter.event)), \(letter.attempts) attempts: \(letter.reason)")
            Output.line(letter.payload)
        }
    }
}

/// A change of one outlet: the options that all of them have.
private func change(_ verb: String, _ name: String, _ options: ChangeOptions, _ fields: [String: ActionValue?] = [:]) throws {
    let full = OutletView.text(try OutletView.one(name, options.store)["name"])
    let action = try options.action("outlet.\(verb)", full, fields)
    try options.run(action) { _, answer in "\(full): \(OutletView.text(answer["done"]))" }
}

struct OutletsPause: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "pause", abstract: "Lets an outlet rest; nothing is lost.")
    @Argument(help: "The outlet.") var name: String
    @Option(help: "A remark.") var why: String?
    @OptionGroup var options: ChangeOptions
    func run() throws { try change("pause", name, options, ["why": why.map { .text($0) }]) }
}

struct OutletsResume: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "resume", abstract: "Lets an outlet go on where it is.")
    @Argument(help: "The outlet.") var name: String
    @OptionGroup var options: ChangeOptions
    func run() throws { try change("resume", name, options) }
}

struct OutletsRetry: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Sends dead letters again, and tries at once what waits.")
    @Argument(help: "The outlet.") var name: String
    @Option(help: "One dead letter, by its number.") var sequence: Int64?
    @OptionGroup var options: ChangeOptions
    func run() throws { try change("retry", name, options, ["sequence": sequence.map { .number(Double($0)) }]) }
}

struct OutletsSkip: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "skip", abstract: "Goes on behind an event; what waits up to it becomes dead letters.")
    @Argument(help: "The outlet.") var name: String
    @Argument(help: "Number of the event.") var through: Int64
    @OptionGroup var options: ChangeOptions
    func run() throws { try change("skip", name, options, ["through": .number(Double(through))]) }
}

struct OutletsDrop: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "drop", abstract: "Throws dead letters away.")
    @Argument(help: "The outlet.") var name: String
    @Option(help: "One dead letter, by its number.") var sequence: Int64?
    @OptionGroup var options: ChangeOptions
    func run() throws { try change("drop", name, options, ["sequence": sequence.map { .number(Double($0)) }]) }
}

struct OutletsTest: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Sends an event that says that it is a test, and tells what came back.")
    @Argument(help: "The outlet.") var name: String
    @OptionGroup var options: ChangeOptions
    func run() throws { try change("test", name, options) }
}
