public import Telemetry

/// The readings of a kind in a stretch of time, rows and compact history, beside a writer or without one; in no particular
/// order.
public struct ReadingRange {
    private let connection: Connection

    public init(path: String) throws(StoreError) { connection = try Connection(path: path, readOnly: true) }

    /// All of one moment. For stretches that are read within seconds: days, not months.
    /// - Parameter damaged: told of blocks of compact history that cannot be read, in words.
    public func forEach(
        kind: Kind, from: Timestamp, to: Timestamp, damaged: (String) -> Void, _ body: (StoredReadings.Stored) -> Void
    ) throws(StoreError) {
        try connection.execute("BEGIN")
        defer { try? connection.execute("COMMIT") }
        let segments = try connection.prepare(
            "SELECT first_id, last_id, max_ts >= ?2 AND min_ts < ?3 FROM raw_segment WHERE kind = ?1 ORDER BY first_id")
        segments.bind(1, Int64(kind.rawValue))
        segments.bind(2, from.milliseconds)
        segments.bind(3, to.milliseconds)
        let rows = try connection.prepare("\(RawLayout(kind).selectSQL) WHERE id BETWEEN ? AND ? AND ts >= ? AND ts < ? ORDER BY id")
        func scan(_ first: Int64, _ last: Int64) throws(StoreError) {
            for (index, value) in [first, last, from.milliseconds, to.milliseconds].enumerated() { rows.bind(Int32(index + 1), value) }
            while try rows.step() { body(RawRow.decode(kind, rows)) }
            rows.reset()
        }
        var end: Int64 = -1
        while try segments.step() {
            end = max(end, segments.integer(1))
            if segments.integer(2) == 1 { try scan(segments.integer(0), segments.integer(1)) }
        }
        try scan(end + 1, .max)
        let history = HistoryReader(connection)
        var broken: Set<HistoryReader.Damaged> = []
        for run in try history.runs(kind: kind, from: from, to: to) {
            try history.forEach(in: run, device: nil, from: from, to: to, damaged: { broken.insert($0) }, body)
        }
        for block in broken { damaged(try connection.describe(block)) }
    }

    /// The beginning of the first reading that is still there; nil where there is none.
    public func oldest(kind: Kind) throws(StoreError) -> Timestamp? {
        let select = try connection.prepare(
            """
            SELECT min(ts) FROM (
              SELECT min(min_ts) AS ts FROM raw_segment WHERE kind = ?1 UNION ALL
              SELECT min(min_ts) FROM history_run WHERE kind = ?1 AND is_verified UNION ALL
              SELECT min(ts) FROM \(RawLayout(kind).tableName)
                WHERE id > coalesce((SELECT max(last_id) FROM raw_segment WHERE kind = ?1), -1))
            """)
        select.bind(1, Int64(kind.rawValue))
        guard try select.step(), !select.isNull(0) else { return nil }
        return Timestamp(milliseconds: select.integer(0))
    }
}
