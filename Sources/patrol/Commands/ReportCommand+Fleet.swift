import ArgumentParser
import Reports
import Settings
import Store
import Telemetry

struct FleetReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet",
        abstract: "Vehicles: distance, time moving, idling and stopped, stops, fences.",
        discussion: """
            Hours in fences come from the readings and the fences of the settings (--config).

            EXAMPLES
              patrol report fleet --period "last month" --format html --lang zh > fleet.html
              patrol report fleet --period 2024-06 --format csv
            """)

    @Option(help: "One vehicle.") var device: String?
    @Option(help: "Vehicles of an area and all below it, by its code.") var area: String?
    @OptionGroup var options: ReportOptions

    func run() throws {
        let asked = try options.checked()
        let world = asked.settings?.world
        let report = try Exit.onStoreFailure {
            try FleetReport.read(asked.reader, period: asked.period, zone: asked.zone, world: world, device: device, area: area)
        }
        if report.vehicles.isEmpty, let device { try Exit.explainMissing(device, asked.reader) }
        if asked.isHTML {
            let names = Dictionary((world?.fences.all ?? []).map { ($0.id, $0.name) }, uniquingKeysWith: { first, _ in first })
            let title = [asked.language("Fleet", "车辆运行报告"), device ?? area, options.period].compactMap { $0 }.joined(separator: " · ")
            return Output.line(report.html(title: title, asked.language, asked.period, asked.zone, fenceNames: names))
        }
        asked.view.table(
            columns: report.allColumns, FleetReport.headings, report.rows(forPeople: asked.view.format == .table),
            empty: asked.language("no vehicle sent a position in this period", "该时段没有车辆定位数据"))
    }
}

struct DutyReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "duty",
        abstract: "Officers and teams: online and recording on shift, distance, time in the area, tasks and alerts attended.",
        discussion: """
            Shifts are those of units.csv that begin in the period; the night shift belongs to the evening on which it starts.
            Figures come from the readings, exact to the shift's minute; time in the area needs the settings (--config).

            EXAMPLES
              patrol report duty --period "last month" --format html --lang zh > duty.html
              patrol report duty --period 2024-06 --format csv
            """)

    @OptionGroup var options: ReportOptions

    func run() throws {
        let asked = try options.checked()
        let report = try Exit.onStoreFailure {
            try DutyReport.read(asked.reader, period: asked.period, zone: asked.zone, world: asked.settings?.world)
        }
        if asked.isHTML {
            let title = "\(asked.language("Duty", "勤务考核")) · \(options.period)"
            return Output.line(report.html(title: title, asked.language, asked.period, asked.zone))
        }
        let forPeople = asked.view.format == .table
        asked.view.table(
            columns: DutyReport.columns, DutyReport.headings, report.rows(forPeople: forPeople, asked.language),
            empty: asked.language("there are no units: name units.csv in the settings", "没有处置单元：请在设置中指定 units.csv"))
        if forPeople, let edge = report.edge {
            Output.line(asked.language("(readings before \(asked.zone.day(edge).text) are no longer there)", "（\(asked.zone.day(edge).text) 之前的读数已过保存期）"))
        }
    }
}
