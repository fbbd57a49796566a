import Foundation
import Store
import Telemetry

/// The figures by which a district judges its dispatch, computed from tasks and their events.
struct DispatchReport {
    /// One task's story in the report's terms; milliseconds since its creation, nil where it did not come to that.
    struct Story {
        var area: String, team: String, kind: String, hour: String, rule: String
        var respond: Int64?, setOut: Int64?, onScene: Int64?, dispose: Int64?
        /// How long the task has existed at the report's end.
        var age: Int64
        var isOpen: Bool, isReopened: Bool
        var outcome: String
        /// What an instrument found, where one was read.
        var verdict: String?
    }

    struct Line {
        var group: String, name: String
        var tasks = 0, open = 0, overdue = 0, reopened = 0
        /// Percentiles 50 and 90 in seconds, nearest rank, of those that came so far.
        var respond: (Double?, Double?), setOut: (Double?, Double?), onScene: (Double?, Double?), dispose: (Double?, Double?)
        /// Share within 1, 3 and 15 minutes among those whose time is over or used; nil where there are none.
        var withinRespond: Double?, withinSetOut: Double?, withinDispose: Double?
        var outcomes: [String: Int] = [:]
    }

    /// Alerts of a rule that an instrument found within the limit.
    struct FalseAlarms {
        var rule: String, measured: Int, within: Int
    }

    var lines: [Line]
    var falseAlarms: [FalseAlarms]

    static let respondLimit: Int64 = 60_000, setOutLimit: Int64 = 180_000, disposeLimit: Int64 = 900_000

    static func read(
        _ reader: StoreReader, from: Int64, to: Int64, now: Int64, zone: LocalZone
    ) throws(StoreError) -> DispatchReport {
        var stories: [Story] = []
        var after: Int64 = -1
        while true {
            let rows = try reader.rows(
                """
                SELECT t.number, t.area, coalesce(u.team, ''), t.kind, t.created_at, t.stage,
                  coalesce(a.rule, (SELECT o.rule FROM task_source s JOIN alert o ON o.id = s.ref
                    WHERE s.task_id = t.id AND s.kind = 'alert' ORDER BY s.at, s.ref LIMIT 1), ''),
                  (SELECT min(at) FROM task_event e WHERE e.task_id = t.id AND e.what IN ('acknowledged', 'set_out', 'on_scene')),
                  (SELECT min(at) FROM task_event e WHERE e.task_id = t.id AND e.what IN ('set_out', 'on_scene')),
                  (SELECT min(at) FROM task_event e WHERE e.task_id = t.id AND e.what = 'on_scene'),
                  (SELECT min(at) FROM task_event e WHERE e.task_id = t.id AND e.what = 'disposed'),
                  EXISTS (SELECT 1 FROM task_event e WHERE e.task_id = t.id AND e.what = 'reopened'),
                  (SELECT verdict FROM task_feedback f WHERE f.task_id = t.id ORDER BY number DESC LIMIT 1)
                FROM task t LEFT JOIN alert a ON a.id = t.alert_id LEFT JOIN unit u ON u.id = t.unit
                WHERE t.number > ? AND t.created_at >= ? AND t.created_at < ? AND t.merged_into IS NULL
                ORDER BY t.number LIMIT 2000
                """, [.integer(after), .integer(from), .integer(to)]).rows
            for row in rows {
                let created = row[4].integer
                func since(_ column: Int) -> Int64? { row[column] == .null ? nil : row[column].integer - created }
                let stage = row[5].text
                let minutes = zone.local(Timestamp(milliseconds: created)).milliseconds / 60_000
                let verdict = row[12] == .null ? nil : row[12].text
                stories.append(
                    Story(
                        area: row[1].text, team: row[2].text, kind: row[3].text, hour: String(format: "%02d", minutes / 60),
                        rule: row[6].text, respond: since(7), setOut: since(8), onScene: since(9), dispose: since(10),
                        age: max(0, now - created), isOpen: stage != "closed" && stage != "cancelled",
                        isReopened: row[11].integer == 1,
                        outcome: stage == "cancelled" ? "cancelled" : verdict ?? (stage == "closed" ? "closed" : "open"),
                        verdict: verdict))
            }
            guard rows.count == 2000, let last = rows.last else { break }
            after = last[0].integer
        }
        return DispatchReport(stories)
    }

    init(_ stories: [Story]) {
        lines = [DispatchReport.line("all", "", stories)]
        for (group, key) in [("area", \Story.area), ("team", \Story.team), ("kind", \Story.kind), ("hour", \Story.hour)] {
            for (name, part) in Dictionary(grouping: stories, by: { $0[keyPath: key] }).sorted(by: { $0.key < $1.key })
            where !name.isEmpty {
                lines.append(DispatchReport.line(group, name, part))
            }
        }
        falseAlarms = Dictionary(grouping: stories.filter { $0.verdict != nil && !$0.rule.isEmpty }, by: \.rule)
            .map { rule, part in FalseAlarms(rule: rule, measured: part.count, within: part.count { $0.verdict == "within" }) }
            .sorted { $0.rule < $1.rule }
    }

    private static func line(_ group: String, _ name: String, _ stories: [Story]) -> Line {
        var line = Line(group: group, name: name, respond: (nil, nil), setOut: (nil, nil), onScene: (nil, nil), dispose: (nil, nil))
        line.tasks = stories.count
        line.open = stories.count { $0.isOpen }
        line.overdue = stories.count { $0.isOpen && $0.dispose == nil && $0.age > disposeLimit }
        line.reopened = stories.count { $0.isReopened }
        func percentiles(_ value: (Story) -> Int64?) -> (Double?, Double?) {
            let values = stories.compactMap(value).sorted()
            func rank(_ share: Double) -> Double? {
                values.isEmpty ? nil : Double(values[max(0, Int((share * Double(values.count)).rounded(.up)) - 1)]) / 1000
            }
            return (rank(0.5), rank(0.9))
        }
        func within(_ limit: Int64, _ value: (Story) -> Int64?) -> Double? {
            // A task that was called off before its time was over says nothing.
            let counted = stories.filter { value($0) != nil || ($0.isOpen ? $0.age > limit : $0.outcome != "cancelled") }
            return counted.isEmpty ? nil : Double(counted.count { value($0).map { $0 <= limit } ?? false }) / Double(counted.count)
        }
        line.respond = percentiles(\.respond)
        line.setOut = percentiles(\.setOut)
        line.onScene = percentiles(\.onScene)
        line.dispose = percentiles(\.dispose)
        line.withinRespond = within(respondLimit, \.respond)
        line.withinSetOut = within(setOutLimit, \.setOut)
        line.withinDispose = within(disposeLimit, \.dispose)
        line.outcomes = Dictionary(grouping: stories, by: \.outcome).mapValues(\.count)
        return line
    }

    // MARK: As rows

    static let columns = [
        "group", "name", "tasks", "respond_p50_s", "respond_p90_s", "set_out_p50_s", "set_out_p90_s", "on_scene_p50_s",
        "on_scene_p90_s", "dispose_p50_s", "dispose_p90_s", "within_1m", "within_3m", "within_15m", "open", "overdue", "reopened",
        "outcomes",
    ]

    static let headings: View.Headings = [
        "group": ("by", "分组"), "name": ("", "名称"), "tasks": ("tasks", "任务数"), "respond_p50_s": ("respond p50", "响应 p50"),
        "respond_p90_s": ("p90", "p90"), "set_out_p50_s": ("set out p50", "出动 p50"), "set_out_p90_s": ("p90", "p90"),
        "on_scene_p50_s": ("on scene p50", "到场 p50"), "on_scene_p90_s": ("p90", "p90"),
        "dispose_p50_s": ("dispose p50", "处置 p50"), "dispose_p90_s": ("p90", "p90"), "within_1m": ("≤1 min", "1分钟内响应"),
        "within_3m": ("≤3 min", "3分钟内出动"), "within_15m": ("≤15 min", "15分钟内处置"), "open": ("open", "未结"),
        "overdue": ("overdue", "超期"), "reopened": ("reopened", "重开"), "outcomes": ("outcomes", "结果"),
        "rule": ("rule", "规则"), "measured": ("measured", "实测"), "within": ("within the limit", "未超标"), "share": ("share", "占比"),
    ]

    /// - Parameter forPeople: shares as per cent, seconds as minutes.
    func rows(forPeople: Bool) -> [[StoreValue]] {
        lines.map { line in
            func seconds(_ value: Double?) -> StoreValue {
                guard let value else { return .null }
                guard forPeople else { return .real(value) }
                let whole = Int(value.rounded())
                return .text("\(whole / 60):\(String(format: "%02d", whole % 60))")
            }
            func share(_ value: Double?) -> StoreValue {
                guard let value else { return .null }
                return forPeople ? .text(String(format: "%.1f %%", value * 100)) : .real(value)
            }
            let outcomes = line.outcomes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            return [
                .text(line.group), .text(line.name), .integer(Int64(line.tasks)), seconds(line.respond.0), seconds(line.respond.1),
                seconds(line.setOut.0), seconds(line.setOut.1), seconds(line.onScene.0), seconds(line.onScene.1),
                seconds(line.dispose.0), seconds(line.dispose.1), share(line.withinRespond), share(line.withinSetOut),
                share(line.withinDispose), .integer(Int64(line.open)), .integer(Int64(line.overdue)),
                .integer(Int64(line.reopened)), .text(outcomes),
            ]
        }
    }

    static let alarmColumns = ["rule", "measured", "within", "share"]

    func alarmRows(forPeople: Bool) -> [[StoreValue]] {
        falseAlarms.map { alarm in
            let share = Double(alarm.within) / Double(alarm.measured)
            return [
                .text(alarm.rule), .integer(Int64(alarm.measured)), .integer(Int64(alarm.within)),
                forPeople ? .text(String(format: "%.1f %%", share * 100)) : .real(share),
            ]
        }
    }
}
