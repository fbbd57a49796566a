import ArgumentParser
import Foundation
import Reports
import Settings
import Store
import Telemetry

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Figures of a period.", 
        subcommands: [
            NoiseReportCommand.self, SiteReportCommand.self, FleetReportCommand.self, DutyReportCommand.self, DispatchReportCommand.self,
        ])
}

struct DispatchReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dispatch",
        abstract: "Response, setting out, arrival and disposal by percentile and share, outcomes, false alarms by rule.",
        discussion: """
            Tasks that were made in the period, merged ones left out; times count from the creation to the first time that the
            stage was reached. The shares leave out tasks whose time is not over yet.

            EXAMPLES
              patrol report dispatch --period 2024-06
              patrol report dispatch --period 2024-06-07 --format csv
              patrol report dispatch --period 7d --format html > week.html
            """)

    @Option(help: "A day (2024-06-07), a month (2024-06), a year, or so long until now (7d).") var period = "1d"
    @Option(help: "table, csv, json or html.") var format = "table"
    @Option(help: "zh or en; without it as the terminal's locale says.") var lang: String?
    @Option(help: "Time zone of days and hours.") var timezone = "Asia/Shanghai"
    @OptionGroup var store: StoreOptions

    func run() throws {
        Output.ignoreBrokenPipe()
        guard format == "html" || OutputFormat(rawValue: format) != nil else {
            throw Exit.fail("--format is table, csv, json or html, not '\(format)'", Exit.usage)
        }
        guard let zone = LocalZone(identifier: timezone) else {
            throw Exit.fail("no time zone is called '\(timezone)'; write for example Asia/Shanghai", Exit.usage)
        }
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        guard let (from, to) = Self.span(period, zone: zone, now: now) else {
            throw Exit.fail("--period is a day (2024-06-07), a month (2024-06), a year (2024) or a time until now (7d), not '\(period)'", Exit.usage)
        }
        let language = try Language.option(lang)
        let reader = try store.reader()
        let report = try Exit.onStoreFailure { try DispatchReport.read(reader, from: from, to: to, now: min(now, max(to, from)), zone: zone) }
        if format == "html" { return Output.line(html(report, language)) }
        let view = View(format: OutputFormat(rawValue: format)!, language: language, timezone: try MomentOption.zone(timezone))
        let forPeople = view.format == .table
        view.table(
            columns: DispatchReport.columns, DispatchReport.headings, report.rows(forPeople: forPeople),
            empty: language("no task", "没有任务"))
        if forPeople && !report.falseAlarms.isEmpty {
            Output.line("\n\(language("What instruments found within the limit, by rule", "实测未超标（误报）按规则"))")
            view.table(columns: DispatchReport.alarmColumns, DispatchReport.headings, report.alarmRows(forPeople: true), empty: "")
        }
    }

    /// From when until when, in ms.
    static func span(_ text: String, zone: LocalZone, now: Int64) -> (Int64, Int64)? {
        if let milliseconds = durationMilliseconds(text) { return (now - milliseconds, now + 1) }
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...3).contains(parts.count), parts.allSatisfy({ $0 != nil }), let year = parts[0], (1970...9999).contains(year) else { return nil }
        let month = parts.count > 1 ? parts[1]! : 1
        guard let first = LocalDay(year: year, month: month, day: parts.count > 2 ? parts[2]! : 1) else { return nil }
        let next: LocalDay?
        switch parts.count {
        case 1: next = LocalDay(year: year + 1, month: 1, day: 1)
        case 2: next = month == 12 ? LocalDay(year: year + 1, month: 1, day: 1) : LocalDay(year: year, month: month + 1, day: 1)
        default: next = first + 1
        }
        return next.map { (zone.moment(first).milliseconds, zone.moment($0).milliseconds) }
    }

    private func html(_ report: DispatchReport, _ language: Language) -> String {
        var page = Page(title: language("Dispatch", "指挥调度") + " · " + period, language: ReportLanguage(rawValue: language.rawValue)!)
        func add(_ columns: [String], _ rows: [[StoreValue]], _ texts: Set<Int>) {
            page.table(
                heads: columns.map { name in DispatchReport.headings[name].map { language($0.0, $0.1) } ?? name },
                rows: rows.map { row in
                    row.map { value in if case .integer(let number) = value { "\(number)" } else { value.text } }
                }, textColumns: texts)
        }
        add(DispatchReport.columns, report.rows(forPeople: true), [0, 1, DispatchReport.columns.count - 1])
        if !report.falseAlarms.isEmpty {
            page.heading(language("Found within the limit, by rule", "实测未超标（误报）按规则"))
            add(DispatchReport.alarmColumns, report.alarmRows(forPeople: true), [0])
        }
        return page.html
    }
}
