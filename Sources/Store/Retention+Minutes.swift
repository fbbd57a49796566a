import GRDBSQLite
public import Telemetry

/// The tables below an hour have a retention of their own.
extension StoreWriter {
    /// With the buckets finer than an hour.
    static func minuteTables(_ kind: Kind) -> [String] {
        switch kind {
        case .noise: RollupLayout.noise.filter { ($0.milliseconds ?? .max) < 3_600_000 }.map(\.table)
        case .vehicle: [TrackTable.vehicleMinute.table]
        case .bodycam: []
        }
    }

    /// Takes some of a kind's oldest buckets away that began before `cutoff`, all devices' of each, some `rows` of a table.
    /// - Returns: whether there were any.
    public func deleteMinutes(_ kind: Kind, before cutoff: Timestamp, rows: Int) throws(StoreError) -> Bool {
        for table in StoreWriter.minuteTables(kind) {
            let oldest = try connection.prepare("SELECT bucket FROM \(table) WHERE bucket < ? ORDER BY bucket LIMIT 1 OFFSET ?")
            oldest.bind(1, cutoff.milliseconds)
            oldest.bind(2, Int64(0))
            guard try oldest.step() else { continue }
            let first = oldest.integer(0)
            oldest.reset()
            oldest.bind(1, cutoff.milliseconds)
            oldest.bind(2, Int64(rows))
            let end = try oldest.step() ? max(oldest.integer(0), first + 1) : cutoff.milliseconds
            oldest.reset()
            try inTransaction { () throws(StoreError) in
                try connection.execute(
                    """
                    DELETE FROM \(table) WHERE bucket < \(end);
                    INSERT INTO minute_edge VALUES (1, \(end)) ON CONFLICT (only) DO UPDATE SET before = max(before, excluded.before)
                    """)
            }
            return true
        }
        return false
    }

    /// Gives all free pages back to the disk; for a store at rest.
    /// - Returns: bytes of the file before and after.
    public func shrink() throws(StoreError) -> (before: Int64, after: Int64) {
        func value(_ pragma: String) throws(StoreError) -> Int64 {
            let ask = try connection.prepare("PRAGMA \(pragma)")
            return try ask.step() ? ask.integer(0) : 0
        }
        let size = try value("page_size")
        let before = try value("page_count") * size
        if try value("auto_vacuum") == 2 {
            // In steps: the log holds what one of them moves.
            while try value("freelist_count") > 0 {
                try connection.execute("PRAGMA incremental_vacuum(16384)")
                _ = unsafe sqlite3_wal_checkpoint_v2(connection.handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
            }
        } else {
            // A store from before space was given back in steps: once as a whole.
            try connection.execute("PRAGMA auto_vacuum=INCREMENTAL; VACUUM")
        }
        return (before, try value("page_count") * size)
    }
}
