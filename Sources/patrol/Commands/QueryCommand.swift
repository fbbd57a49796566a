import ArgumentParser
import Foundation
import Settings
import Store
import Telemetry

struct QueryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query",
        abstract: "Levels, tracks, readings, alerts, tasks, rejects and devices as a table, CSV or JSON lines.",
        discussion: """
            Rollups come oldest first, everything else newest first. Times are local in tables (--timezone) and UTC
            milliseconds in CSV and JSON.

            EXAMPLES
              patrol query readings --kind noise --device meter-7 --since 10m
              patrol query readings --site exam-1 --period "last night"
              patrol query minutes --device meter-7 --since 2024-06-07T22:00 --until 2024-06-08T06:00 --format csv
              patrol query alerts --since 1d --format json
              patrol query rejects --limit 5
              patrol query noise --site exam-1 --period "2024-06-07 night"
              patrol query noise --area 330110005 --period "last month" --step 1d --format csv
              patrol query exceedance --site exam-1 --period "last week"
              patrol query fences --device car-3 --period yesterday --config patrol.yaml
              patrol query duty --period "last month"
              patrol query stops --device car-3 --period yesterday
            """)

    @Argument(
        help: "noise, vehicle, bodycam, stops, exceedance, fences, duty, readings, minutes, alerts, tasks, rejects, devices, counts.")
    var what: QuerySubject
    @OptionGroup var rollups: RollupOptionGroup
    @Option(help: "Of readings and devices: noise (the default for readings), vehicle or bodycam.") var kind: String?
    @Option(help: "One device only.") var device: String?
    @Option(help: "Alerts: pending, firing or resolved. Tasks: the stage.") var state: String?
    @Option(help: "From this time on: 10m, 2024-06-07T22:00, RFC 3339.") var since: String?
    @Option(help: "Up to this time.") var until: String?
    @Option(help: "Rows at most.") var limit = 50
    @Option(help: "table, csv or json.") var format = "table"
    @Option(help: "Time zone of the table's times.") var timezone = "Asia/Shanghai"
    @OptionGroup var options: StoreOptions

    func run() throws {
        Output.ignoreBrokenPipe()
        guard let format = OutputFormat(rawValue: format) else {
            throw Exit.fail("--format is table, csv or json, not '\(format)'", Exit.usage)
        }
        let ofKind = try kind.map { name in
            if let kind = Kind(name: name) { return kind }
            throw Exit.fail("no kind '\(name)'; there are \(Kind.allCases.map(\.name).joined(separator: ", "))", Exit.usage)
        }
        guard limit > 0 else { throw Exit.fail("--limit is a number from 1 on", Exit.usage) }
        let zone = try MomentOption.zone(timezone)
        let from = try since.map { try MomentOption.parse($0, timezone: zone) }
        let to = try until.map { try MomentOption.parse($0, timezone: zone) }
        if let from, let to, to < from { throw Exit.fail("--until lies before --since", Exit.usage) }
        let reader = try options.reader()
        let collection: StoreCollection
        switch what {
        case .exceedance: return try exceedance(reader, since: from, until: to, format, zone)
        case .fences: return try fences(reader, since: from, until: to, format, zone)
        case .duty: return try duty(reader, since: from, until: to, format, zone)
        case .rollup(let rollups): return try rollup(rollups, reader, since: from, until: to, format, zone)
        case .pages(let pages): collection = pages
        }
        try rollups.refuse(for: collection)
        var query = PageQuery(
            collection, kind: ofKind, device: device, state: state, since: from.map(Timestamp.init(milliseconds:)),
            until: to.map(Timestamp.init(milliseconds:)))
        if rollups.period != nil {
            let period = try range(reader, since: from, until: to, Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)))
            (query.since, query.until) = (period.from, period.to)
        }
        (query.site, query.area) = (rollups.site, rollups.area)
        var columns: [String] = []
        var rows: [[StoreValue]] = []
        var damaged: Set<String> = []
        // Page by page, so that no snapshot is held long; of compact history each page decodes a whole run.
        repeat {
            query.limit = min(limit - rows.count, 4 * StoreReader.pageRows)
            let page = try Exit.onStoreFailure { try reader.page(query) }
            columns = page.columns
            rows += page.rows
            damaged.formUnion(page.damaged)
            query.cursor = page.next
        } while query.cursor != nil && rows.count < limit
        if rows.isEmpty, let device { try explainMissing(device, reader) }
        RowPrinter(columns: columns, format: format, timezone: zone).print(rows)
        if rows.isEmpty && format == .table { Output.line("(nothing: no \(collection.rawValue) match)") }
        for words in damaged.sorted() { Exit.warn(words) }
        if query.cursor != nil && format == .table && isatty(1) == 1 {
            Output.line("(the newest \(limit); more with --limit)")
        }
    }

    func explainMissing(_ device: String, _ reader: StoreReader) throws { try Exit.explainMissing(device, reader) }
}

extension Exit {
    /// Says which device may have been meant where there is none of that name.
    static func explainMissing(_ device: String, _ reader: StoreReader) throws {
        let known = try Exit.onStoreFailure { try reader.rows("SELECT id FROM device LIMIT 200000").rows }
            .map { $0[0].text }
        if known.contains(device) { return }
        let near = nearest(device, in: known).map { "; did you mean '\($0)'?" } ?? ""
        throw Exit.fail("no device is called '\(device)'\(near)", Exit.problems)
    }
}

