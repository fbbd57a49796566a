import GRDBSQLite
public import Telemetry

/// A run of compact history on its way.
public struct HistoryRun: Sendable, Equatable {
    public var run: Int64
    public var kind: Kind
    public var segments: [HistorySegment]
}

/// The steps of packing and letting go, each a transaction of its own. Killed between any two of them, ``unfinishedHistory(_:)``
/// goes on.
extension StoreWriter {
    /// Begins a run: from now on it stands in the store, unverified.
    public func beginHistory(kind: Kind, segments: [HistorySegment], rows: Int) throws(StoreError) -> HistoryRun {
        try inTransaction { () throws(StoreError) in
            let newest = try connection.prepare("SELECT coalesce(max(run), 0) FROM history_run")
            _ = try newest.step()
            let run = newest.integer(0) + 1
            newest.reset()
            let insert = try connection.prepare("INSERT INTO history_run VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, 0)")
            let first = segments.first!.first
            for (index, value) in [
                run, Int64(kind.rawValue), first, segments.last!.last,
                segments.map(\.minTs.milliseconds).min()!, segments.map(\.maxTs.milliseconds).max()!,
                Int64(rows), first - 1,
            ].enumerated() { insert.bind(Int32(index + 1), value) }
            try insert.run()
            return HistoryRun(run: run, kind: kind, segments: segments)
        }
    }

    /// Writes blocks from `index` on, some `bytes` of them.
    /// - Returns: the index of the next one.
    public func write(
        history blocks: [HistoryBlock], from index: Int, run: Int64, bytes: Int = 128 << 10
    ) throws(StoreError) -> Int {
        try inTransaction { () throws(StoreError) in
            let insert = try connection.prepare("INSERT INTO history_block VALUES (?, ?, ?, ?, ?, ?, ?)")
            var index = index
            var part = 0
            while index > part, blocks[index - part - 1].device == blocks[min(index, blocks.count - 1)].device { part += 1 }
            var written = 0
            while index < blocks.count && written < bytes {
                let block = blocks[index]
                if index > 0 && blocks[index - 1].device != block.device { part = 0 }
                insert.bind(1, HistoryBlockID.of(run: run, device: block.device, part: Int64(part)))
                insert.bind(2, block.day)
                insert.bind(3, Int64(block.rows))
                insert.bind(4, block.minTs.milliseconds)
                insert.bind(5, block.maxTs.milliseconds)
                insert.bind(6, Int64(bitPattern: block.hash))
                insert.bindBlob(7, block.bytes)
                try insert.run()
                written += block.bytes.count + 64
                part += 1
                index += 1
            }
            return index
        }
    }

    /// Its blocks have been read back equal: the rows may go.
    public func markHistoryVerified(_ run: Int64) throws(StoreError) {
        try inTransaction { () throws(StoreError) in
            try connection.execute("UPDATE history_run SET is_verified = 1 WHERE run = \(run)")
        }
    }

    /// Lets the rows of segments go whose readings stand in a verified run: all of them, or after a failure none.
    public func letGo(_ segments: ArraySlice<HistorySegment>, of run: HistoryRun, stored: StoredReadings) throws(StoreError) {
        guard let first = segments.first?.first, let last = segments.last?.last else { return }
        let rows = segments.reduce(0) { $0 + $1.rows }
        try inTransaction { () throws(StoreError) in
            let gone = try deleteRows(first...last, about: rows, of: RawLayout(run.kind).tableName)
            try connection.execute(
                """
                DELETE FROM segment_devices WHERE first_id IN (
                  SELECT first_id FROM raw_segment WHERE kind = \(run.kind.rawValue) AND first_id BETWEEN \(first) AND \(last));
                DELETE FROM raw_segment WHERE kind = \(run.kind.rawValue) AND first_id BETWEEN \(first) AND \(last);
                UPDATE history_run SET gone_id = \(last), gone_rows = gone_rows + \(gone) WHERE run = \(run.run)
                """)
        }
        for segment in segments { stored.remove(kind: run.kind, first: segment.first) }
    }

    /// SQLite empties a table by its pages, but deletes from it row by row: where few others are left, these are put aside.
    /// - Returns: rows deleted.
    private func deleteRows(_ ids: ClosedRange<Int64>, about count: Int, of table: String) throws(StoreError) -> Int64 {
        let others = "SELECT * FROM \(table) WHERE id < \(ids.lowerBound) UNION ALL SELECT * FROM \(table) WHERE id > \(ids.upperBound)"
        let few = count / 4
        let ask = try connection.prepare("SELECT count(*) FROM (\(others) LIMIT \(few + 1))")
        let left = try ask.step() ? ask.integer(0) : 0
        ask.reset()
        guard left <= few else {
            try connection.execute("DELETE FROM \(table) WHERE id BETWEEN \(ids.lowerBound) AND \(ids.upperBound)")
            return Int64(unsafe sqlite3_changes(connection.handle))
        }
        try connection.execute("CREATE TEMP TABLE aside AS \(others); DELETE FROM \(table)")
        let deleted = Int64(unsafe sqlite3_changes(connection.handle))
        try connection.execute("INSERT INTO \(table) SELECT * FROM aside; DROP TABLE aside")
        return deleted - left
    }

    /// From now on the bytes of deleted rows stay in free pages until these are used again: for rows that stand in the store
    /// otherwise.
    public func leaveDeletedBytes() throws(StoreError) { try connection.execute("PRAGMA secure_delete=FAST") }

    /// Takes a run away that was not verified, and its blocks.
    public func dropHistory(_ run: Int64) throws(StoreError) {
        let ids = HistoryBlockID.all(ofRun: run)
        try inTransaction { () throws(StoreError) in
            try connection.execute(
                """
                DELETE FROM history_block WHERE id BETWEEN \(ids.lowerBound) AND \(ids.upperBound);
                DELETE FROM history_run WHERE run = \(run)
                """)
        }
    }

    /// The run that a kill has left: one whose rows still have to go. One that was not verified is taken away.
    public func unfinishedHistory(_ stored: StoredReadings) throws(StoreError) -> HistoryRun? {
        let select = try connection.prepare(
            "SELECT run, kind, gone_id, last_id, is_verified FROM history_run WHERE gone_id < last_id ORDER BY run")
        var dropped: [Int64] = []
        var left: HistoryRun?
        while try select.step() {
            let run = select.integer(0)
            guard select.integer(4) == 1 else {
                dropped.append(run)
                continue
            }
            guard left == nil, let kind = Kind(rawValue: UInt8(truncatingIfNeeded: select.integer(1))) else { continue }
            left = HistoryRun(
                run: run, kind: kind, segments: stored.segments(kind: kind, in: select.integer(2) + 1...select.integer(3)))
        }
        for run in dropped { try dropHistory(run) }
        return left
    }

    /// Lets a kind's oldest run go whose readings all began before `cutoff`.
    /// - Returns: whether there was one.
    public func deleteHistory(_ kind: Kind, before cutoff: Timestamp) throws(StoreError) -> Bool {
        let select = try connection.prepare(
            "SELECT run, gone_rows FROM history_run WHERE kind = ? AND max_ts < ? AND gone_id = last_id ORDER BY run LIMIT 1")
        select.bind(1, Int64(kind.rawValue))
        select.bind(2, cutoff.milliseconds)
        guard try select.step() else { return false }
        let (run, rows) = (select.integer(0), select.integer(1))
        select.reset()
        let ids = HistoryBlockID.all(ofRun: run)
        try inTransaction { () throws(StoreError) in
            try connection.execute(
                """
                DELETE FROM history_block WHERE id BETWEEN \(ids.lowerBound) AND \(ids.upperBound);
                DELETE FROM history_run WHERE run = \(run)
                """)
            try addDeleted(kind, rows)
        }
        return true
    }

    /// The earliest and latest `ts` of each full segment of a kind.
    public func segmentSpans(kind: Kind) throws(StoreError) -> [(from: Timestamp, to: Timestamp)] {
        let select = try connection.prepare("SELECT min_ts, max_ts FROM raw_segment WHERE kind = ? ORDER BY first_id")
        select.bind(1, Int64(kind.rawValue))
        var spans: [(from: Timestamp, to: Timestamp)] = []
        while try select.step() {
            spans.append((Timestamp(milliseconds: select.integer(0)), Timestamp(milliseconds: select.integer(1))))
        }
        return spans
    }

    /// Readings of the kind that began up to this moment may stand in compact history, where no identity is looked for; nil:
    /// none does.
    public func historyEdge(_ kind: Kind) throws(StoreError) -> Timestamp? {
        let select = try connection.prepare("SELECT max(max_ts) FROM history_run WHERE kind = ? AND gone_id >= first_id")
        select.bind(1, Int64(kind.rawValue))
        guard try select.step(), !select.isNull(0) else { return nil }
        return Timestamp(milliseconds: select.integer(0))
    }

    /// Makes plain rows of the compact history again, run by run; for a store at rest.
    /// - Parameter from: runs whose readings all begin before it stay as they are.
    /// - Throws: `StoreError`; `.damaged` where a block cannot be read or is not there.
    public func unpackHistory(from: Timestamp) throws(StoreError) {
        let reader = HistoryReader(connection)
        for run in try reader.runs(from: from) {
            guard try reader.missing(in: run) == 0 else {
                throw StoreError(.damaged, path: path, detail: "compact history lacks blocks; 'patrol db verify' says which")
            }
            try inTransaction { () throws(StoreError) in
                let insert = try connection.prepare(RawLayout(run.kind).insertValuesSQL)
                var segment: IdentityIndex.Closed?
                var rows = 0
                var devices = SegmentDevices()
                func end() throws(StoreError) {
                    segment?.devices = devices.bytes
                    if let full = segment { try write(segment: full, kind: run.kind) }
                    segment = nil
                    rows = 0
                }
                var readings = try reader.readings(of: run)
                while let stored = readings.next() {
                    RawRow.bind(stored, to: insert)
                    try insert.run()
                    let ts = stored.reading.ts
                    if segment == nil {
                        segment = IdentityIndex.Closed(first: stored.input, last: 0, minTs: ts, maxTs: ts)
                        devices.begin(first: stored.input)
                    }
                    segment!.last = stored.input
                    segment!.minTs = min(segment!.minTs, ts)
                    segment!.maxTs = max(segment!.maxTs, ts)
                    devices.append(id: stored.input, device: stored.reading.device)
                    rows += 1
                    if rows == IdentityIndex.segmentRows { try end() }
                }
                try end()
                let ids = HistoryBlockID.all(ofRun: run.run)
                try connection.execute(
                    """
                    DELETE FROM history_block WHERE id BETWEEN \(ids.lowerBound) AND \(ids.upperBound);
                    DELETE FROM history_run WHERE run = \(run.run)
                    """)
            }
        }
    }
}

extension StoredReadings {
    /// The oldest segments of a kind whose readings all began before `cutoff` and are numbered up to `input`, at most `count`.
    public func oldSegments(kind: Kind, before cutoff: Timestamp, upTo input: Int64, count: Int) -> [HistorySegment] {
        indexes[Int(kind.rawValue)].segments { $0.maxTs < cutoff && $0.last <= input && $0.rows >= IdentityIndex.segmentRows }
            .prefix(count).map { $0 }
    }

    /// Full segments whose rows are numbered within `ids`.
    func segments(kind: Kind, in ids: ClosedRange<Int64>) -> [HistorySegment] {
        indexes[Int(kind.rawValue)].segments { ids.contains($0.first) && ids.contains($0.last) }
    }
}

extension IdentityIndex {
    /// The first segments that lie together and are `wanted`.
    fileprivate func segments(_ wanted: (Span) -> Bool) -> [HistorySegment] {
        Array(
            spans.drop { !wanted($0) }.prefix { wanted($0) }.map {
                HistorySegment(first: $0.first, last: $0.last, minTs: $0.minTs, maxTs: $0.maxTs, rows: $0.rows)
            })
    }
}
