import Foundation
import GRDB
import GRDBSQLite
import Glibc
import Telemetry

/// The one writer. Owned by the processor's thread, which processes a batch, writes it in one transaction and commits
/// with `synchronous=FULL`; nobody else changes the store.
public final class StoreWriter {
    public let path: String
    let connection: Connection
    private let lock: StoreLock
    /// The accepted readings of the batch at hand, by kind.
    public let batches: [BatchTable]
    private let inserts: [RawInserts]
    let statements: WriterStatements
    let rollups: RollupStatements
    let marker: StreamMarker
    let tracks: TrackStatements
    /// Off the commit path: moves the write-ahead log into the database.
    public let checkpointer: Checkpointer
    private let log: LogLength

    /// Opens the store, making or migrating it.
    /// - Parameters:
    ///   - walCapBytes: beyond this the write-ahead log raises an alarm (`Checkpointer.isOverCap`).
    ///   - isDurable: whether a commit waits for the disk.
    public init(path: String, walCapBytes: Int64 = 256 << 20, isDurable: Bool = true) throws(StoreError) {
        self.path = path
        let folder = (path as NSString).deletingLastPathComponent
        if !folder.isEmpty { try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
        lock = try StoreLock(path: path)
        try StoreWriter.migrate(path)
        connection = try Connection(path: path)
        try connection.execute("PRAGMA journal_mode=WAL")
        try connection.execute("PRAGMA synchronous=\(isDurable ? "FULL" : "OFF")")
        try connection.execute("PRAGMA wal_autocheckpoint=0")
        try connection.execute("PRAGMA cache_size=-4096")
        try connection.execute("PRAGMA temp_store=MEMORY")
        try connection.execute("PRAGMA journal_size_limit=\(min(walCapBytes, 64 << 20))")
        batches = Kind.allCases.map { BatchTable(kind: $0) }
        for batch in batches { try batch.register(on: connection) }
        var made: [RawInserts] = []
        for kind in Kind.allCases { made.append(try RawInserts(kind, connection)) }
        inserts = made
        statements = try WriterStatements(connection)
        rollups = try RollupStatements(connection)
        marker = StreamMarker(path: path)
        tracks = try TrackStatements(connection)
        checkpointer = Checkpointer(path: path, capBytes: walCapBytes)
        log = LogLength(connection)
        try noticeRestoredBackup()
    }

    /// Refuses a file that is not ours before anything is written to it.
    private static func judge(_ path: String) throws {
        guard FileManager.default.fileExists(atPath: path) else { return }
        var configuration = Configuration()
        configuration.readonly = true
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        defer { try? queue.close() }
        try queue.read { db in
            let isEmpty = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") == 0
            if isEmpty { return }
            guard try db.tableExists("grdb_migrations") else {
                throw StoreError(.notADatabase, path: path, detail: "it holds other tables")
            }
            if try Schema.migrator.hasBeenSuperseded(db) {
                throw StoreError(.newerVersion, path: path, detail: "it has migrations that this version does not know")
            }
            // The tables without which no batch can be committed; all of them are small.
            for table in ["device", "device_page", "engine_state", "message_count", "outlet"] where try db.tableExists(table) {
                let found = try String.fetchOne(db, sql: "PRAGMA quick_check('\(table)')") ?? "no answer"
                if found != "ok" { throw StoreError(.damaged, path: path, detail: "table \(table): \(found)") }
            }
        }
    }

    private static func migrate(_ path: String) throws(StoreError) {
        do {
            try judge(path)
            var configuration = Configuration()
            configuration.prepareDatabase { db in
                // Space of deleted rows can be given back in small steps; must be set before the first table.
                try db.execute(sql: "PRAGMA auto_vacuum=INCREMENTAL")
                try db.execute(sql: "PRAGMA journal_mode=WAL")
            }
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            defer { try? queue.close() }
            try Schema.migrator.migrate(queue)
        } catch let error as StoreError {
            throw error
        } catch let error as DatabaseError {
            throw StoreError.from(
                code: error.extendedResultCode.rawValue, message: error.message ?? "no message", path: path)
        } catch {
            throw StoreError(.other, path: path, detail: "\(error)")
        }
    }

    // MARK: A batch

    /// Begins a transaction, or goes on with the open one.
    public func begin() throws(StoreError) {
        if unsafe sqlite3_get_autocommit(connection.handle) != 0 { try connection.execute("BEGIN IMMEDIATE") }
    }

    /// Inserts the accepted readings of all kinds that are not inserted yet, in the order of their ids within each kind.
    public func insertReadings() throws(StoreError) {
        for index in batches.indices where batches[index].showNew() { try inserts[index].run(batches[index]) }
    }

    public func commit() throws(StoreError) {
        try connection.execute("COMMIT")
        marker.committed()
        committed()
    }

    /// After anything that the connection has committed.
    func committed() { checkpointer.committed(frames: log.frames, on: connection) }

    public func rollback() {
        marker.rolledBack()
        if unsafe sqlite3_get_autocommit(connection.handle) == 0 { try? connection.execute("ROLLBACK") }
    }

    /// Whether a write can succeed now: takes and gives back the write lock.
    public func probe() throws(StoreError) {
        try begin()
        rollback()
    }

    /// Moves the whole log into the database and gives its space back, where no reader is in the way. For idle moments:
    /// it waits for nobody, but for the disk.
    public func shrinkLog() {
        guard !checkpointer.isBusy else { return }
        let code = unsafe sqlite3_wal_checkpoint_v2(connection.handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
        if code == SQLITE_OK { checkpointer.note(frames: 0) }
    }

    /// Before many commits are to come: makes the log's file long, so that each costs less.
    public func prepareLog() { checkpointer.prepareLog() }

    /// Moves the whole log into the database, at a clean end.
    public func close() {
        checkpointer.stop()
        try? connection.execute("PRAGMA optimize")
        _ = unsafe sqlite3_wal_checkpoint_v2(connection.handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
    }
}
