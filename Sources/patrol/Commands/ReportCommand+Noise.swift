import ArgumentParser
import Foundation
import Reports
import Settings
import Store
import Telemetry

/// What all reports over the rollups are asked for.
struct ReportOptions: ParsableArguments {
    @Option(help: "A stretch of local time: yesterday, \"last night\", 2024-06-07, 2024-06, \"last month\", 2024, 2024-06-01..2024-06-07.")
    var period = "yesterday"
    @Option(help: "table, csv, json or html.") var format = "table"
    @Option(help: "zh or en; without it as the terminal's locale says.") var lang: String?
    @OptionGroup var store: StoreOptions

    struct Checked {
        var reader: StoreReader
        var settings: Settings?
        var zone: LocalZone
        var period: LocalPeriod
        var view: View
        var isHTML: Bool
        var language: ReportLanguage
    }

    func checked() throws -> Checked {
        Output.ignoreBrokenPipe()
        guard format == "html" || OutputFormat(rawValue: format) != nil else {
            throw Exit.fail("--format is table, csv, json or html, not '\(format)'", Exit.usage)
        }
        let language = try Language.option(lang)
        let reader = try store.reader()
        let setting = try Exit.onStoreFailure { try reader.rollupSetting() }
        guard let zone = LocalZone(identifier: setting.zone) else {
            throw Exit.fail("this system knows no time zone '\(setting.zone)'", Exit.settings)
        }
        let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        guard let span = LocalPeriod(period, zone: zone, now: now, dayStarts: setting.dayStarts, nightStarts: setting.nightStarts) else {
            throw Exit.fail("--period '\(period)' is none; write \(LocalPeriod.words)", Exit.usage)
        }
        return Checked(
            reader: reader, settings: try store.settings(), zone: zone, period: span,
            view: View(format: OutputFormat(rawValue: format) ?? .table, language: language, timezone: try MomentOption.zone(setting.zone)),
            isHTML: format == "html", language: ReportLanguage(rawValue: language.rawValue)!)
    }
}

struct NoiseReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "noise",
        abstract: "Levels of meters against their limits: charts, exceedances, coverage.",
        discussion: """
            Limits, sites and exam calendars are those of the settings (--config); without settings the limits delivered hold.
            CSV and JSON have every number of the page.

            EXAMPLES
              patrol report noise --period "last month" --format html --lang zh > noise.html
              patrol report noise --period 2024-06-07 --device meter-7 --format csv
            """)

    @Option(help: "One meter.") var device: String?
    @Option(help: "Meters of an area and all below it, by its code.") var area: String?
    @OptionGroup var options: ReportOptions

    func run() throws { try NoiseReportCommand.report(options, device: device, site: nil, area: area) }

    static func report(_ options: ReportOptions, device: String?, site: String?, area: String?) throws {
        let asked = try options.checked()
        let report = try Exit.onStoreFailure {
            try NoiseReport.read(asked.reader, period: asked.period, world: asked.settings?.world, device: device, site: site, area: area)
        }
        if report.meters.isEmpty, let device { try Exit.explainMissing(device, asked.reader) }
        if report.meters.isEmpty, let site { try explainMissing(site: site, asked.reader) }
        if asked.isHTML {
            let sites = Dictionary((asked.settings?.world.sites.all ?? []).map { ($0.id, $0.name) }, uniquingKeysWith: { first, _ in first })
            let subject = device ?? site.map { sites[$0] ?? $0 } ?? area
            let title = [asked.language("Noise", "噪声监测报告"), subject, options.period].compactMap { $0 }.joined(separator: " · ")
            return Output.line(report.html(title: title, asked.language, places: (sites, true)))
        }
        if asked.view.format == .table {
            asked.view.table(
                columns: NoiseReport.summaryColumns, NoiseReport.headings, report.summary(forPeople: true),
                empty: asked.language("nothing was measured in this period", "该时段没有监测数据"))
        } else {
            asked.view.table(columns: NoiseReport.columns, [:], report.rows(), empty: "")
        }
    }

    private static func explainMissing(site: String, _ reader: StoreReader) throws {
        let known = try Exit.onStoreFailure { try reader.rows("SELECT DISTINCT site FROM device WHERE site IS NOT NULL AND kind = 'noise'").rows }
        let names = known.map { $0[0].text }
        guard !names.contains(site) else { return }
        let hint = nearest(site, in: names).map { "; did you mean '\($0)'?" } ?? ""
        throw Exit.fail("no meter is at a site '\(site)'\(hint)", Exit.problems)
    }
}

struct SiteReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "site",
        abstract: "The noise report of a site: all its meters.",
        discussion: """
            EXAMPLES
              patrol report site exam-1 --period "2024-06-07 night" --format html --lang zh > night.html
              patrol report site site-3 --period 2024 --format html > year.html
            """)

    @Argument(help: "The site's id.") var site: String
    @OptionGroup var options: ReportOptions

    func run() throws { try NoiseReportCommand.report(options, device: nil, site: site, area: nil) }
}
