import Foundation
import Reports
import Rollups
import Settings
import Store
import Telemetry

/// Duty figures (考核) of officers and teams: shifts that begin in a period, by what their devices sent.
struct DutyReport {
    struct Shift {
        var unit: String, officer: String, team: String
        var hours: Double
        /// Shares of the shift, and of the time online; nil without a device, or without settings for areas.
        var online: Double?, recording: Double?, inArea: Double?
        var kilometres: Double?
    }

    struct Line {
        var group: String, name: String
        var shifts: [Shift]
        var tasks: Set<String> = [], alerts: Set<String> = []
        var onScene: [Double] = []
    }

    var lines: [Line] = []
    /// Readings before it have gone.
    var edge: Timestamp?

    static func read(_ reader: StoreReader, period: LocalPeriod, zone: LocalZone, world: World?) throws -> DutyReport {
        // Units as the store has them: the settings need not be at hand.
        let units = try reader.rows("SELECT id, device, officer, team, areas, shift FROM unit ORDER BY id").rows
        let kinds = Dictionary(
            try reader.rows("SELECT id, kind FROM device").rows.map { ($0[0].text, Kind(name: $0[1].text)) }, uniquingKeysWith: { first, _ in first })
        let areas = world?.areas.areas.contains { $0.shape != nil } == true ? world?.areas : nil
        var windows: [Kind: [String: [(from: Timestamp, until: Timestamp)]]] = [:]
        var shifts: [(unit: [StoreValue], windows: [(from: Timestamp, until: Timestamp)])] = []
        for unit in units {
            let hours = unit[5] == .null ? HourRange.wholeDay : HourRange(unit[5].text) ?? .wholeDay
            var list: [(from: Timestamp, until: Timestamp)] = []
            var day = zone.day(period.from) + -1
            // The night shift belongs to the evening on which it starts.
            while zone.moment(day) < period.to {
                let (from, until) = hours.period(of: day, in: zone)
                if from >= period.from && from < period.to { list.append((from, until)) }
                day = day + 1
            }
            shifts.append((unit, list))
            let device = unit[1] == .null ? nil : unit[1].text
            if let device, let kind = kinds[device] ?? nil, kind != .noise { windows[kind, default: [:]][device] = list }
        }
        let scan = PresenceScan(reader: reader, zone: zone) { place in areas?.number(at: place).map { [$0] } ?? [] }
        let found = try scan.run(windows)
        var all: [Shift] = []
        for (unit, windows) in shifts {
            let device = unit[1].text
            let fold = (kinds[device] ?? nil).flatMap { found[$0]?[device] }
            let allowed = unit[4].text.split(separator: ";").compactMap { areas?.number(ofCode: String($0)) }
            for (index, window) in windows.enumerated() {
                let length = Double(window.until - window.from)
                var shift = Shift(unit: unit[0].text, officer: unit[2].text, team: unit[3].text, hours: length / 3_600_000)
                if let sums = fold?.sums[index] {
                    let online = Double(sums.onlineMilliseconds)
                    shift.online = online / length
                    if kinds[device] == .bodycam { shift.recording = online > 0 ? Double(sums.recordingMilliseconds) / online : nil }
                    shift.kilometres = sums.distanceMetres / 1000
                    if let areas, !allowed.isEmpty, online > 0 {
                        let inside = sums.inside.filter { number, _ in allowed.contains { areas.below($0).contains(number) } }.values.reduce(0, +)
                        shift.inArea = Double(inside) / online
                    }
                }
                all.append(shift)
            }
        }
        var report = DutyReport()
        for kind in windows.keys {
            if let oldest = try ReadingRange(path: reader.path).oldest(kind: kind), oldest > period.from { report.edge = max(report.edge ?? oldest, oldest) }
        }
        report.lines = lines("officer", all, \.officer) + lines("team", all, \.team)
        try report.addTasks(reader, period, units)
        return report
    }

    private static func lines(_ group: String, _ shifts: [Shift], _ name: (Shift) -> String) -> [Line] {
        Dictionary(grouping: shifts, by: name).filter { !$0.key.isEmpty }.sorted { $0.key < $1.key }.map { Line(group: group, name: $0.key, shifts: $0.value) }
    }

    /// Tasks that a unit reached in the period, and the alerts behind them.
    private mutating func addTasks(_ reader: StoreReader, _ period: LocalPeriod, _ units: [[StoreValue]]) throws {
        let rows = try reader.rows(
            """
            SELECT coalesce(e.unit, t.unit), t.id, min(e.at) - t.created_at,
              (SELECT group_concat(s.ref, char(10)) FROM task_source s WHERE s.task_id = t.id AND s.kind = 'alert'), t.alert_id
            FROM task_event e JOIN task t ON t.id = e.task_id
            WHERE e.what = 'on_scene' AND e.at >= ? AND e.at < ? AND t.merged_into IS NULL GROUP BY 1, t.id
            """, [.integer(period.from.milliseconds), .integer(period.to.milliseconds)]).rows
        let names = Dictionary(units.map { ($0[0].text, (officer: $0[2].text, team: $0[3].text)) }, uniquingKeysWith: { first, _ in first })
        for row in rows {
            guard let unit = names[row[0].text] else { continue }
            for index in lines.indices where lines[index].name == (lines[index].group == "team" ? unit.team : unit.officer) {
                lines[index].tasks.insert(row[1].text)
                lines[index].onScene.append(row[2].double / 1000)
                if row[4] != .null { lines[index].alerts.insert(row[4].text) }
                if row[3] != .null { lines[index].alerts.formUnion(row[3].text.split(separator: "\n").map(String.init)) }
            }
        }
    }

    // MARK: As rows

    static let columns = [
        "group", "name", "shifts", "shift_h", "online_p10", "online_p50", "online_p90", "recording_p50", "km", "km_p50", "in_area_p50",
        "tasks", "alerts", "on_scene_p50_s", "on_scene_p90_s",
    ]
    static let headings: View.Headings = [
        "group": ("by", "分组"), "name": ("name", "名称"), "shifts": ("shifts", "班次"), "shift_h": ("hours", "班次小时"),
        "online_p10": ("online p10", "在线率 p10"), "online_p50": ("p50", "p50"), "online_p90": ("p90", "p90"),
        "recording_p50": ("recording p50", "录像率 p50"), "km": ("km", "里程 km"), "km_p50": ("km a shift p50", "每班里程 p50"),
        "in_area_p50": ("in area p50", "辖区内 p50"), "tasks": ("tasks", "到场任务"), "alerts": ("alerts", "处置告警"),
        "on_scene_p50_s": ("on scene p50", "到场 p50"), "on_scene_p90_s": ("p90", "p90"),
    ]

    func rows(forPeople: Bool, _ language: ReportLanguage = .english) -> [[StoreValue]] {
        func share(_ value: Double?) -> StoreValue {
            guard let value else { return .null }
            return forPeople ? .text(String(format: "%.1f %%", value * 100)) : .real((value * 1e6).rounded() / 1e6)
        }
        func number(_ value: Double?, _ decimals: Int = 1) -> StoreValue {
            guard let value else { return .null }
            return forPeople ? .text(String(format: "%.\(decimals)f", value)) : .real((value * 1e6).rounded() / 1e6)
        }
        func time(_ value: Double?) -> StoreValue {
            guard let value else { return .null }
            return forPeople ? .text(String(format: "%d:%02d", Int(value) / 60, Int(value) % 60)) : .real(value)
        }
        return lines.map { line in
            let online = line.shifts.compactMap(\.online)
            let driven = line.shifts.compactMap(\.kilometres)
            let group = forPeople ? line.group == "team" ? language("team", "中队") : language("officer", "队员") : line.group
            return [
                .text(group), .text(line.name), .integer(Int64(line.shifts.count)), number(line.shifts.reduce(0) { $0 + $1.hours }),
                share(nearestRank(online, 0.1)), share(nearestRank(online, 0.5)), share(nearestRank(online, 0.9)),
                share(nearestRank(line.shifts.compactMap(\.recording), 0.5)), number(driven.isEmpty ? nil : driven.reduce(0, +)),
                number(nearestRank(driven, 0.5)), share(nearestRank(line.shifts.compactMap(\.inArea), 0.5)), .integer(Int64(line.tasks.count)),
                .integer(Int64(line.alerts.count)), time(nearestRank(line.onScene, 0.5)), time(nearestRank(line.onScene, 0.9)),
            ]
        }
    }

    static let textColumns: Set<Int> = [0, 1]

    func html(title: String, _ language: ReportLanguage, _ period: LocalPeriod, _ zone: LocalZone) -> String {
        var page = Page(title: title, language: language)
        page.facts([
            (language("Shifts that begin", "班次开始日期"), "\(zone.day(period.from).text) – \(zone.day(period.to + -1).text)"),
            (language("Time zone", "时区"), zone.identifier),
        ])
        if let edge {
            page.paragraph(
                language(
                    "Readings before \(zone.day(edge).text) are no longer there: shifts before count as offline.",
                    "\(zone.day(edge).text) 之前的读数已过保存期，此前班次计为离线。"))
        }
        if lines.isEmpty {
            page.paragraph(language("There are no units: name units.csv in the settings.", "没有处置单元：请在设置中指定 units.csv。"))
            return page.html
        }
        for group in ["team", "officer"] {
            let part = lines.filter { $0.group == group }
            guard !part.isEmpty else { continue }
            page.heading(group == "team" ? language("Teams", "中队") : language("Officers", "队员"))
            let median = part.map { ($0.name, (nearestRank($0.shifts.compactMap(\.online), 0.5) ?? 0) * 100) }
            page.figure(
                Bars.svg(median.prefix(40).map { ($0.0, $0.1) }, label: language("Median share online", "在线率中位数")) { String(format: "%.1f %%", $0) },
                caption: language("Share of the shift online, median of the shifts", "班次在线率（各班次中位数）"))
            var some = DutyReport()
            some.lines = part
            page.table(
                heads: Self.columns.dropFirst().map { Self.headings[$0].map { language($0.0, $0.1) } ?? $0 },
                rows: some.rows(forPeople: true, language).map { $0.dropFirst().map(NoiseReport.shown) }, textColumns: [0])
        }
        page.paragraph(
            language(
                "Online: between readings no further apart than a device of its kind may be silent (cameras 180 s, vehicles 10 min). Recording: of the time online. p10, p50, p90: nearest rank over the shifts. A night shift belongs to the evening on which it starts.",
                "在线：相邻读数间隔不超过该类设备允许的静默时间（执法记录仪 180 秒，车辆 10 分钟）。录像率：占在线时间的比例。p10、p50、p90 为各班次的最近秩百分位。夜班归属其开始的当晚。"))
        return page.html
    }
}
