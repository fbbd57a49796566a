import Glibc
import GRDBSQLite

/// One SQLite connection for the writer's thread, with SQLite's own calls: what GRDB does off the hot path, this does
/// on it. Owned by one thread; closed in `deinit`.
@safe
final class Connection {
    // Opened in init and closed in deinit, or GRDB's; never handed out beyond this module.
    let handle: OpaquePointer
    let path: String
    private let isOwn: Bool
    /// Takes the rows of the ``forEachRow(_:_:)`` at hand.
    fileprivate var taker: ((RowArguments) -> Void)?

    init(path: String, readOnly: Bool = false) throws(StoreError) {
        self.path = path
        var opened: OpaquePointer?
        let flags = readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        let code = unsafe sqlite3_open_v2(path, &opened, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
        guard let connection = unsafe opened, code == SQLITE_OK else {
            let message = unsafe String(cString: sqlite3_errmsg(opened))
            _ = unsafe sqlite3_close_v2(opened)
            throw StoreError.from(code: code, message: message, path: path)
        }
        unsafe handle = connection
        isOwn = true
        _ = unsafe sqlite3_busy_timeout(connection, 5000)
        _ = unsafe sqlite3_create_function_v2(
            connection, "hand_over", -1, SQLITE_UTF8, Unmanaged.passUnretained(self).toOpaque(), nil,
            { context, _, values in
                let connection = unsafe Unmanaged<Connection>.fromOpaque(sqlite3_user_data(context))
                unsafe connection._withUnsafeGuaranteedRef { unsafe $0.taker?(RowArguments(values: values!)) }
            }, { _ in }, nil)
    }

    /// One that GRDB has opened and will close; for as long as GRDB gives access to it.
    init(handle: OpaquePointer, path: String) {
        unsafe self.handle = handle
        self.path = path
        isOwn = false
    }

    deinit { if isOwn { _ = unsafe sqlite3_close_v2(handle) } }

    func error(_ code: Int32) -> StoreError {
        StoreError.from(code: code, message: unsafe String(cString: sqlite3_errmsg(handle)), path: path)
    }

    func execute(_ sql: String) throws(StoreError) {
        let code = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
        if code != SQLITE_OK { throw error(code) }
    }

    func prepare(_ sql: String) throws(StoreError) -> Statement { try Statement(self, sql) }

    /// A select of columns for ``forEachRow(_:_:)``; `rest` is its `FROM` and what follows.
    func prepareHandingOver(_ columns: [String], _ rest: String) throws(StoreError) -> Statement {
        try prepare("SELECT hand_over(\(columns.joined(separator: ", "))) FROM \(rest)")
    }

    /// Hands over rows within one step of a statement: an aggregate function gets their columns. That costs half of a step for
    /// each row.
    func forEachRow(_ select: Statement, _ body: (RowArguments) -> Void) throws(StoreError) {
        try withoutActuallyEscaping(body) { body throws(StoreError) in
            let outer = taker
            taker = body
            defer { taker = outer }
            try select.run()
        }
    }
}

/// The columns of a row, by their places.
protocol RowColumns {
    func integer(_ column: Int32) -> Int64
    func double(_ column: Int32) -> Double
    func type(_ column: Int32) -> Int32
    func text(_ column: Int32) -> String
}

extension RowColumns {
    func isNull(_ column: Int32) -> Bool { type(column) == SQLITE_NULL }
}

/// A row that SQLite hands over; valid within the call.
@safe
struct RowArguments: RowColumns {
    fileprivate let values: UnsafeMutablePointer<OpaquePointer?>

    func integer(_ column: Int32) -> Int64 { unsafe sqlite3_value_int64(values[Int(column)]) }
    func double(_ column: Int32) -> Double { unsafe sqlite3_value_double(values[Int(column)]) }
    func type(_ column: Int32) -> Int32 { unsafe sqlite3_value_type(values[Int(column)]) }
    func text(_ column: Int32) -> String {
        guard let bytes = unsafe sqlite3_value_text(values[Int(column)]) else { return "" }
        return unsafe String(cString: bytes)
    }
}

/// A prepared statement of a ``Connection``; the same thread's.
@safe
final class Statement: RowColumns {
    private let connection: Connection
    let handle: OpaquePointer

    init(_ connection: Connection, _ sql: String) throws(StoreError) {
        self.connection = connection
        var prepared: OpaquePointer?
        let code = unsafe sqlite3_prepare_v3(
            connection.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let statement = unsafe prepared else { throw connection.error(code) }
        unsafe handle = statement
    }

    deinit { _ = unsafe sqlite3_finalize(handle) }

    func bind(_ index: Int32, _ value: Int64) { _ = unsafe sqlite3_bind_int64(handle, index, value) }
    func bind(_ index: Int32, _ value: Double) { _ = unsafe sqlite3_bind_double(handle, index, value) }
    func bindNull(_ index: Int32) { _ = unsafe sqlite3_bind_null(handle, index) }
    func bind(_ index: Int32, _ value: Int64?) { if let value { bind(index, value) } else { bindNull(index) } }
    func bind(_ index: Int32, _ value: String?) {
        guard var value else { return bindNull(index) }
        value.withUTF8 { bytes in
            _ = unsafe sqlite3_bind_text(
                handle, index, UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(to: CChar.self) ?? emptyText,
                Int32(bytes.count), transient)
        }
    }

    /// Bytes as text where they are UTF-8, as a blob where not.
    func bindBytes(_ index: Int32, _ bytes: [UInt8]) {
        if let text = String(validating: bytes, as: UTF8.self) { return bind(index, text) }
        bindBlob(index, bytes)
    }

    func bindBlob(_ index: Int32, _ bytes: [UInt8]) { bindBlob(index, bytes.span) }

    func bindBlob(_ index: Int32, _ bytes: Span<UInt8>) {
        _ = unsafe bytes.withUnsafeBytes { unsafe sqlite3_bind_blob(handle, index, $0.baseAddress, Int32($0.count), transient) }
    }

    /// True when there is a row.
    func step() throws(StoreError) -> Bool {
        let code = unsafe sqlite3_step(handle)
        if code == SQLITE_ROW { return true }
        if code == SQLITE_DONE { return false }
        let failure = connection.error(code)
        _ = unsafe sqlite3_reset(handle)
        throw failure
    }

    func reset() { _ = unsafe sqlite3_reset(handle) }

    /// Steps to the end and resets.
    func run() throws(StoreError) {
        while try step() {}
        reset()
    }

    func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(handle, column) }
    func double(_ column: Int32) -> Double { unsafe sqlite3_column_double(handle, column) }
    func type(_ column: Int32) -> Int32 { unsafe sqlite3_column_type(handle, column) }
    func bytes(_ column: Int32) -> [UInt8] {
        guard let first = unsafe sqlite3_column_blob(handle, column) else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: first, count: Int(sqlite3_column_bytes(handle, column))))
    }
    func text(_ column: Int32) -> String {
        guard let bytes = unsafe sqlite3_column_text(handle, column) else { return "" }
        return unsafe String(cString: bytes)
    }
}

// SQLITE_TRANSIENT: SQLite copies the bytes before the call returns.
private let transient = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
private nonisolated(unsafe) let emptyText = unsafe UnsafePointer<CChar>(strdup(""))!

/// How many frames the write-ahead log has as of the last commit of a connection. Lives as long as the connection; the
/// same thread's.
@safe
final class LogLength {
    private(set) var frames: Int64 = 0

    /// After `PRAGMA wal_autocheckpoint`, which uses the same hook.
    init(_ connection: Connection) {
        _ = unsafe sqlite3_wal_hook(
            connection.handle,
            { context, _, _, frames in
                unsafe Unmanaged<LogLength>.fromOpaque(context!).takeUnretainedValue().frames = Int64(frames)
                return SQLITE_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }
}
