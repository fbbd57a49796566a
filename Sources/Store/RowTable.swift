import GRDBSQLite

/// Writes rows of one table whose values come as a list in the order of the columns, inside the open transaction: for
/// tables that are written rarely. The writer's thread only.
public final class RowTable {
    private let insert: Statement
    private let count: Int

    /// - Parameter isReplacing: a row with the key of another takes its place; otherwise a second one is left out.
    public init(_ store: StoreWriter, _ table: String, _ columns: [String], isReplacing: Bool = false) throws(StoreError) {
        count = columns.count
        let places = Array(repeating: "?", count: count).joined(separator: ",")
        insert = try store.connection.prepare(
            "INSERT OR \(isReplacing ? "REPLACE" : "IGNORE") INTO \(table) (\(columns.joined(separator: ","))) VALUES (\(places))")
    }

    public func write(_ values: [StoreValue]) throws(StoreError) {
        precondition(values.count == count, "\(values.count) values for \(count) columns")
        for (index, value) in values.enumerated() { insert.bind(Int32(index + 1), value) }
        try insert.run()
    }
}

extension StoreWriter {
    /// The rows of a query on the writer's own connection: it sees what the open transaction has written.
    public func rows(_ sql: String, _ arguments: [StoreValue] = []) throws(StoreError) -> [[StoreValue]] {
        let select = try connection.prepare(sql)
        for (index, value) in arguments.enumerated() { select.bind(Int32(index + 1), value) }
        var rows: [[StoreValue]] = []
        while try select.step() { rows.append(select.row()) }
        return rows
    }
}

extension Statement {
    func bind(_ index: Int32, _ value: StoreValue) {
        switch value {
        case .null: bindNull(index)
        case .integer(let number): bind(index, number)
        case .real(let number): bind(index, number)
        case .text(let text): bind(index, text)
        }
    }

    /// The values of the row at hand.
    func row() -> [StoreValue] {
        (0..<columnCount).map { column in
            switch type(column) {
            case SQLITE_NULL: .null
            case SQLITE_INTEGER: .integer(integer(column))
            case SQLITE_FLOAT: .real(double(column))
            default: .text(text(column))
            }
        }
    }

    private var columnCount: Int32 { unsafe sqlite3_column_count(handle) }
}
