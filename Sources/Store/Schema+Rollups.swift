import GRDB

/// The tables of the rollups. Rows lie in order of time; levels are packed (``RollupLayout``), and views give the contract's
/// names and units.
extension Schema {
    static func registerRollups(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("rollups 1 noise") { db in
            try db.execute(sql: settingTable)
            try db.execute(sql: "DROP VIEW noise_1m; ALTER TABLE noise_minute RENAME TO noise_minute_before")
            for table in RollupLayout.noise { try db.execute(sql: table.tableSQL) }
            try db.execute(sql: minutesFromBefore)
            for table in RollupLayout.noise { try db.execute(sql: table.viewSQL) }
            // A store with readings gets its coarser buckets from them at the next start.
            try db.execute(sql: "UPDATE rollup_setting SET is_complete = (SELECT input = 0 FROM engine_state)")
        }
    }

    static func registerWholeMinutes(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("rollups 3 whole minutes") { db in
            try db.execute(sql: "DROP VIEW noise_1m; \(RollupLayout.minute.viewSQL)")
        }
    }

    /// What the rows were computed with; zone and boundaries are null until the first start.
    private static let settingTable = """
        CREATE TABLE rollup_setting (
          only INTEGER PRIMARY KEY CHECK (only = 1), zone TEXT, day_starts INTEGER, night_starts INTEGER,
          lden_day_starts INTEGER, lden_evening_starts INTEGER, lden_night_starts INTEGER,
          min_coverage REAL NOT NULL, is_complete INTEGER NOT NULL, rebuild_from INTEGER);
        INSERT INTO rollup_setting (only, min_coverage, is_complete) VALUES (1, 0.75, 1);
        """

    private static var minutesFromBefore: String {
        let percentiles = ["l5", "l10", "l50", "l90", "l95"].enumerated().map { index, name in
            "(CAST(round(\(name) * 10) AS INTEGER) + 201 << \(index * 12))"
        }.joined(separator: " | ")
        return """
            INSERT INTO noise_minute (bucket, device, flagged, leq, lmax, lmin, percentiles, covered, samples)
            SELECT bucket, device, 0, CAST(round(leq * 1000) AS INTEGER), CAST(round(lmax * 1000) AS INTEGER),
              CAST(round(lmin * 1000) AS INTEGER), \(percentiles), CAST(round(coverage * 60000) AS INTEGER), samples
            FROM noise_minute_before;
            DROP TABLE noise_minute_before;
            """
    }
}

/// How a noise table lies: `leq`, `lmax`, `lmin` are whole thousandths of a dB; `percentiles` packs L5, L10, L50, L90, L95
/// from the lowest bits up as 12-bit fields, each (tenths of a dB + 201); `covered` is in ms, and 0 in a minute that is covered
/// whole, as nearly all are: that takes no byte (stores from before have 60,000 there). Tables coarser than a minute
/// also have `state` (sums and histogram, from which the row can be added to) and `input` (the last reading in it).
struct RollupLayout: Equatable {
    let view: String
    let table: String
    /// Of a bucket in ms; nil for days.
    let milliseconds: Int64?
    let hasState: Bool

    static let minute = RollupLayout(view: "noise_1m", table: "noise_minute", milliseconds: 60_000, hasState: false)
    static let spans = [
        RollupLayout(view: "noise_10m", table: "noise_ten_minutes", milliseconds: 600_000, hasState: true),
        RollupLayout(view: "noise_20m", table: "noise_twenty_minutes", milliseconds: 1_200_000, hasState: true),
        RollupLayout(view: "noise_1h", table: "noise_hour", milliseconds: 3_600_000, hasState: true),
        RollupLayout(view: "noise_1d", table: "noise_day", milliseconds: nil, hasState: true),
    ]
    static var noise: [RollupLayout] { [minute] + spans }

    /// What two stores must agree in: neither how a row is added to (`state`, `input`) nor when it was revised.
    var comparedColumns: [String] {
        columns.filter { !["state", "input", "revised"].contains($0) }
            .map { self == .minute && $0 == "covered" ? "covered % 60000 AS covered" : $0 }
    }

    var isDay: Bool { milliseconds == nil }
    static let dayColumns = ["ld", "ln", "ldn", "lden", "ld_coverage", "ln_coverage", "lden_coverage"]

    var columns: [String] {
        ["bucket", "device", "flagged", "leq", "lmax", "lmin", "percentiles", "covered", "samples", "revised"]
            + (isDay ? ["length"] + RollupLayout.dayColumns : []) + (hasState ? ["input", "state"] : [])
    }

    var tableSQL: String {
        let typed = columns.map { name in
            switch name {
            case "bucket", "device", "flagged", "covered", "samples": "\(name) INTEGER NOT NULL"
            case "ld", "ln", "ldn", "lden", "ld_coverage", "ln_coverage", "lden_coverage": "\(name) REAL"
            case "state": "state BLOB NOT NULL"
            default: "\(name) INTEGER"
            }
        }
        return "CREATE TABLE \(table) (\(typed.joined(separator: ", ")), PRIMARY KEY (bucket, device, flagged)) WITHOUT ROWID"
    }

    /// Inserts a row or overwrites it; what was revised stays so.
    var upsertSQL: String {
        let rest = columns.dropFirst(3).filter { $0 != "revised" }.map { "\($0) = excluded.\($0)" }
        return """
            INSERT INTO \(table) (\(columns.joined(separator: ", "))) VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))
            ON CONFLICT DO UPDATE SET \(rest.joined(separator: ", ")),
              revised = max(coalesce(excluded.revised, revised), coalesce(revised, excluded.revised))
            """
    }

    var viewSQL: String {
        "CREATE VIEW \(view) AS SELECT \(viewColumns) FROM \(table) r JOIN device d ON d.number = r.device"
    }

    /// The contract's columns, of the table as `r` and the device as `d`.
    var viewColumns: String {
        let levels = ["leq", "lmax", "lmin"].map { "r.\($0) / 1000.0 AS \($0)" }
        let percentiles = ["l5", "l10", "l50", "l90", "l95"].enumerated().map { index, name in
            "((r.percentiles >> \(index * 12) & 4095) - 201) / 10.0 AS \(name)"
        }
        let covered = self == .minute ? "iif(r.covered, r.covered, 60000)" : "r.covered"
        let length = milliseconds.map { "\($0).0" } ?? "CAST(r.length AS REAL)"
        let minimum = "(SELECT min_coverage FROM rollup_setting)"
        let day = isDay
            ? RollupLayout.dayColumns.map { "r.\($0)" }
                + ["ld", "ln", "lden"].map { "r.\($0)_coverage >= \(minimum) AS \($0)_valid" } : []
        let columns = ["d.id AS device", "r.bucket"] + levels + percentiles
            + ["\(covered) / \(length) AS coverage", "r.samples"] + day
            + ["r.flagged", "\(covered) / \(length) >= \(minimum) AS valid", "r.revised"]
        return columns.joined(separator: ", ")
    }
}
