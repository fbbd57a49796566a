import Foundation
public import Telemetry

/// What looks after a store: copies, checks, sizes. None of it waits for the writer or holds it up.
extension StoreReader {
    /// What SQLite finds wrong with the file, by table where it says so.
    public func damage() throws(StoreError) -> [String] {
        try rows("PRAGMA quick_check(20)", seconds: 3600).rows.map { $0[0].text }.filter { $0 != "ok" }
    }

    /// A copy as of one moment in a new file.
    public func backup(to path: String) throws(StoreError) {
        let connection = try Connection(path: self.path, readOnly: true)
        let vacuum = try connection.prepare("VACUUM INTO ?")
        vacuum.bind(1, path)
        do throws(StoreError) {
            try vacuum.run()
        } catch where error.cause == .full {
            throw StoreError(.full, path: path, detail: "copying \(self.path): \(error.detail)")
        }
    }

    /// Takes a copy away, whole or not, with what SQLite and Patrol put beside it.
    public static func remove(copy path: String) {
        for suffix in ["", "-journal", "-wal", "-shm", ".lock", ".stream"] { try? FileManager.default.removeItem(atPath: path + suffix) }
    }

    /// Rows and bytes of the tables, the largest first.
    public func tableSizes() throws(StoreError) -> (columns: [String], rows: [[StoreValue]]) {
        let names = try rows(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
        ).rows.map { $0[0].text }
        var result: [[StoreValue]] = []
        for name in names {
            let count = try rows("SELECT count(*) FROM \"\(name)\"", seconds: 600).rows[0][0]
            let bytes = try rows(
                """
                SELECT sum(pgsize) FROM dbstat WHERE aggregate = TRUE
                AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?1)
                """, [.text(name)], seconds: 600).rows[0][0]
            result.append([.text(name), count, bytes])
        }
        return (["table", "rows", "bytes"], result.sorted { $0[2].integer > $1[2].integer })
    }

    /// Rows of rollups that differ between this store, where they were computed again, and another: what is told for each
    /// table is their number and the first of them by device and bucket.
    /// - Parameter since: buckets before it were not computed again; nil: all were.
    public func rollupDifferences(from other: String, since: Timestamp?) throws(StoreError) -> [String] {
        let connection = try Connection(path: path, readOnly: true)
        let attach = try connection.prepare("ATTACH ? AS other")
        attach.bind(1, other)
        try attach.run()
        var found: [String] = []
        let tables = RollupLayout.noise.map { ($0.view, $0.table, $0.comparedColumns) }
            + TrackTable.allCases.map { ($0.view, $0.table, ["bucket", "device", "length"] + $0.columns) }
        let ask = try connection.prepare("SELECT before FROM other.minute_edge")
        let edge = try ask.step() ? Timestamp(milliseconds: ask.integer(0)) : nil
        for (view, table, columns) in tables {
            // Minutes past their retention are gone in the other: where one kind's are kept for less long, both are looked at
            // from the later edge on.
            let from = Kind.allCases.contains { StoreWriter.minuteTables($0).contains(table) } ? max(edge ?? .distantPast, since ?? .distantPast) : since
            let filter = from.map { " WHERE bucket >= \($0.milliseconds)" } ?? ""
            let list = columns.joined(separator: ", ")
            let mine = "SELECT \(list) FROM main.\(table)\(filter)"
            let theirs = "SELECT \(list) FROM other.\(table)\(filter)"
            // The same number, and each has its like: that is asked for in less than half the time of a list.
            let alike = columns.map { $0.split(separator: " ").last! }.map { "t.\($0) IS m.\($0)" }.joined(separator: " AND ")
            let same = try connection.prepare(
                """
                SELECT (SELECT count(*) FROM (\(mine))) = (SELECT count(*) FROM (\(theirs)))
                  AND NOT EXISTS (SELECT 1 FROM (\(mine)) m WHERE NOT EXISTS (SELECT 1 FROM (\(theirs)) t WHERE \(alike)))
                """)
            if try same.step(), same.integer(0) == 1 { continue }
            let select = try connection.prepare(
                """
                SELECT d.id, x.bucket FROM (
                  SELECT * FROM (\(mine) EXCEPT \(theirs)) UNION SELECT * FROM (\(theirs) EXCEPT \(mine))) x
                LEFT JOIN main.device d ON d.number = x.device GROUP BY x.device, x.bucket ORDER BY x.bucket, x.device
                """)
            var count = 0
            var first = ""
            while try select.step() {
                if count == 0 {
                    first = "\(select.text(0)) at \(Timestamp(milliseconds: select.integer(1)).rfc3339())"
                }
                count += 1
            }
            if count > 0 {
                found.append(
                    "\(view): \(count) rows differ from their readings, the first that of \(first); "
                        + "'patrol repair rollups' computes them again")
            }
        }
        return found
    }
}
