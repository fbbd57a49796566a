import Foundation
import Rules
import Telemetry

/// What a backtest found, for people and for programs.
struct BacktestReport {
    struct Row {
        var rule: String, device: String, area: String, task: String?
        var fired: Timestamp, started: Timestamp
        var resolved: Timestamp?
        var value: Double, severity: String, reason: String
        var milliseconds: Int64
    }

    let rows: [Row]
    private let readings: Int
    private let ruleIDs: [String]
    private let zone: LocalZone

    init(_ run: Backtest.Outcome, rules: [RuleDefinition], zone: LocalZone) {
        let devices = Dictionary(run.devices.map { ($0.number, $0) }) { first, _ in first }
        rows = run.alerts.map { fired in
            let alert = fired.last
            let rule = rules[alert.rule]
            let device = devices[alert.device]
            let at = alert.firedAt ?? alert.startedAt
            return Row(
                rule: rule.id, device: alert.subject ?? device?.id ?? "?", area: device?.area ?? "unknown", task: rule.taskKind,
                fired: at, started: alert.startedAt, resolved: fired.resolvedAt, value: alert.value,
                severity: alert.severity.rawValue, reason: fired.resolvedAt == nil ? "" : alert.reason.rawValue,
                milliseconds: (fired.resolvedAt ?? run.end) - at)
        }
        readings = run.readings
        ruleIDs = rules.map(\.id)
        self.zone = zone
    }

    private func day(_ moment: Timestamp) -> String { zone.day(moment).text }

    private static func grouped<Key: Hashable & Comparable>(_ rows: [Row], by key: (Row) -> Key) -> [(key: Key, rows: [Row])] {
        Dictionary(grouping: rows, by: key).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    static func lasting(_ milliseconds: Int64) -> String {
        let seconds = milliseconds / 1000
        if seconds < 60 { return "\(seconds)s" }
        if seconds < 3600 { return "\(seconds / 60)m\(seconds % 60 == 0 ? "" : "\(seconds % 60)s")" }
        return "\(seconds / 3600)h\(seconds / 60 % 60 == 0 ? "" : "\(seconds / 60 % 60)m")"
    }

    var table: [String] {
        var lines = ["\(rows.count) alerts over \(readings) readings"]
        func section(_ title: String, _ header: [String], _ cells: [[String]]) {
            guard !cells.isEmpty else { return }
            lines += ["", title] + BacktestReport.aligned([header] + cells)
        }
        section(
            "By rule", ["rule", "alerts", "devices", "median", "longest", "open", "tasks"],
            ruleIDs.map { id in
                let own = rows.filter { $0.rule == id }
                let times = own.map(\.milliseconds).sorted()
                return [
                    id, "\(own.count)", "\(Set(own.map(\.device)).count)",
                    times.isEmpty ? "" : BacktestReport.lasting(times[times.count / 2]),
                    times.last.map(BacktestReport.lasting) ?? "", "\(own.filter { $0.resolved == nil }.count)",
                    "\(own.filter { $0.task != nil }.count)",
                ]
            })
        section(
            "By day", ["day", "alerts", "tasks 00–08", "08–16", "16–24"],
            BacktestReport.grouped(rows) { day($0.fired) }.map { key, own in
                let shifts = (0..<3).map { shift in
                    own.filter { $0.task != nil && zone.local($0.fired).milliseconds / 28_800_000 == Int64(shift) }.count
                }
                return [key, "\(own.count)"] + shifts.map { "\($0)" }
            })
        section(
            "By area", ["area", "alerts"],
            BacktestReport.grouped(rows) { $0.area }.map { [$0.key, "\($0.rows.count)"] })
        section(
            "The ten longest", ["rule", "device", "fired", "lasting", "value"],
            rows.sorted { ($1.milliseconds, $0.rule, $0.device) < ($0.milliseconds, $1.rule, $1.device) }.prefix(10).map {
                [$0.rule, $0.device, shown($0.fired), BacktestReport.lasting($0.milliseconds), "\($0.value)"]
            })
        return lines
    }

    func shown(_ moment: Timestamp) -> String {
        let local = zone.local(moment)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let seconds = local.milliseconds / 1000
        return "\(local.day.text) \(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
    }

    var json: [String] {
        rows.map { row in
            JSONLine.text([
                ("rule", .text(row.rule)), ("device", .text(row.device)), ("area", .text(row.area)),
                ("started_at", .raw("\(row.started.milliseconds)")), ("fired_at", .raw("\(row.fired.milliseconds)")),
                ("resolved_at", .raw(row.resolved.map { "\($0.milliseconds)" } ?? "null")), ("value", .raw("\(row.value)")),
                ("severity", .text(row.severity)), ("reason", .text(row.reason)),
            ])
        } + [
            JSONLine.text([
                ("alerts", .raw("\(rows.count)")), ("readings", .raw("\(readings)")),
                ("tasks", .raw("\(rows.filter { $0.task != nil }.count)")),
            ])
        ]
    }

    static func aligned(_ rows: [[String]]) -> [String] {
        let widths = rows[0].indices.map { column in rows.map { RowPrinter.width($0[column]) }.max() ?? 0 }
        return rows.map { row in
            var line = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - RowPrinter.width($0)) }.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}

/// Alerts of two sets of rules over the same readings.
struct BacktestDifference {
    private var new: [BacktestReport.Row] = []
    private var gone: [BacktestReport.Row] = []
    private var moved: [(from: BacktestReport.Row, to: BacktestReport.Row)] = []
    private let report: BacktestReport

    init(_ report: BacktestReport, _ other: BacktestReport) {
        self.report = report
        // One rule's alerts at one device stand in order of time; those that overlap are the same alert.
        var others = Dictionary(grouping: other.rows) { "\($0.rule)\n\($0.device)" }
        for row in report.rows {
            let key = "\(row.rule)\n\(row.device)"
            let index = others[key]?.firstIndex { $0.started <= row.fired + row.milliseconds && row.started <= $0.fired + $0.milliseconds }
            guard let index, let old = others[key]?.remove(at: index) else {
                new.append(row)
                continue
            }
            if old.fired != row.fired || old.resolved != row.resolved || old.severity != row.severity { moved.append((old, row)) }
        }
        gone = others.values.flatMap { $0 }.sorted { ($0.fired, $0.rule, $0.device) < ($1.fired, $1.rule, $1.device) }
    }

    var table: [String] {
        var lines = ["", "Against the other rules: \(new.count) new, \(gone.count) gone, \(moved.count) moved"]
        for (sign, rows) in [("+", new), ("-", gone)] where !rows.isEmpty {
            lines += BacktestReport.aligned(
                rows.prefix(50).map { [sign, $0.rule, $0.device, report.shown($0.fired), BacktestReport.lasting($0.milliseconds)] })
            if rows.count > 50 { lines.append("\(sign) and \(rows.count - 50) more (--format json has all)") }
        }
        if !moved.isEmpty {
            lines += BacktestReport.aligned(
                moved.prefix(50).map {
                    [
                        "~", $0.to.rule, $0.to.device, report.shown($0.from.fired), "→", report.shown($0.to.fired),
                        BacktestReport.lasting($0.from.milliseconds), "→", BacktestReport.lasting($0.to.milliseconds),
                    ]
                })
        }
        return lines
    }

    var json: [String] {
        func line(_ change: String, _ row: BacktestReport.Row) -> String {
            JSONLine.text([
                ("change", .text(change)), ("rule", .text(row.rule)), ("device", .text(row.device)),
                ("fired_at", .raw("\(row.fired.milliseconds)")),
                ("resolved_at", .raw(row.resolved.map { "\($0.milliseconds)" } ?? "null")),
            ])
        }
        return new.map { line("new", $0) } + gone.map { line("gone", $0) } + moved.map { line("moved", $0.to) }
    }
}
