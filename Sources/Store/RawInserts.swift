import Telemetry

/// The ways of a kind's batch into its raw table.
struct RawInserts {
    /// Below it, asking for the table's largest number costs more than it saves.
    private static let longRun = 64

    /// Each row with its number, which SQLite looks for in the table first.
    private let numbered: Statement
    /// SQLite numbers the rows: each gets one more than the largest number of the table ("SQLite Autoincrement", §1), which
    /// costs no look-up: a third less than the other way.
    private let appended: Statement
    private let largest: Statement

    init(_ kind: Kind, _ connection: Connection) throws(StoreError) {
        let layout = RawLayout(kind)
        numbered = try connection.prepare(layout.insertSQL)
        appended = try connection.prepare(layout.appendSQL)
        largest = try connection.prepare("SELECT coalesce(max(id), 0) FROM \(layout.tableName)")
    }

    /// Inserts the rows that the batch shows.
    func run(_ batch: BatchTable) throws(StoreError) {
        let (count, first, last) = batch.shown
        // Other kinds' readings have numbers too.
        let isRun = count >= RawInserts.longRun && last - first == Int64(count - 1)
        if isRun, first == (try largestNumber()) + 1 { try appended.run() } else { try numbered.run() }
    }

    private func largestNumber() throws(StoreError) -> Int64 {
        defer { largest.reset() }
        _ = try largest.step()
        return largest.integer(0)
    }
}
