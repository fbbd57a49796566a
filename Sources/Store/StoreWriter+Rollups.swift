import GRDBSQLite
public import Telemetry

/// A row of a noise table, as the writer takes it: levels in thousandths of a dB(A), nil for a day without readings.
public struct NoiseRecord: Sendable {
    public var bucket: Timestamp
    public var device: UInt32
    public var isFlagged: Bool
    public var leq: Int64?, lmax: Int64?, lmin: Int64?
    /// L5, L10, L50, L90, L95 in tenths of a dB(A).
    public var percentiles: InlineArray<5, Int32>
    public var coveredMilliseconds: Int64
    public var samples: Int64
    public var revised: Timestamp?

    public init(
        bucket: Timestamp, device: UInt32, isFlagged: Bool, leq: Int64?, lmax: Int64?, lmin: Int64?,
        percentiles: InlineArray<5, Int32>, coveredMilliseconds: Int64, samples: Int64, revised: Timestamp?
    ) {
        self.bucket = bucket
        self.device = device
        self.isFlagged = isFlagged
        self.leq = leq
        self.lmax = lmax
        self.lmin = lmin
        self.percentiles = percentiles
        self.coveredMilliseconds = coveredMilliseconds
        self.samples = samples
        self.revised = revised
    }
}

/// What a bucket coarser than a minute has besides.
public struct NoiseStateRecord {
    /// Number of the last reading that the row can hold.
    public var input: Int64
    public var state: [UInt8]
    public var lmax: Int64 = 0, lmin: Int64 = 0, samples: Int64 = 0
    public var revised: Timestamp?
}

/// What the rows of the rollups were computed with.
public struct RollupSetting: Sendable, Equatable {
    public var zone: String
    /// Day, night, and day, evening and night of Lden, in ms after local midnight.
    public var boundaries: [Int64]
    public var minimumCoverage: Double

    public init(zone: String, boundaries: [Int64], minimumCoverage: Double) {
        self.zone = zone
        self.boundaries = boundaries
        self.minimumCoverage = minimumCoverage
    }
}

/// The prepared statements of the rollups.
struct RollupStatements {
    let minute, tenMinutes, twentyMinutes, hour, day: Statement
    /// From 10 minutes on.
    let loads: [Statement]

    init(_ connection: Connection) throws(StoreError) {
        var loads: [Statement] = []
        for table in RollupLayout.spans {
            loads.append(
                try connection.prepare(
                    """
                    SELECT samples, lmax, lmin, revised, input, state FROM \(table.table)
                    WHERE bucket = ? AND device = ? AND flagged = ?
                    """))
        }
        minute = try connection.prepare(RollupLayout.minute.upsertSQL)
        tenMinutes = try connection.prepare(RollupLayout.spans[0].upsertSQL)
        twentyMinutes = try connection.prepare(RollupLayout.spans[1].upsertSQL)
        hour = try connection.prepare(RollupLayout.spans[2].upsertSQL)
        day = try connection.prepare(RollupLayout.spans[3].upsertSQL)
        self.loads = loads
    }
}

extension StoreWriter {
    public func write(noiseMinute row: NoiseRecord) throws(StoreError) {
        bind(row, to: rollups.minute)
        if row.coveredMilliseconds == 60_000 { rollups.minute.bind(8, Int64(0)) }
        try rollups.minute.run()
    }

    /// - Parameters:
    ///   - span: 0 for 10 minutes, 1 for 20 minutes, 2 for hours, 3 for days.
    ///   - day: for a day its length in ms and ld, ln, ldn, lden and the coverage of ld, ln and lden.
    public func write(
        noise row: NoiseRecord, span: Int, input: Int64, state: Span<UInt8>, day: (length: Int64, values: InlineArray<7, Double?>)?
    ) throws(StoreError) {
        // Each by its name: out of a list, each row would count references.
        switch span {
        case 0: try write(row, input, state, day, with: rollups.tenMinutes)
        case 1: try write(row, input, state, day, with: rollups.twentyMinutes)
        case 2: try write(row, input, state, day, with: rollups.hour)
        default: try write(row, input, state, day, with: rollups.day)
        }
    }

    private func write(
        _ row: NoiseRecord, _ input: Int64, _ state: Span<UInt8>, _ day: (length: Int64, values: InlineArray<7, Double?>)?,
        with upsert: Statement
    ) throws(StoreError) {
        bind(row, to: upsert)
        var next: Int32 = 11
        if let day {
            upsert.bind(11, day.length)
            for index in 0..<7 {
                if let value = day.values[index] { upsert.bind(Int32(12 + index), value) } else { upsert.bindNull(Int32(12 + index)) }
            }
            next = 19
        }
        upsert.bind(next, input)
        upsert.bindBlob(next + 1, state)
        try upsert.run()
    }

    private func bind(_ row: NoiseRecord, to upsert: Statement) {
        upsert.bind(1, row.bucket.milliseconds)
        upsert.bind(2, Int64(row.device))
        upsert.bind(3, row.isFlagged ? 1 : Int64(0))
        upsert.bind(4, row.leq)
        upsert.bind(5, row.lmax)
        upsert.bind(6, row.lmin)
        if row.leq == nil {
            upsert.bindNull(7)
        } else {
            var packed: Int64 = 0
            for index in 0..<5 { packed |= Int64(row.percentiles[index] + 201) << Int64(index * 12) }
            upsert.bind(7, packed)
        }
        upsert.bind(8, row.coveredMilliseconds)
        upsert.bind(9, row.samples)
        upsert.bind(10, row.revised?.milliseconds)
    }

    /// The state of a bucket coarser than a minute, nil where it has no row.
    public func noiseState(
        span: Int, device: UInt32, isFlagged: Bool, bucket: Timestamp
    ) throws(StoreError) -> NoiseStateRecord? {
        let select = rollups.loads[span]
        select.bind(1, bucket.milliseconds)
        select.bind(2, Int64(device))
        select.bind(3, isFlagged ? 1 : Int64(0))
        defer { select.reset() }
        guard try select.step() else { return nil }
        var record = NoiseStateRecord(input: select.integer(4), state: select.bytes(5))
        record.samples = select.integer(0)
        record.lmax = select.integer(1)
        record.lmin = select.integer(2)
        record.revised = select.isNull(3) ? nil : Timestamp(milliseconds: select.integer(3))
        return record
    }

    // MARK: Settings

    /// What the store's rows were computed with, nil before the first start.
    public func rollupSetting() throws(StoreError) -> RollupSetting? {
        let select = try connection.prepare(
            """
            SELECT zone, day_starts, night_starts, lden_day_starts, lden_evening_starts, lden_night_starts, min_coverage
            FROM rollup_setting
            """)
        guard try select.step(), !select.isNull(0) else { return nil }
        return RollupSetting(
            zone: select.text(0), boundaries: (Int32(1)...5).map { select.integer($0) }, minimumCoverage: select.double(6))
    }

    public func write(rollupSetting setting: RollupSetting) throws(StoreError) {
        let update = try connection.prepare(
            """
            UPDATE rollup_setting SET zone = ?, day_starts = ?, night_starts = ?, lden_day_starts = ?,
              lden_evening_starts = ?, lden_night_starts = ?, min_coverage = ?
            """)
        update.bind(1, setting.zone)
        for (index, boundary) in setting.boundaries.enumerated() { update.bind(Int32(index + 2), boundary) }
        update.bind(7, setting.minimumCoverage)
        try update.run()
    }

    // MARK: Start

    /// Calls `body` with the readings of a kind in parts of the table that can hold a reading for which `touches` says yes,
    /// given the earliest and latest `ts` of a part; in order of their numbers.
    public func readings(
        kind: Kind, inParts touches: (_ from: Timestamp, _ to: Timestamp) -> Bool, _ body: (Int64, borrowing Reading) -> Void
    ) throws(StoreError) {
        let segments = try connection.prepare(
            "SELECT first_id, last_id, min_ts, max_ts FROM raw_segment WHERE kind = ? ORDER BY first_id")
        segments.bind(1, Int64(kind.rawValue))
        let select = try connection.prepare("\(RawLayout(kind).selectSQL) WHERE id >= ? AND id <= ? ORDER BY id")
        var last: Int64 = -1
        func scan(_ first: Int64, _ end: Int64) throws(StoreError) {
            select.bind(1, first)
            select.bind(2, end)
            while try select.step() { body(select.integer(0), RawRow.decode(kind, select).reading) }
            select.reset()
        }
        while try segments.step() {
            last = max(last, segments.integer(1))
            if touches(Timestamp(milliseconds: segments.integer(2)), Timestamp(milliseconds: segments.integer(3))) {
                try scan(segments.integer(0), segments.integer(1))
            }
        }
        try scan(last + 1, .max)
    }

    // MARK: Rebuild

    /// From which bucket on the rollups must be computed again from the raw readings; nil where they are complete.
    public func rollupRebuildFrom() throws(StoreError) -> Timestamp? { try rebuildFrom(unless: "is_complete") }

    func rebuildFrom(unless isDone: String) throws(StoreError) -> Timestamp? {
        let select = try connection.prepare("SELECT \(isDone), rebuild_from FROM rollup_setting")
        guard try select.step(), select.integer(0) == 0 else { return nil }
        return select.isNull(1) ? .distantPast : Timestamp(milliseconds: select.integer(1))
    }

    /// Asks for a rebuild at the next start; one that was ended early is part of it.
    public func requestRollupRebuild(from bucket: Timestamp) throws(StoreError) {
        let update = try connection.prepare(
            """
            UPDATE rollup_setting SET is_complete = 0, has_tracks = 0,
              rebuild_from = iif(is_complete AND has_tracks, ?1, min(rebuild_from, ?1))
            """)
        update.bind(1, bucket.milliseconds)
        try update.run()
    }

    public func deleteNoiseRollups(from bucket: Timestamp) throws(StoreError) {
        for table in RollupLayout.noise {
            try connection.execute("DELETE FROM \(table.table) WHERE bucket >= \(bucket.milliseconds)")
        }
    }

    /// Of noise; from where on tracks are computed again is still to be known.
    public func finishRollupRebuild() throws(StoreError) {
        try connection.execute("UPDATE rollup_setting SET is_complete = 1")
    }

    /// A moment before which some readings may have gone past their retention; nil where none has.
    public func retentionEdge() throws(StoreError) -> Timestamp? {
        let deleted = try connection.prepare("SELECT kind FROM retention WHERE deleted > 0")
        var edge: Timestamp?
        while try deleted.step() {
            guard let kind = Kind(name: deleted.text(0)) else { continue }
            // Segments go whole, when their last reading is old enough: all that have gone are older than the last reading
            // of the first that is left.
            let left = try connection.prepare("SELECT max_ts FROM raw_segment WHERE kind = ? ORDER BY first_id LIMIT 1")
            left.bind(1, Int64(kind.rawValue))
            let newest = try connection.prepare("SELECT max(ts) FROM \(RawLayout(kind).tableName)")
            let row = try left.step() ? left : newest
            if row === newest, try !newest.step() { continue }
            if !row.isNull(0) { edge = max(edge ?? .distantPast, Timestamp(milliseconds: row.integer(0))) }
        }
        return edge
    }
}
