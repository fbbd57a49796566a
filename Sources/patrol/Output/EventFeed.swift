import Delivery
import Foundation
import Store
import Telemetry

/// Transitions of alerts and tasks in the order in which they were committed, for the terminal.
struct EventFeed {
    private let reader: StoreReader
    private let formatter = DateFormatter()
    private var lastAlert: Int64 = 0
    private var lastTask: Int64 = 0
    private let asJSON: Bool
    private let language: Language
    private var titles: [String: RuleTitle] = [:]
    /// Rules that have published nothing: looked for once.
    private var untitled: Set<String> = []
    /// By short code; read when the feed begins.
    private var areaNames: [String: String] = [:]

    init(reader: StoreReader, timezone: TimeZone, asJSON: Bool, language: Language = .ofEnvironment) {
        self.reader = reader
        self.asJSON = asJSON
        self.language = language
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = timezone
        formatter.dateFormat = "MM-dd HH:mm:ss"
    }

    private static let alerts = """
        SELECT e.seq, e.clock, e.state, e.at, a.severity, a.rule, a.device, d.name, a.area, e.value, a.id, a.kind, x.silenced_by
        FROM alert_event e JOIN alert a ON a.id = e.alert_id LEFT JOIN device d ON d.number = a.device_number
          LEFT JOIN alert_detail x ON x.alert_id = a.id
        WHERE e.state <> 'pending'
        """
    private static let tasks = """
        SELECT e.seq, e.at, coalesce(e.what, e.stage), t.kind, t.area, t.id, t.respond_due, t.alert_id, a.device, d.name, e.stage, e.who
        FROM task_event e JOIN task t ON t.id = e.task_id LEFT JOIN alert a ON a.id = t.alert_id
          LEFT JOIN device d ON d.number = a.device_number
        """

    /// Moves to the end but for the newest `count` transitions, or those since a time.
    mutating func begin(showing count: Int, since: Int64?) throws(StoreError) -> [String] {
        areaNames = try reader.areaNames()
        let limit = since == nil ? count : 1_000_000
        let alertTime = since.map { " AND e.clock >= \($0)" } ?? ""
        let taskTime = since.map { " WHERE e.at >= \($0)" } ?? ""
        let alerts = try reader.rows("SELECT * FROM (\(Self.alerts)\(alertTime) ORDER BY e.seq DESC LIMIT \(limit)) ORDER BY seq").rows
        let tasks = try reader.rows("SELECT * FROM (\(Self.tasks)\(taskTime) ORDER BY e.seq DESC LIMIT \(limit)) ORDER BY seq").rows
        let ends = try reader.rows(
            "SELECT (SELECT coalesce(max(seq), 0) FROM alert_event), (SELECT coalesce(max(seq), 0) FROM task_event)").rows[0]
        lastAlert = ends[0].integer
        lastTask = ends[1].integer
        let lines = try merged(alerts, tasks)
        return since == nil ? lines.suffix(count) : lines
    }

    /// What was committed since the last call.
    mutating func next() throws(StoreError) -> [String] {
        let alerts = try reader.rows("\(Self.alerts) AND e.seq > ? ORDER BY e.seq LIMIT 1000", [.integer(lastAlert)]).rows
        let tasks = try reader.rows("\(Self.tasks) WHERE e.seq > ? ORDER BY e.seq LIMIT 1000", [.integer(lastTask)]).rows
        if let row = alerts.last { lastAlert = row[0].integer }
        if let row = tasks.last { lastTask = row[0].integer }
        return try merged(alerts, tasks)
    }

    /// Titles stand in the published events only; a rule that is not among them is called by its id.
    private mutating func learnTitles(_ alerts: [[StoreValue]]) throws(StoreError) {
        let unknown = Set(alerts.map(\.[5].text).filter { titles[$0] == nil }).subtracting(untitled)
        if unknown.isEmpty { return }
        titles = try reader.ruleTitles()
        untitled.formUnion(unknown.filter { titles[$0] == nil })
    }

    private mutating func merged(_ alerts: [[StoreValue]], _ tasks: [[StoreValue]]) throws(StoreError) -> [String] {
        try learnTitles(alerts)
        let lines =
            alerts.map { (time($0[1]), 0, alertLine($0)) } + tasks.map { (time($0[1]), 1, taskLine($0)) }
        return lines.enumerated().sorted { ($0.element.0, $0.element.1, $0.offset) < ($1.element.0, $1.element.1, $1.offset) }
            .map(\.element.2)
    }

    private func time(_ value: StoreValue) -> Int64 { value.integer }
    private func text(_ value: StoreValue) -> String { value.text }
    /// The area's name where the store knows it, else its code.
    private func area(_ value: StoreValue) -> String { areaNames[Area.shortCode(value.text)] ?? value.text }
    private func clock(_ value: StoreValue) -> String {
        formatter.string(from: Date(timeIntervalSince1970: Double(time(value)) / 1000))
    }

    private func alertLine(_ row: [StoreValue]) -> String {
        if asJSON {
            return JSONLine.text([
                ("type", .text("alert")), ("state", .text(text(row[2]))), ("at", .number(time(row[3]))),
                ("id", .text(text(row[10]))), ("rule", .text(text(row[5]))), ("device", .text(text(row[6]))),
                ("area", .text(text(row[8]))), ("severity", .text(text(row[4]))),
                ("value", .real(row[9].double)),
            ])
        }
        let title = titles[text(row[5])]
        let states = [
            "firing": language("ALERT   ", "告警"), "escalated": language("RAISED  ", "升级"),
            "unsilenced": language("ALERT   ", "告警"), "resolved": language("resolved", "恢复"),
        ]
        let state = states[text(row[2])] ?? text(row[2])
        let silence = row[12] == .null ? "" : "  " + language("(silenced)", "（已静默）")
        let severity = text(row[4])
        let severities = ["info": "提示", "warning": "警告", "critical": "严重"]
        let place = [text(row[7]), area(row[8])].filter { !$0.isEmpty && $0 != "unknown" }.joined(separator: " ")
        let value = String(format: "%.1f", row[9].double) + (title.map { " " + $0.unit } ?? "")
        let name = title.map { language($0.english, $0.chinese) } ?? text(row[5])
        return """
            \(clock(row[1]))  \(state)  \(language(severity, severities[severity] ?? severity))  \(name)  \(text(row[6])) \(place)  \
            \(value)  \(text(row[10]))\(silence)
            """
    }

    private func taskLine(_ row: [StoreValue]) -> String {
        if asJSON {
            return JSONLine.text([
                ("type", .text("task")), ("what", .text(text(row[2]))), ("stage", .text(text(row[10]))), ("at", .number(time(row[1]))),
                ("id", .text(text(row[5]))), ("kind", .text(text(row[3]))), ("area", .text(text(row[4]))),
                ("alert", .text(text(row[7]))), ("who", .text(text(row[11]))), ("respond_due", .number(time(row[6]))),
            ])
        }
        let place = [text(row[8]), text(row[9]), area(row[4])].filter { !$0.isEmpty && $0 != "unknown" }.joined(separator: " ")
        let stage = TaskView.word(text(row[2]), language)
        return """
            \(clock(row[1]))  \(language("TASK    ", "任务"))  \(stage)  \(text(row[3]))  \(place)  \
            \(language("respond by", "应响应于")) \(clock(row[6]).suffix(8))  \(text(row[5]))
            """
    }
}

/// A JSON object on one line.
enum JSONLine {
    enum Value { case text(String), number(Int64), real(Double), bool(Bool), raw(String) }

    static func text(_ members: [(String, Value)]) -> String {
        return "{" + members.map { name, value in
            let text =
                switch value {
                case .text(let text): JSONObject.quoted(text)
                case .number(let number): "\(number)"
                case .real(let number): "\(number)"
                case .bool(let on): "\(on)"
                case .raw(let json): json
                }
            return "\(JSONObject.quoted(name)):\(text)"
        }.joined(separator: ",") + "}"
    }
}
