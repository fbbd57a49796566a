public import Telemetry

/// The prepared statements of vehicles and cameras.
struct TrackStatements {
    let upserts: [Statement]
    let selects: [Statement]
    let deleteMinute: Statement
    let deleteStays: Statement
    let insertStay: Statement

    init(_ connection: Connection) throws(StoreError) {
        var upserts: [Statement] = []
        var selects: [Statement] = []
        for table in TrackTable.allCases {
            upserts.append(try connection.prepare(table.upsertSQL))
            selects.append(
                try connection.prepare(
                    "SELECT \(table.columns.joined(separator: ", ")) FROM \(table.table) WHERE bucket = ? AND device = ?"))
        }
        self.upserts = upserts
        self.selects = selects
        deleteMinute = try connection.prepare("DELETE FROM vehicle_minute WHERE bucket = ? AND device = ?")
        deleteStays = try connection.prepare("DELETE FROM vehicle_stay WHERE device = ? AND start >= ? AND start < ?")
        insertStay = try connection.prepare("INSERT OR REPLACE INTO vehicle_stay VALUES (?,?,?,?,?)")
    }
}

extension StoreWriter {
    /// A row of a table of vehicles or cameras; `values` in the order of the table's columns.
    public func write(
        _ table: TrackTable, device: UInt32, bucket: Timestamp, milliseconds: Int64, values: [Int64?], revised: Timestamp?
    ) throws(StoreError) {
        let upsert = tracks.upserts[table.rawValue]
        upsert.bind(1, bucket.milliseconds)
        upsert.bind(2, Int64(device))
        upsert.bind(3, milliseconds)
        for (index, value) in values.enumerated() { upsert.bind(Int32(index + 4), value) }
        upsert.bind(Int32(values.count + 4), revised?.milliseconds)
        try upsert.run()
    }

    /// The values of a row, nil where there is none.
    public func values(_ table: TrackTable, device: UInt32, bucket: Timestamp) throws(StoreError) -> [Int64?]? {
        let select = tracks.selects[table.rawValue]
        select.bind(1, bucket.milliseconds)
        select.bind(2, Int64(device))
        defer { select.reset() }
        guard try select.step() else { return nil }
        return (0..<Int32(table.columns.count)).map { select.isNull($0) ? nil : select.integer($0) }
    }

    public func deleteVehicleMinutes(device: UInt32, from: Timestamp, to: Timestamp) throws(StoreError) {
        var bucket = from
        while bucket < to {
            tracks.deleteMinute.bind(1, bucket.milliseconds)
            tracks.deleteMinute.bind(2, Int64(device))
            try tracks.deleteMinute.run()
            bucket = bucket + 60_000
        }
    }

    /// Replaces the stays of a vehicle that begin in a stretch of time. Places in 10⁻⁷ degrees.
    public func write(
        stays: [(start: Timestamp, end: Timestamp, lat: Int64, lon: Int64)], device: UInt32, from: Timestamp, to: Timestamp
    ) throws(StoreError) {
        tracks.deleteStays.bind(1, Int64(device))
        tracks.deleteStays.bind(2, from.milliseconds)
        tracks.deleteStays.bind(3, to.milliseconds)
        try tracks.deleteStays.run()
        for stay in stays {
            tracks.insertStay.bind(1, Int64(device))
            tracks.insertStay.bind(2, stay.start.milliseconds)
            tracks.insertStay.bind(3, stay.end.milliseconds)
            tracks.insertStay.bind(4, stay.lat)
            tracks.insertStay.bind(5, stay.lon)
            try tracks.insertStay.run()
        }
    }

    /// From which moment on tracks must be computed again, all in a store from before there were any; nil where they are
    /// complete.
    public func trackRebuildFrom() throws(StoreError) -> Timestamp? { try rebuildFrom(unless: "has_tracks") }

    public func deleteTracks(from bucket: Timestamp) throws(StoreError) {
        for table in TrackTable.allCases {
            try connection.execute("DELETE FROM \(table.table) WHERE bucket >= \(bucket.milliseconds)")
        }
        try connection.execute("DELETE FROM vehicle_stay WHERE start >= \(bucket.milliseconds)")
    }

    public func finishTrackRebuild() throws(StoreError) {
        try connection.execute("UPDATE rollup_setting SET has_tracks = 1, rebuild_from = NULL")
    }

    /// Readings of a kind with their texts, in parts of the table that can hold one for which `touches` says yes.
    public func storedReadings(
        kind: Kind, inParts touches: (_ from: Timestamp, _ to: Timestamp) -> Bool, _ body: (StoredReadings.Stored) -> Void
    ) throws(StoreError) {
        let segments = try connection.prepare(
            "SELECT first_id, last_id, min_ts, max_ts FROM raw_segment WHERE kind = ? ORDER BY first_id")
        segments.bind(1, Int64(kind.rawValue))
        let select = try connection.prepare("\(RawLayout(kind).selectSQL) WHERE id >= ? AND id <= ? ORDER BY id")
        func scan(_ first: Int64, _ end: Int64) throws(StoreError) {
            select.bind(1, first)
            select.bind(2, end)
            while try select.step() { body(RawRow.decode(kind, select)) }
            select.reset()
        }
        var last: Int64 = -1
        while try segments.step() {
            last = max(last, segments.integer(1))
            if touches(Timestamp(milliseconds: segments.integer(2)), Timestamp(milliseconds: segments.integer(3))) {
                try scan(segments.integer(0), segments.integer(1))
            }
        }
        try scan(last + 1, .max)
    }
}
