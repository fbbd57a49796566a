import Foundation
import Settings
import Store
import Telemetry

/// Hours, days (Ld) and nights (Ln) over the limit of their zone.
struct Exceedance {
    let zone: LocalZone
    let dayStarts: Int64
    let nightStarts: Int64
    let limits: NoiseLimits

    static let columns = [
        "device", "site", "zone", "standard", "what", "start", "level", "limit", "excess", "coverage", "valid",
    ]

    /// Construction sites are judged by GB 12523, all else by the zone of GB 3096 that the device has.
    func limit(zone: String?, isConstruction: Bool) -> (standard: String, limit: NoiseLimits.Limit)? {
        let id = isConstruction ? "gb12523" : "gb3096"
        guard let standard = limits[id], let limit = standard.limit(zone: zone) else { return nil }
        return (standard.name, limit)
    }

    /// - Parameters:
    ///   - hours: device, site, zone, bucket, leq, coverage, valid.
    ///   - days: device, site, zone, bucket, ld, ld_coverage, ld_valid, ln, ln_coverage, ln_valid.
    func rows(hours: [[StoreValue]], days: [[StoreValue]], construction: Set<String>) -> [[StoreValue]] {
        var found: [[StoreValue]] = []
        func judge(_ row: [StoreValue], _ what: String, isNight: Bool, at column: Int, start: Int64) {
            guard row[column] != .null, let (standard, limit) = limit(zone: row[2] == .null ? nil : row[2].text, isConstruction: construction.contains(row[1].text))
            else { return }
            let level = row[column].double
            let bound = isNight ? limit.nightDecibels : limit.dayDecibels
            // Levels are compared to the tenth that meters and standards give.
            let excess = ((level * 10).rounded() - (bound * 10).rounded()) / 10
            guard excess > 0 else { return }
            found.append([
                row[0], row[1], row[2], .text(standard), .text(what), .integer(start), .real((level * 10).rounded() / 10), .real(bound),
                .real(excess), row[column + 1], row[column + 2],
            ])
        }
        for row in hours {
            let start = Timestamp(milliseconds: row[3].integer)
            let clock = zone.local(start).milliseconds
            let isNight = clock < dayStarts || clock >= nightStarts
            judge(row, isNight ? "night hour" : "day hour", isNight: isNight, at: 4, start: row[3].integer)
        }
        for row in days {
            let date = zone.day(Timestamp(milliseconds: row[3].integer))
            judge(row, "day", isNight: false, at: 4, start: zone.moment(date, dayStarts).milliseconds)
            judge(row, "night", isNight: true, at: 7, start: zone.moment(date, nightStarts).milliseconds)
        }
        return found.sorted { ($0[5].integer, $0[0].text, $0[4].text) < ($1[5].integer, $1[0].text, $1[4].text) }
    }
}

extension QueryCommand {
    func exceedance(_ reader: StoreReader, since: Int64?, until: Int64?, _ format: OutputFormat, _ timezone: TimeZone) throws {
        if rollups.step != nil { throw Exit.fail("exceedance has no --step: it has hours, days and nights", Exit.usage) }
        let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        let range = try range(reader, since: since, until: until, now)
        let setting = try Exit.onStoreFailure { try reader.rollupSetting() }
        guard let zone = LocalZone(identifier: setting.zone) else {
            throw Exit.fail("this system knows no time zone '\(setting.zone)'", Exit.settings)
        }
        let world = try options.settings()?.world
        let judge = Exceedance(
            zone: zone, dayStarts: setting.dayStarts, nightStarts: setting.nightStarts, limits: world?.limits ?? .delivered)
        let construction = Set(world?.sites.all.filter { $0.kind == "construction" }.map(\.id) ?? [])
        func ask(_ step: RollupQuery.Step, _ columns: [String]) throws -> [[StoreValue]] {
            var query = RollupQuery(.noise, step: step, from: range.from, to: range.to, limit: 1_000_000)
            query.device = device
            query.site = rollups.site
            query.area = rollups.area
            query.includesPlace = true
            let (names, rows) = try Exit.onStoreFailure { try reader.rollup(query) }
            let places = columns.map { name in names.firstIndex(of: name)! }
            return rows.map { row in places.map { row[$0] } }
        }
        let place = ["device", "site", "zone", "bucket"]
        let hours = try ask(.hour, place + ["leq", "coverage", "valid"])
        let days = try ask(.day, place + ["ld", "ld_coverage", "ld_valid", "ln", "ln_coverage", "ln_valid"])
        if hours.isEmpty, days.isEmpty, let device { try explainMissing(device, reader) }
        let rows = Array(judge.rows(hours: hours, days: days, construction: construction).prefix(limit))
        RowPrinter(columns: Exceedance.columns, format: format, timezone: timezone).print(rows)
        if rows.isEmpty && format == .table { Output.line("(nothing over its limit in this period)") }
    }
}
