import ArgumentParser
import Foundation
import Settings
import Store
import Telemetry

/// What `patrol query` is asked for.
enum QuerySubject: ExpressibleByArgument {
    case pages(StoreCollection)
    case rollup(RollupCollection)
    case exceedance, fences, duty

    init?(argument: String) {
        if let pages = StoreCollection(rawValue: argument) {
            self = .pages(pages)
        } else if let rollup = RollupCollection(rawValue: argument) {
            self = .rollup(rollup)
        } else if let other = ["exceedance": Self.exceedance, "fences": .fences, "duty": .duty][argument] {
            self = other
        } else {
            return nil
        }
    }

    static var allValueStrings: [String] { RollupCollection.allCases.map(\.rawValue) + ["exceedance", "fences", "duty"] + StoreCollection.allCases.map(\.rawValue) }
}

/// Options that only rollups have.
struct RollupOptionGroup: ParsableArguments {
    @Option(help: "A stretch of local time: yesterday, last night, 2024-06-07 night, 2024-06, 2024-06-01..2024-06-07.")
    var period: String?
    @Option(help: "Rollups: 1m, 10m, 20m, 1h or 1d; chosen by the length of the period where it is not given.") var step: String?
    @Option(help: "Devices of a site.") var site: String?
    @Option(help: "Devices of an area and all below it, by its code.") var area: String?
    @Flag(help: "Noise: also what flagged readings (rain, wind, calibration, fault) make, which is no evidence.") var flagged = false

    /// What cannot be asked of a collection.
    func refuse(for collection: StoreCollection) throws {
        for (name, isGiven) in [("--step", step != nil), ("--flagged", flagged)] where isGiven {
            let names = RollupCollection.allCases.map(\.rawValue).joined(separator: ", ")
            throw Exit.fail("\(name) is of rollups (\(names)), not of \(collection.rawValue)", Exit.usage)
        }
        for (name, isGiven) in [("--site", site != nil), ("--area", area != nil)] where isGiven && !collection.hasPlaces {
            throw Exit.fail("\(collection.rawValue) have no place: leave \(name) away", Exit.usage)
        }
        if period != nil && !collection.hasTimes { throw Exit.fail("\(collection.rawValue) have no time: leave --period away", Exit.usage) }
    }
}

extension QueryCommand {
    func rollup(
        _ collection: RollupCollection, _ reader: StoreReader, since: Int64?, until: Int64?, _ format: OutputFormat, _ zone: TimeZone
    ) throws {
        let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        let range = try range(reader, since: since, until: until, now)
        let step = try step(collection, range)
        var query = RollupQuery(collection, step: step, from: range.from, to: range.to, limit: limit + 1)
        query.device = device
        query.site = rollups.site
        query.area = rollups.area
        query.includesFlagged = rollups.flagged
        var (columns, rows) = try Exit.onStoreFailure { try reader.rollup(query) }
        if rows.isEmpty, let device { try explainMissing(device, reader) }
        let isCut = rows.count > limit
        rows = Array(rows.prefix(limit))
        if format == .table, collection == .noise { Sparkline.append(to: &rows, &columns) }
        RowPrinter(columns: columns, format: format, timezone: zone).print(rows)
        if rows.isEmpty && format == .table { Output.line("(nothing in this period)") }
        if isCut && format == .table { Output.line("(the first \(limit); more with --limit)") }
    }

    func range(_ reader: StoreReader, since: Int64?, until: Int64?, _ now: Timestamp) throws -> LocalPeriod {
        guard let text = rollups.period else {
            let to = until.map(Timestamp.init(milliseconds:)) ?? now
            return LocalPeriod(from: since.map(Timestamp.init(milliseconds:)) ?? to + -86_400_000, to: to)
        }
        if since != nil || until != nil { throw Exit.fail("give --period or --since and --until, not both", Exit.usage) }
        let setting = try Exit.onStoreFailure { try reader.rollupSetting() }
        guard let zone = LocalZone(identifier: setting.zone),
            let period = LocalPeriod(text, zone: zone, now: now, dayStarts: setting.dayStarts, nightStarts: setting.nightStarts)
        else { throw Exit.fail("--period '\(text)' is none; write \(LocalPeriod.words)", Exit.usage) }
        return period
    }

    private func step(_ collection: RollupCollection, _ range: LocalPeriod) throws -> RollupQuery.Step {
        let there = RollupQuery.steps(of: collection)
        guard let text = rollups.step else { return RollupQuery.step(for: collection, milliseconds: range.to - range.from) }
        if let step = RollupQuery.Step(rawValue: text), there.contains(step) { return step }
        let names = there.map(\.rawValue).joined(separator: ", ")
        throw Exit.fail(
            there.isEmpty ? "\(collection.rawValue) have no --step" : "--step of \(collection.rawValue) is \(names), not '\(text)'", Exit.usage)
    }
}

/// Levels as a column of bars, from the lowest to the highest of the rows.
enum Sparkline {
    private static let bars = Array("▁▂▃▄▅▆▇█")

    static func append(to rows: inout [[StoreValue]], _ columns: inout [String]) {
        guard let level = columns.firstIndex(of: "leq") else { return }
        let levels = rows.map { row -> Double? in if case .null = row[level] { nil } else { row[level].double } }
        let known = levels.compactMap { $0 }
        guard let low = known.min(), let high = known.max(), high > low else { return }
        columns.append("leq")
        for index in rows.indices {
            let bar = levels[index].map { value in
                String(bars[..<(1 + Int((value - low) / (high - low) * Double(bars.count - 1)))])
            }
            rows[index].append(.text(bar ?? ""))
        }
    }
}
