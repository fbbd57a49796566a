import ArgumentParser
import Foundation
import Store
import Telemetry

struct UnitsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "units",
        abstract: "Units: who works, where they are, what they are on.",
        discussion: """
            Ids may be shortened. on and off hold until the opposite or 'shift' is said.

            EXAMPLES
              patrol units list --free
              patrol units where --near 30.2741,120.0151
              patrol units off unit-07 --why "car in repair" --as 王敏
              patrol units shift unit-07 --as 王敏
            """,
        subcommands: [List.self, Show.self, On.self, Off.self, Shift.self, Where.self])

    static let headings: View.Headings = [
        "id": ("id", "编号"), "kind": ("kind", "类型"), "device": ("device", "设备"), "officer": ("officer", "人员"),
        "team": ("team", "中队"), "areas": ("areas", "辖区"), "shift": ("shift", "班次"), "capabilities": ("capabilities", "专长"),
        "duty": ("duty", "值勤"), "duty_by": ("said by", "设置人"), "duty_at": ("said at", "设置时间"), "task": ("task", "任务"),
        "sent_at": ("last sent", "上次出动"), "lat": ("lat", "纬度"), "lon": ("lon", "经度"), "fix_at": ("fix", "定位时间"),
        "authority": ("authority", "执法主体"), "officers": ("officers", "人数"), "camera_at": ("camera heard", "记录仪心跳"),
        "recording": ("recording", "录像中"), "accuracy_m": ("accuracy m", "精度 m"), "metres": ("metres", "距离 m"),
    ]

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "All units, or those without a task.")

        @Flag(help: "Only those that have no task and are not off duty.") var free = false
        @Option(help: "One team.") var team: String?
        @OptionGroup var view: ViewOptions

        func run() throws {
            Output.ignoreBrokenPipe()
            let view = try self.view.checked()
            let reader = try self.view.store.reader()
            let rows = try Exit.onStoreFailure {
                try reader.rows(
                    """
                    SELECT id, kind, officer, team, shift, duty, task, sent_at, fix_at, areas, capabilities, device FROM unit
                    WHERE (?1 = '' OR team = ?1) AND (?2 = 0 OR (task IS NULL AND duty <> 'off')) ORDER BY id
                    """, [.text(team ?? ""), .integer(free ? 1 : 0)])
            }
            view.table(columns: rows.columns, UnitsCommand.headings, rows.rows, empty: view.language("no unit", "没有单位"))
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "One unit with its last tasks.")

        @Argument(help: "The unit's id, which may be shortened.") var id: String
        @OptionGroup var view: ViewOptions

        func run() throws {
            Output.ignoreBrokenPipe()
            let view = try self.view.checked()
            let reader = try self.view.store.reader()
            let full = try reader.id(id, in: "unit")
            try Exit.onStoreFailure {
                let unit = try reader.rows("SELECT * FROM unit WHERE id = ?", [.text(full)])
                view.object(columns: unit.columns, UnitsCommand.headings, unit.rows[0])
                let tasks = try reader.rows(
                    "SELECT at, task_id, what, who, why FROM task_event WHERE unit = ? ORDER BY seq DESC LIMIT 20", [.text(full)])
                view.list("events", tasks, TaskView.headings, title: view.language("Lately", "近期"))
            }
            view.end()
        }
    }

    struct Where: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "where", abstract: "Where units are, the nearest first with --near.")

        @Argument(help: "One unit; all without it.") var id: String?
        @Option(help: "A place, lat,lon in degrees WGS-84.") var near: String?
        @Option(help: "Rows at most.") var limit = 20
        @OptionGroup var view: ViewOptions

        func run() throws {
            Output.ignoreBrokenPipe()
            let view = try self.view.checked()
            let parts = near?.split(separator: ",").compactMap { Double($0.filter { $0 != " " }) } ?? []
            guard near == nil || (parts.count == 2 && abs(parts[0]) <= 90 && abs(parts[1]) <= 180) else {
                throw Exit.fail("--near is lat,lon in degrees, for example 30.2741,120.0151", Exit.usage)
            }
            let reader = try self.view.store.reader()
            let full = try id.map { try reader.id($0, in: "unit") } ?? ""
            var (columns, rows) = try Exit.onStoreFailure {
                try reader.rows(
                    """
                    SELECT id, officer, duty, task, lat, lon, accuracy_m, fix_at FROM unit
                    WHERE lat IS NOT NULL AND (?1 = '' OR id = ?1) ORDER BY fix_at DESC
                    """, [.text(full)])
            }
            if near != nil {
                let place = Position(latitude: parts[0], longitude: parts[1])
                columns.append("metres")
                rows = rows.map { row in
                    let metres = place.metres(to: Position(latitude: row[4].double, longitude: row[5].double))
                    return row + [.integer(Int64(metres.rounded()))]
                }.sorted { $0.last!.integer < $1.last!.integer }
            }
            view.table(
                columns: columns, UnitsCommand.headings, Array(rows.prefix(limit)),
                empty: view.language("no unit has said where it is", "没有定位"))
        }
    }

    struct On: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "on", abstract: "The unit works, whatever its shift says.")
        @Argument(help: "The unit's id, which may be shortened.") var id: String
        @Option(help: "A remark.") var why: String?
        @OptionGroup var change: ChangeOptions
        func run() throws { try change.runUnit("on", id, why) }
    }

    struct Off: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "off", abstract: "The unit is not sent, whatever its shift says.")
        @Argument(help: "The unit's id, which may be shortened.") var id: String
        @Option(help: "A remark.") var why: String?
        @OptionGroup var change: ChangeOptions
        func run() throws { try change.runUnit("off", id, why) }
    }

    struct Shift: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "shift", abstract: "The unit works as its shift says.")
        @Argument(help: "The unit's id, which may be shortened.") var id: String
        @Option(help: "A remark.") var why: String?
        @OptionGroup var change: ChangeOptions
        func run() throws { try change.runUnit("shift", id, why) }
    }
}

extension ChangeOptions {
    func runUnit(_ verb: String, _ id: String, _ why: String?) throws {
        let fields = why.map { ["why": ActionValue.text($0)] } ?? [:]
        try run(try action("unit.\(verb)", id, fields)) { language, answer in
            let words = ["on": ("on duty", "值勤"), "off": ("off duty", "停勤"), "shift": ("as its shift says", "按班次")]
            let word = words[verb].map { language($0.0, $0.1) } ?? verb
            let task = (answer["task"] as? String).map { language(", still on \($0)", "，仍在任务 \($0)") } ?? ""
            return "\(answer["id"] ?? id)  \(word)\(task)"
        }
    }
}
