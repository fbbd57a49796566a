import GRDBSQLite
public import Telemetry

/// What the writer does beside its batches to let old readings go: small steps, each a transaction of its own, between
/// two commits and never within one.
///
/// Rows go a segment at a time (``IdentityIndex``: some sixteen thousand rows that lie together), so that a step is one
/// short run of a table; the place is used again by new rows, and given back to the disk where there is much of it.
extension StoreWriter {
    static let retentionTable = """
        CREATE TABLE retention (kind TEXT PRIMARY KEY, deleted INTEGER NOT NULL) WITHOUT ROWID;
        """

    /// Takes away the oldest segment of a kind whose readings all began before `cutoff` and are numbered up to `input`.
    /// - Returns: rows that are gone, 0 where no segment is old enough.
    public func deleteSegment(
        _ kind: Kind, before cutoff: Timestamp, upTo input: Int64, of stored: StoredReadings
    ) throws(StoreError) -> Int {
        guard let segment = stored.oldSegment(kind: kind, before: cutoff, upTo: input) else { return 0 }
        let rows = try inTransaction { () throws(StoreError) in
            try connection.execute("DELETE FROM \(RawLayout(kind).tableName) WHERE id BETWEEN \(segment.first) AND \(segment.last)")
            let rows = unsafe Int(sqlite3_changes(connection.handle))
            try connection.execute(
                """
                DELETE FROM raw_segment WHERE kind = \(kind.rawValue) AND first_id = \(segment.first);
                DELETE FROM segment_devices WHERE first_id = \(segment.first)
                """)
            try addDeleted(kind, Int64(rows))
            return rows
        }
        stored.remove(kind: kind, first: segment.first)
        return rows
    }

    /// Counts readings that are gone for good.
    func addDeleted(_ kind: Kind, _ rows: Int64) throws(StoreError) {
        try connection.execute(
            """
            INSERT INTO retention VALUES ('\(kind.name)', \(rows))
              ON CONFLICT (kind) DO UPDATE SET deleted = deleted + excluded.deleted
            """)
    }

    /// Free pages that are kept for new rows: a tenth of the file, at least 4 MB.
    private static func keptPages(of all: Int64) -> Int64 { max(1024, all / 10) }

    /// Gives up to `pages` free pages back to the disk, where there are more than new rows will soon need.
    /// - Returns: pages given back.
    public func giveBack(pages: Int64) throws(StoreError) -> Int64 {
        func pragma(_ name: String) throws(StoreError) -> Int64 {
            let ask = try connection.prepare("PRAGMA \(name)")
            return try ask.step() ? ask.integer(0) : 0
        }
        let free = try pragma("freelist_count")
        let surplus = min(pages, free - StoreWriter.keptPages(of: try pragma("page_count")))
        guard surplus > 0 else { return 0 }
        try connection.execute("PRAGMA incremental_vacuum(\(surplus))")
        committed()
        return free - (try pragma("freelist_count"))
    }

    func inTransaction<Value>(_ body: () throws(StoreError) -> Value) throws(StoreError) -> Value {
        try begin()
        do throws(StoreError) {
            let value = try body()
            try commit()
            return value
        } catch {
            rollback()
            throw error
        }
    }
}

extension StoredReadings {
    func oldSegment(kind: Kind, before cutoff: Timestamp, upTo input: Int64) -> (first: Int64, last: Int64)? {
        indexes[Int(kind.rawValue)].oldSegment(before: cutoff, upTo: input)
    }

    func remove(kind: Kind, first: Int64) { indexes[Int(kind.rawValue)].remove(first: first) }
}

extension IdentityIndex {
    /// The first full segment whose readings all began before `cutoff` and are numbered up to `input`.
    func oldSegment(before cutoff: Timestamp, upTo input: Int64) -> (first: Int64, last: Int64)? {
        spans.first { $0.maxTs < cutoff && $0.last <= input && $0.rows >= IdentityIndex.segmentRows }
            .map { ($0.first, $0.last) }
    }

    /// Its rows are gone. The spans behind it keep their `maxTsSoFar`, which may now be later than need be: a search goes
    /// on for longer, and finds the same.
    func remove(first: Int64) {
        spans.removeAll { $0.first == first }
        loaded[first] = nil
    }
}
