import ArgumentParser
import Foundation
import Store
import Telemetry

struct AlertsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alerts",
        abstract: "Alerts: what is open, who has seen it, what was said of it.",
        discussion: """
            Ids may be shortened. A change goes to the Patrol that runs on the store, or into the store itself where none does.

            EXAMPLES
              patrol alerts list
              patrol alerts show a03f
              patrol alerts ack a03f --as 王敏
              patrol alerts end a03f --why "the officer is safe" --as 王敏
              patrol alerts comment a03f "the crane has been told" --as 王敏
              patrol alerts silence add --rule night --site s1 --for 2h --reason "announced works" --as 王敏
              patrol alerts watch --lang zh
            """,
        subcommands: [List.self, Show.self, Ack.self, Comment.self, End.self, SilenceCommand.self, Watch.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "The open alerts, or all of a state.")

        @Option(help: "open (the default), firing, resolved or all.") var state = "open"
        @Option(help: "One area and everything below it: the beginning of its code.") var area: String?
        @Option(help: "From this time on: 10m, 2024-06-07T22:00, RFC 3339.") var since: String?
        @Option(help: "Rows at most.") var limit = 50
        @OptionGroup var view: ViewOptions

        func run() throws {
            Output.ignoreBrokenPipe()
            let view = try self.view.checked()
            guard ["open", "firing", "resolved", "all"].contains(state) else {
                throw Exit.fail("--state is open, firing, resolved or all, not '\(state)'", Exit.usage)
            }
            guard limit > 0 else { throw Exit.fail("--limit is a number from 1 on", Exit.usage) }
            let from = try since.map { try MomentOption.parse($0, timezone: view.timezone) } ?? Int64.min
            let condition = ["open": "a.state = 'firing'", "firing": "a.state = 'firing'", "resolved": "a.state = 'resolved'"][state]
                ?? "a.state <> 'pending'"
            let reader = try self.view.store.reader()
            let rows = try Exit.onStoreFailure {
                try reader.rows(
                    "\(AlertView.select) WHERE \(condition) AND a.fired_at >= ? AND substr(a.area, 1, length(?2)) = ?2 "
                        + "ORDER BY a.fired_at DESC, a.id LIMIT ?",
                    [.integer(from), .text(area ?? ""), .integer(Int64(limit))])
            }
            view.table(columns: rows.columns, AlertView.headings, rows.rows, empty: view.language("no alert", "没有告警"))
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "One alert with everything that is known of it.")

        @Argument(help: "The alert's id, which may be shortened.") var id: String
        @OptionGroup var view: ViewOptions

        func run() throws {
            Output.ignoreBrokenPipe()
            let view = try self.view.checked()
            let reader = try self.view.store.reader()
            let full = try reader.id(id, in: "alert")
            try Exit.onStoreFailure {
                let alert = try reader.rows("\(AlertView.select) WHERE a.id = ?", [.text(full)])
                let said = try reader.rows(AlertView.said, [.text(full)])
                view.object(
                    columns: alert.columns + (said.rows.isEmpty ? [] : said.columns), AlertView.headings,
                    alert.rows[0] + (said.rows.first ?? []))
                let events = try reader.rows(
                    "SELECT state AS what, at, value FROM alert_event WHERE alert_id = ? ORDER BY seq", [.text(full)])
                view.list("events", events, title: view.language("Transitions", "状态变化"))
                let notes = try reader.rows(
                    "SELECT what, at, who, role, text FROM alert_note WHERE alert_id = ? ORDER BY seq", [.text(full)])
                view.list("notes", notes, title: view.language("Remarks", "处置记录"))
                let tasks = try reader.rows("SELECT id, kind, stage, unit FROM task WHERE alert_id = ?", [.text(full)])
                view.list("tasks", tasks, title: view.language("Tasks", "任务"))
            }
            view.end()
        }
    }

    struct Ack: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "ack", abstract: "Says that you have seen an alert and answer for it.")

        @Argument(help: "The alert's id, which may be shortened.") var id: String
        @Option(help: "A remark.") var why: String?
        @OptionGroup var change: ChangeOptions

        func run() throws {
            let action = try change.action("alert.ack", id, ["why": why.map(ActionValue.text)])
            try change.run(action) { language, answer in
                language("acknowledged: \(answer["id"] ?? id)", "已确认：\(answer["id"] ?? id)")
            }
        }
    }

    struct Comment: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "comment", abstract: "Adds a remark to an alert.")

        @Argument(help: "The alert's id, which may be shortened.") var id: String
        @Argument(help: "The remark.") var text: String
        @OptionGroup var change: ChangeOptions

        func run() throws {
            try change.run(try change.action("alert.comment", id, ["text": .text(text)])) { language, answer in
                language("noted: \(answer["id"] ?? id)", "已记录：\(answer["id"] ?? id)")
            }
        }
    }

    struct End: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "end", abstract: "Ends a latched alert (an officer's call for help), which nothing else ends.")

        @Argument(help: "The alert's id, which may be shortened.") var id: String
        @Option(help: "A remark.") var why: String?
        @OptionGroup var change: ChangeOptions

        func run() throws {
            try change.run(try change.action("alert.end", id, ["why": why.map(ActionValue.text)])) { language, answer in
                language("ended: \(answer["id"] ?? id)", "已解除：\(answer["id"] ?? id)")
            }
        }
    }

    struct Watch: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "watch", abstract: "The open alerts, always as of now; Ctrl-C ends.")

        @Option(help: "One area and everything below it: the beginning of its code.") var area: String?
        @OptionGroup var view: ViewOptions

        func run() async throws {
            let view = try self.view.checked()
            let reader = try self.view.store.reader()
            try await view.watch {
                let rows = try reader.rows(
                    "\(AlertView.select) WHERE a.state = 'firing' AND substr(a.area, 1, length(?1)) = ?1 "
                        + "ORDER BY a.fired_at DESC, a.id LIMIT 200", [.text(area ?? "")])
                return (rows.columns, AlertView.headings, rows.rows)
            }
        }
    }
}

enum AlertView {
    static let headings: [String: (String, String)] = [
        "id": ("id", "编号"), "state": ("state", "状态"), "severity": ("severity", "级别"), "rule": ("rule", "规则"),
        "device": ("device", "设备"), "name": ("name", "名称"), "area": ("area", "区域"), "site": ("site", "场所"),
        "value": ("value", "数值"), "fired_at": ("fired", "触发时间"), "resolved_at": ("resolved", "恢复时间"),
        "started_at": ("started", "开始时间"), "acknowledged_by": ("acknowledged by", "确认人"),
        "acknowledged_at": ("at", "确认时间"), "remarks": ("remarks", "备注"),
        "silenced_by": ("silenced by", "静默"),
        "message_en": ("message", "说明（英文）"), "message_zh": ("说明", "说明"), "unit": ("unit", "单位"),
        "limit": ("limit", "限值"), "standard": ("standard", "标准"), "coverage": ("coverage", "覆盖率"),
        "devices": ("devices", "设备"), "reason": ("ended by", "恢复原因"), "metric": ("metric", "指标"),
        "readings_from": ("readings from", "读数起"), "readings_until": ("readings until", "读数止"),
    ]

    /// What an alert says, and the readings it stands on.
    static let said = """
        SELECT text_en AS message_en, text_zh AS message_zh, unit, bound AS "limit", standard, coverage, devices, reason, metric,
          readings_from, readings_until FROM alert_detail WHERE alert_id = ?
        """

    /// Alerts with who has acknowledged them first.
    static let select = """
        SELECT a.id, a.state, a.severity, a.rule, a.device, d.name, a.site, a.area, a.value, a.fired_at, a.resolved_at,
          n.who AS acknowledged_by, n.at AS acknowledged_at,
          (SELECT count(*) FROM alert_note c WHERE c.alert_id = a.id AND c.what = 'comment') AS remarks,
          (SELECT silenced_by FROM alert_detail x WHERE x.alert_id = a.id) AS silenced_by
        FROM alert a LEFT JOIN device d ON d.number = a.device_number
          LEFT JOIN alert_note n ON n.seq = (SELECT min(seq) FROM alert_note WHERE alert_id = a.id AND what = 'acknowledged')
        """
}

extension StoreReader {
    /// The one id of a table that begins with what somebody wrote.
    func id(_ prefix: String, in table: String) throws -> String {
        let found = try Exit.onStoreFailure {
            try rows("SELECT id FROM \(table) WHERE id >= ?1 AND id < ?1 || char(1114111) ORDER BY id LIMIT 2", [.text(prefix)]).rows
        }
        if found.count == 1 || found.first?[0].text == prefix { return found[0][0].text }
        throw Exit.fail(
            found.isEmpty ? "no \(table) has the id '\(prefix)'" : "more than one \(table) has an id that begins with '\(prefix)'; write more of it",
            Exit.problems)
    }
}
