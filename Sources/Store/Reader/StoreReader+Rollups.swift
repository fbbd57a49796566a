public import Telemetry

/// What can be asked of the rollups.
public enum RollupCollection: String, Sendable, CaseIterable {
    case noise, vehicle, bodycam, stops
}

/// A question to the rollups, of a stretch of time.
public struct RollupQuery: Sendable {
    /// Lengths of buckets, finest first.
    public enum Step: String, Sendable, CaseIterable {
        case minute = "1m", tenMinutes = "10m", twentyMinutes = "20m", hour = "1h", day = "1d"
    }

    public var collection: RollupCollection
    public var step: Step
    public var from: Timestamp, to: Timestamp
    public var device: String?
    /// Of the device: its site's id; its area's code or that of an area above it.
    public var site: String?, area: String?
    /// Also the rows of flagged readings.
    public var includesFlagged = false
    /// Also columns `site` and `zone` of the device.
    public var includesPlace = false
    public var limit: Int
    /// Rows that are passed over.
    public var offset = 0

    public init(_ collection: RollupCollection, step: Step, from: Timestamp, to: Timestamp, limit: Int) {
        self.collection = collection
        self.step = step
        self.from = from
        self.to = to
        self.limit = limit
    }

    /// Steps that a collection has a table of.
    public static func steps(of collection: RollupCollection) -> [Step] {
        switch collection {
        case .noise: Step.allCases
        case .vehicle: [.minute, .hour, .day]
        case .bodycam: [.hour, .day]
        case .stops: []
        }
    }

    /// The step that gives a range some dozens to hundreds of rows a device.
    public static func step(for collection: RollupCollection, milliseconds: Int64) -> Step {
        let hour: Int64 = 3_600_000
        let wanted: Step = milliseconds <= 3 * hour ? .minute : milliseconds <= 26 * hour ? .tenMinutes : milliseconds <= 21 * 24 * hour ? .hour : .day
        let there = steps(of: collection)
        return there.first { Step.allCases.firstIndex(of: $0)! >= Step.allCases.firstIndex(of: wanted)! } ?? there.last ?? wanted
    }
}

extension StoreReader {
    /// Rows by time and device, oldest first.
    /// - Throws: `StoreError`; `.input` where it took longer than 5 s.
    public func rollup(_ query: RollupQuery) throws(StoreError) -> (columns: [String], rows: [[StoreValue]]) {
        var arguments: [StoreValue] = [.integer(query.from.milliseconds), .integer(query.to.milliseconds)]
        var conditions: [String] = []
        let hasMoved = try rows("SELECT EXISTS (SELECT 1 FROM device_period)").rows[0][0].integer == 1
        // A bucket is where its device was then.
        func place(_ name: String) -> String { hasMoved ? "CASE WHEN p.device IS NULL THEN d.\(name) ELSE p.\(name) END" : "d.\(name)" }
        func places(_ time: String) -> String {
            hasMoved ? " LEFT JOIN device_period p ON p.device = d.number AND \(time) >= p.since AND \(time) < p.until" : ""
        }
        if let device = query.device {
            conditions.append("d.id = ?\(arguments.count + 1)")
            arguments.append(.text(device))
        }
        if let site = query.site {
            conditions.append("\(place("site")) = ?\(arguments.count + 1)")
            arguments.append(.text(site))
        }
        if let area = query.area {
            // Codes of areas begin with those of the areas above (GB/T 2260 and what follows it).
            conditions.append("substr(\(place("area")), 1, length(?\(arguments.count + 1))) = ?\(arguments.count + 1)")
            arguments.append(.text(area))
        }
        arguments.append(.integer(Int64(query.limit)))
        let limit = "LIMIT ?\(arguments.count) OFFSET \(query.offset)"
        func filter(_ more: [String]) -> String { " WHERE " + (more + conditions).joined(separator: " AND ") }
        if query.collection == .stops {
            return try rows(
                """
                SELECT s.device, s.start, s.until, s.duration_s, s.lat, s.lon FROM vehicle_stop s JOIN device d ON d.id = s.device
                AND d.kind = 'vehicle'\(places("s.start"))\(filter(["s.until > ?1", "s.start < ?2"]))
                ORDER BY s.start, s.device \(limit)
                """, arguments)
        }
        var (table, columns, width) = RollupQuery.layout(query.collection, query.step)
        if query.includesPlace { columns += ", \(place("site")) AS site, \(place("zone")) AS zone" }
        if query.collection == .noise && !query.includesFlagged { conditions.append("r.flagged = 0") }
        if query.device != nil, let width {
            // One row a bucket by its key: what other devices have in the range is not read.
            return try rows(
                """
                WITH RECURSIVE b (bucket) AS (
                  SELECT ?1 - ?1 % \(width) UNION ALL SELECT bucket + \(width) FROM b WHERE bucket + \(width) < ?2)
                SELECT \(columns) FROM b CROSS JOIN device d CROSS JOIN \(table) r ON r.bucket = b.bucket AND r.device = d.number
                \(places("r.bucket"))
                \(filter(["d.kind = '\(query.collection.rawValue)'", "r.bucket >= ?1"])) ORDER BY b.bucket \(limit)
                """, arguments)
        }
        return try rows(
            """
            SELECT \(columns) FROM \(table) r CROSS JOIN device d ON d.number = r.device\(places("r.bucket"))
            \(filter(["r.bucket >= ?1", "r.bucket < ?2"])) ORDER BY r.bucket, r.device \(limit)
            """, arguments)
    }

    /// A page of ``rollup(_:)``. Its cursor is where the next one begins (for stops: where the question does) and how many rows
    /// from there on have been given.
    public func rollupPage(_ query: RollupQuery, cursor: PageCursor?) throws(StoreError) -> StorePage {
        var query = query
        if let cursor {
            query.from = max(query.from, Timestamp(milliseconds: cursor.first))
            query.offset = Int(max(0, cursor.second?.integer ?? 0))
        }
        let (columns, rows) = try rollup(query)
        guard rows.count == query.limit else { return StorePage(columns: columns, rows: rows, next: nil) }
        let from = query.from.milliseconds
        var next = (from: from, given: query.offset + rows.count)
        if let bucket = columns.firstIndex(of: "bucket"), let last = rows.last?[bucket].integer, last > from {
            next = (last, rows.count { $0[bucket].integer == last })
        }
        return StorePage(columns: columns, rows: rows, next: PageCursor(first: next.from, second: .integer(Int64(next.given))))
    }

    /// The zone and the boundaries of day and night that the rollups were computed with.
    public func rollupSetting() throws(StoreError) -> (zone: String, dayStarts: Int64, nightStarts: Int64) {
        let row = try rows("SELECT zone, day_starts, night_starts FROM rollup_setting").rows.first
        guard let row, row[0] != .null else { return ("Asia/Shanghai", 6 * 3_600_000, 22 * 3_600_000) }
        return (row[0].text, row[1].integer, row[2].integer)
    }
}

extension RollupQuery {
    fileprivate static func layout(_ collection: RollupCollection, _ step: Step) -> (table: String, columns: String, width: Int64?) {
        let index = Step.allCases.firstIndex(of: step)!
        switch collection {
        case .noise, .stops:
            let layout = RollupLayout.noise[index]
            return (layout.table, layout.viewColumns, layout.milliseconds)
        case .vehicle:
            let table: TrackTable = step == .minute ? .vehicleMinute : step == .day ? .vehicleDay : .vehicleHour
            // Hours are those of the clock on the wall: in some zones not of UTC.
            return (table.table, table.viewColumns, step == .minute ? 60_000 : nil)
        case .bodycam:
            let table: TrackTable = step == .day ? .bodycamDay : .bodycamHour
            return (table.table, table.viewColumns, nil)
        }
    }
}
