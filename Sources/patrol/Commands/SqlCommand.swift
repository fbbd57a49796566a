import ArgumentParser
import Foundation
import Store

struct SqlCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sql",
        abstract: "Asks the store in SQL. Reads only; ends after 30 seconds.",
        discussion: """
            Tables: noise, vehicle, bodycam, noise_1m, noise_10m, noise_20m, noise_1h, noise_1d, vehicle_1m, vehicle_1h,
            vehicle_1d, vehicle_stop, bodycam_1h, bodycam_1d, alert, alert_event, task, task_event, device, reject, message_count.
            All times are UTC milliseconds.

            EXAMPLES
              patrol sql "SELECT device, count(*) AS n FROM alert GROUP BY device ORDER BY n DESC LIMIT 10"
              patrol sql --format csv "SELECT * FROM noise_1m WHERE device = 'meter-7'" > minutes.csv
            """)

    static let seconds = 30.0

    @Argument(help: "One SELECT.") var statement: String
    @Option(help: "table, csv or json.") var format = "table"
    @Option(help: "Time zone of the table's times.") var timezone = "Asia/Shanghai"
    @OptionGroup var options: StoreOptions

    func run() throws {
        Output.ignoreBrokenPipe()
        guard let format = OutputFormat(rawValue: format) else {
            throw Exit.fail("--format is table, csv or json, not '\(format)'", Exit.usage)
        }
        let zone = try MomentOption.zone(timezone)
        let reader = try options.reader()
        do throws(StoreError) {
            let (columns, rows) = try reader.rows(statement, seconds: SqlCommand.seconds)
            if columns.isEmpty { return }
            RowPrinter(columns: columns, format: format, timezone: zone).print(rows)
            if rows.isEmpty && format == .table { Output.line("(nothing)") }
        } catch {
            switch error.cause {
            case .readOnly: throw Exit.fail("'patrol sql' only reads; nothing was changed", Exit.usage)
            case .input, .other: throw Exit.fail("\(error.detail). The tables: patrol sql --help", Exit.problems)
            default: throw Exit.fail("\(error)", Exit.store)
            }
        }
    }
}
