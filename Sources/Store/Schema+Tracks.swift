import GRDB

/// The tables of what moves and what is worn. All columns are whole numbers (mm, ms, hundredths, 10⁻⁷ degrees), so that hours
/// add up to days exactly; views give the contract's names and units.
extension Schema {
    static func registerTracks(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("rollups 2 tracks") { db in
            for table in TrackTable.allCases {
                try db.execute(sql: table.tableSQL)
                try db.execute(sql: table.viewSQL)
            }
            try db.execute(sql: stops)
            // A store with readings gets its rows from them at the next start.
            try db.execute(sql: "ALTER TABLE rollup_setting ADD COLUMN has_tracks INTEGER NOT NULL DEFAULT 0")
        }
    }

    /// Stays of neighbouring hours that touch are one; five minutes make it a stop.
    private static let stops = """
        CREATE TABLE vehicle_stay (
          device INTEGER NOT NULL, start INTEGER NOT NULL, until INTEGER NOT NULL, lat INTEGER NOT NULL, lon INTEGER NOT NULL,
          PRIMARY KEY (device, start)) WITHOUT ROWID;
        CREATE VIEW vehicle_stop AS
          WITH marked AS (
            SELECT device, start, until, lat, lon,
              coalesce(start <> lag(until) OVER (PARTITION BY device ORDER BY start), 1) AS is_new FROM vehicle_stay),
          numbered AS (SELECT *, sum(is_new) OVER (PARTITION BY device ORDER BY start) AS number FROM marked)
          SELECT d.id AS device, min(n.start) AS start, min(n.start) + sum(n.until - n.start) AS until,
            sum(n.until - n.start) / 1000.0 AS duration_s, n.lat / 1e7 AS lat, n.lon / 1e7 AS lon
          FROM numbered n JOIN device d ON d.number = n.device
          GROUP BY n.device, n.number HAVING sum(n.until - n.start) >= 300000;
        """
}

/// The tables of vehicles and cameras.
public enum TrackTable: Int, CaseIterable, Sendable {
    case vehicleMinute, vehicleHour, vehicleDay, bodycamHour, bodycamDay

    var isVehicle: Bool { rawValue <= TrackTable.vehicleDay.rawValue }

    var table: String {
        switch self {
        case .vehicleMinute: "vehicle_minute"
        case .vehicleHour: "vehicle_hour"
        case .vehicleDay: "vehicle_day"
        case .bodycamHour: "bodycam_hour"
        case .bodycamDay: "bodycam_day"
        }
    }

    var view: String {
        switch self {
        case .vehicleMinute: "vehicle_1m"
        case .vehicleHour: "vehicle_1h"
        case .vehicleDay: "vehicle_1d"
        case .bodycamHour: "bodycam_1h"
        case .bodycamDay: "bodycam_1d"
        }
    }

    /// Besides `bucket`, `device`, `length` (of the bucket in ms) and `revised`.
    var columns: [String] {
        isVehicle
            ? [
                "distance", "moving", "idling", "stopped", "max_speed", "fixes", "spikes", "first_ts", "first_lat", "first_lon",
                "last_ts", "last_lat", "last_lon",
            ]
            : [
                "online", "recording", "battery_start", "battery_end", "drain", "discharging", "reboots", "sos", "storage_free",
                "heartbeats",
            ]
    }

    var tableSQL: String {
        let list = columns.map { "\($0) INTEGER" }.joined(separator: ", ")
        return """
            CREATE TABLE \(table) (bucket INTEGER NOT NULL, device INTEGER NOT NULL, length INTEGER NOT NULL, \(list),
              revised INTEGER, PRIMARY KEY (bucket, device)) WITHOUT ROWID
            """
    }

    var upsertSQL: String {
        let all = ["bucket", "device", "length"] + columns + ["revised"]
        let rest = (["length"] + columns).map { "\($0) = excluded.\($0)" }.joined(separator: ", ")
        return """
            INSERT INTO \(table) (\(all.joined(separator: ", "))) VALUES (\(all.map { _ in "?" }.joined(separator: ", ")))
            ON CONFLICT DO UPDATE SET \(rest),
              revised = max(coalesce(excluded.revised, revised), coalesce(revised, excluded.revised))
            """
    }

    var viewSQL: String {
        "CREATE VIEW \(view) AS SELECT \(viewColumns) FROM \(table) r JOIN device d ON d.number = r.device"
    }

    /// The contract's columns, of the table as `r` and the device as `d`.
    var viewColumns: String {
        let values = isVehicle
            ? """
                r.distance / 1000.0 AS distance_m, r.moving / 1000.0 AS moving_s, r.idling / 1000.0 AS idling_s,
                r.stopped / 1000.0 AS stopped_s, r.max_speed / 100.0 AS max_kmh,
                CASE WHEN r.moving > 0 THEN r.distance * 3.6 / r.moving END AS mean_kmh, r.fixes, r.spikes, r.first_ts,
                r.first_lat / 1e7 AS first_lat, r.first_lon / 1e7 AS first_lon, r.last_ts, r.last_lat / 1e7 AS last_lat,
                r.last_lon / 1e7 AS last_lon, (r.moving + r.idling + r.stopped) / CAST(r.length AS REAL) AS coverage
                """
            : """
                r.online / 1000.0 AS online_s, r.recording / 1000.0 AS recording_s, r.battery_start / 100.0 AS battery_start,
                r.battery_end / 100.0 AS battery_end,
                CASE WHEN r.discharging > 0 THEN r.drain * 36000.0 / r.discharging END AS drain_per_hour, r.reboots, r.sos,
                r.storage_free AS storage_free_mb, r.heartbeats, r.online / CAST(r.length AS REAL) AS coverage
                """
        return "d.id AS device, r.bucket, \(values), r.revised"
    }
}
