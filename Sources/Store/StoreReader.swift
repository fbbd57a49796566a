import Foundation
import GRDB
import Telemetry

/// Reads a store beside the writer, each call in a snapshot of its own. Any thread.
public struct StoreReader: Sendable {
    public let path: String
    private let queue: DatabaseQueue

    public init(path: String) throws(StoreError) {
        self.path = path
        guard FileManager.default.fileExists(atPath: path) else {
            throw StoreError(.missing, path: path, detail: "no such file")
        }
        do {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(5)
            configuration.prepareDatabase { $0.add(function: DeviceStatePage.newest) }
            queue = try DatabaseQueue(path: path, configuration: configuration)
            let isStore = try queue.read { try $0.tableExists("engine_state") }
            if !isStore { throw StoreError(.notADatabase, path: path, detail: "it has no table engine_state") }
        } catch {
            throw StoreReader.storeError(error, path)
        }
    }

    private static func storeError(_ error: any Error, _ path: String) -> StoreError {
        if let error = error as? StoreError { return error }
        guard let error = error as? DatabaseError else { return StoreError(.other, path: path, detail: "\(error)") }
        if error.resultCode == .SQLITE_ERROR {
            return StoreError(.input, path: path, detail: error.message ?? "\(error)")
        }
        return StoreError.from(code: error.extendedResultCode.rawValue, message: error.message ?? "", path: path)
    }

    /// A page is read within this time or given up: a longer snapshot would keep the write-ahead log from being emptied.
    public static let pageSeconds = 5.0

    /// The rows of a query: names of the columns, and values.
    /// - Throws: `StoreError`; `.input` where it took longer than `seconds`.
    public func rows(
        _ sql: String, _ arguments: [StoreValue] = [], seconds: Double = pageSeconds
    ) throws(StoreError) -> (columns: [String], rows: [[StoreValue]]) {
        try snapshot(seconds: seconds) { db in
            let statement = try db.makeStatement(sql: sql)
            let cursor = try Row.fetchCursor(statement, arguments: StatementArguments(arguments.map(\.databaseValue)))
            var rows: [[StoreValue]] = []
            while let row = try cursor.next() { rows.append(row.databaseValues.map(StoreValue.init)) }
            return (statement.columnNames, rows)
        }
    }

    /// Its pages as of one moment in a new file; quicker than ``backup(to:)``, and with all free space.
    public func copyPages(to path: String) throws(StoreError) {
        do {
            try queue.backup(to: try DatabaseQueue(path: path))
        } catch {
            throw StoreReader.storeError(error, path)
        }
    }

    /// Everything `body` reads is of one moment; interrupted after `seconds`.
    func snapshot<Value>(
        seconds: Double, _ body: (Database) throws -> Value
    ) throws(StoreError) -> Value {
        do {
            return try queue.read { [queue] db in
                let alarm = DispatchWorkItem { queue.interrupt() }
                DispatchQueue.global().asyncAfter(deadline: .now() + seconds, execute: alarm)
                defer { alarm.cancel() }
                return try body(db)
            }
        } catch {
            throw StoreReader.storeError(error, path)
        }
    }

    /// Whether received = stored + duplicate + rejected + dropped for each kind, and the counts agree with the rows
    /// that are there; else what differs.
    public func imbalances() throws(StoreError) -> [String] {
        // One snapshot: counts and rows move together while a Patrol is running.
        try snapshot(seconds: 120) { db in try StoreReader.imbalances(db) }
    }

    private static func imbalances(_ db: Database) throws -> [String] {
        func rows(_ sql: String) throws -> [[StoreValue]] {
            try Row.fetchAll(db, sql: sql).map { $0.databaseValues.map(StoreValue.init) }
        }
        var found: [String] = []
        let counts = try rows("SELECT kind, received, stored, duplicate, rejected, dropped FROM message_count")
        var rejected: Int64 = 0
        for row in counts {
            let values = row.dropFirst().map { $0.integer }
            let kind = row[0].text
            rejected += values[3]
            if values[0] != values[1...].reduce(0, +) {
                found.append("\(kind): \(values[0]) received, but stored + duplicate + rejected + dropped are \(values[1...].reduce(0, +))")
            }
            if Kind(name: kind) == nil { continue }
            let there = try rows("SELECT count(*) FROM \(kind)_raw")[0][0].integer
            let deleted = try rows("SELECT coalesce(sum(deleted), 0) FROM retention WHERE kind = '\(kind)'")[0][0].integer
            let number = Kind(name: kind).map { Int64($0.rawValue) } ?? -1
            let packed = try rows("SELECT coalesce(sum(gone_rows), 0) FROM history_run WHERE kind = \(number)")[0][0].integer
            if there + packed + deleted != values[1] {
                found.append(
                    """
                    \(kind): \(values[1]) counted as stored, \(there) rows are there, \(packed) are compact and \(deleted) \
                    past their retention
                    """)
            }
        }
        // Rows are numbered from 1 without a gap; only the oldest are ever taken away (`StoreWriter.capRejects`).
        let reject = try rows("SELECT count(*), coalesce(min(id), 1), coalesce(max(id), 0) FROM reject")[0].map(\.integer)
        let isWhole = reject[0] == rejected || (reject[2] == rejected && reject[0] == reject[2] - reject[1] + 1)
        if !isWhole { found.append("\(rejected) counted as rejected, \(reject[0]) rows are in reject") }
        return found
    }
}
