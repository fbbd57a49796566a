import ArgumentParser
import Foundation
import Settings
import Store
import Telemetry

struct DispatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dispatch",
        abstract: "One-key dispatch: many units to one place (一键调度).",
        discussion: """
            It is one task: 'patrol tasks ack|set-out|arrive' say with --unit which unit answers (or it is that of --as), and
            dispose, feedback and close end it for all.

            EXAMPLES
              patrol dispatch all --area 330110012 --to school-canqian-01 --why "exam night" --as 王敏
              patrol dispatch all --within 3000 --to 30.2741,120.0151 --wait 30s --as 王敏
              patrol dispatch show t3f
            """,
        subcommands: [All.self, Show.self])

    struct All: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "all", abstract: "Sends all free units of some areas or within a radius to a place.")

        @Option(help: "An area whose units are sent; given several times.") var area: [String] = []
        @Option(help: "Units so many metres around the place.") var within: Double?
        @Option(help: "Where to: lat,lon in degrees WGS-84, a site's id, or an area's code.") var to: String
        @Option(help: "What for.") var why: String?
        @Option(help: "The kind of the task.") var kind: String?
        @Option(help: "Shows who answers until all have, so long at most: 30s.") var wait: String?
        @OptionGroup var change: ChangeOptions

        func run() async throws {
            guard !area.isEmpty || within != nil else { throw Exit.fail("say whom to send: --area, --within, or both", Exit.usage) }
            let patience = wait.flatMap(durationMilliseconds)
            guard wait == nil || patience != nil else { throw Exit.fail("--wait \(wait!): write for example 30s", Exit.usage) }
            var fields: [String: ActionValue?] = [
                "areas": area.isEmpty ? nil : .list(area), "within": within.map(ActionValue.number), "text": why.map(ActionValue.text),
                "kind": kind.map(ActionValue.text),
            ]
            let parts = to.split(separator: ",").map { Double($0.filter { $0 != " " }) }
            if parts.count == 2, let lat = parts[0], let lon = parts[1] {
                (fields["lat"], fields["lon"]) = (.number(lat), .number(lon))
            } else {
                fields[to.count >= 6 && to.allSatisfy(\.isNumber) ? "area" : "site"] = .text(to)
            }
            let language = try Language.option(change.lang)
            var task = ""
            try change.run(try change.action("dispatch.new", "", fields)) { language, answer in
                task = answer["id"] as? String ?? ""
                let units = (answer["crew"] as? [[String: Any]] ?? []).compactMap { $0["unit"] as? String }
                return "\(task)  \(language("\(units.count) units sent", "已派出 \(units.count) 个单位")): \(units.joined(separator: ", "))"
            }
            if let patience, !task.isEmpty { try await follow(task, language, milliseconds: patience) }
        }

        /// A line for each unit that answers.
        private func follow(_ task: String, _ language: Language, milliseconds: Int64) async throws {
            let reader = try change.store.reader()
            let end = Date().addingTimeInterval(Double(milliseconds) / 1000)
            var said: [String: String] = [:]
            while Date() < end, !Output.isReaderGone {
                let crew = try Exit.onStoreFailure { try TaskCrew.read(reader, task) }.crew.rows
                for member in crew where member[1].text != "assigned" && said[member[0].text] != member[1].text {
                    said[member[0].text] = member[1].text
                    Output.line("\(member[0].text)  \(TaskView.word(member[1].text, language))")
                }
                if said.count == crew.count { return }
                try await Task.sleep(for: .milliseconds(250))
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Who was sent, and who has answered.")

        @Argument(help: "The task's id, which may be shortened.") var id: String
        @OptionGroup var view: ViewOptions

        func run() throws {
            Output.ignoreBrokenPipe()
            let view = try self.view.checked()
            let reader = try self.view.store.reader()
            let full = try reader.id(id, in: "task")
            var crew = try Exit.onStoreFailure { try TaskCrew.read(reader, full) }.crew
            if view.format == .table { crew.rows = crew.rows.map { [$0[0], .text(TaskView.word($0[1].text, view.language)), $0[2]] } }
            view.table(columns: crew.columns, TaskView.headings, crew.rows, empty: view.language("no one-key dispatch", "不是一键调度"))
        }
    }
}
