import GRDBSQLite
public import Telemetry

/// One accepted reading of the batch at hand: where it lies in the ring, and the number under which it is stored.
@safe
public struct BatchRow {
    // Points into the ring's slots of the batch, which are not released before the commit.
    public let reading: UnsafePointer<Reading>
    /// `officer` and then `boot`, where the reading has them.
    public let text: UnsafePointer<UInt8>?
    public let id: Int64
    /// Index of the device's row before this one in the same batch, −1 for its first.
    public let previous: Int32

    public init(reading: UnsafePointer<Reading>, text: UnsafePointer<UInt8>?, id: Int64, previous: Int32) {
        unsafe self.reading = reading
        unsafe self.text = text
        self.id = id
        self.previous = previous
    }
}

/// The accepted readings of one kind in the batch at hand, which SQLite reads through an eponymous virtual table:
/// `INSERT INTO noise_raw SELECT … FROM noise_batch` hands rows over without binding column by column.
///
/// The writer's thread only. Rows are appended while the batch is processed and stay until ``removeAll()``.
@safe
public final class BatchTable {
    let kind: Kind
    // Grown by doubling, freed in deinit; a bare pointer so that the callbacks touch no reference count.
    private(set) var rows: UnsafeMutablePointer<BatchRow>
    public private(set) var count = 0
    private var capacity = 1024
    let fields: UnsafeMutablePointer<BatchColumn>
    let defaultPeriodMilliseconds: UInt32
    /// What the virtual table shows: the rows that are inserted now.
    private(set) var visible = 0..<0
    /// Rows that are in the open transaction already.
    private var insertedCount = 0

    init(kind: Kind) {
        self.kind = kind
        unsafe rows = .allocate(capacity: 1024)
        let list = kind.description.fields.map(\.batchColumn)
        unsafe fields = .allocate(capacity: list.count)
        for (index, column) in list.enumerated() { unsafe fields[index] = column }
        defaultPeriodMilliseconds = kind.description.defaultPeriodMilliseconds
    }

    deinit {
        unsafe rows.deallocate()
        unsafe fields.deallocate()
    }

    @inline(__always)
    public func append(_ row: BatchRow) {
        if count == capacity { grow() }
        unsafe rows[count] = row
        count += 1
    }

    public subscript(index: Int) -> BatchRow { unsafe rows[index] }

    public func removeAll() {
        count = 0
        insertedCount = 0
    }

    /// Shows the rows that are not inserted yet, and takes them for inserted; false where there are none.
    func showNew() -> Bool {
        visible = insertedCount..<count
        insertedCount = count
        return !visible.isEmpty
    }

    /// The rows that are shown, at least one: how many, and the numbers of the first and the last.
    var shown: (count: Int, first: Int64, last: Int64) {
        unsafe (visible.count, rows[visible.lowerBound].id, rows[visible.upperBound - 1].id)
    }

    private func grow() {
        let larger = UnsafeMutablePointer<BatchRow>.allocate(capacity: capacity * 2)
        unsafe larger.update(from: rows, count: count)
        unsafe rows.deallocate()
        unsafe rows = larger
        capacity *= 2
    }
}

/// Where a field of vehicles and cameras lies in a reading, flat.
struct BatchColumn: BitwiseCopyable {
    enum Source: UInt8 { case number, integer, bool, officer, boot }
    let source: Source
    let index: Int32
}

extension Field {
    fileprivate var batchColumn: BatchColumn {
        switch storage {
        case .number(let index, _, let isInteger):
            BatchColumn(source: isInteger ? .integer : .number, index: Int32(index))
        case .time(let index): BatchColumn(source: .integer, index: Int32(index))
        case .bool(let bit): BatchColumn(source: .bool, index: Int32(bit))
        case .text(.officer): BatchColumn(source: .officer, index: 0)
        case .text(.boot): BatchColumn(source: .boot, index: 0)
        case .flags, .period: BatchColumn(source: .number, index: -1)
        }
    }
}

// MARK: The virtual table's callbacks. Each recovers its context, does one thing and returns.

@safe
private struct Cursor {
    var base: sqlite3_vtab_cursor
    var table: UnsafeMutableRawPointer
    var position: Int
    var end: Int
}

@safe
private struct Table {
    var base: sqlite3_vtab
    var batch: UnsafeMutableRawPointer
}

extension BatchTable {
    /// Registers the batch under its name. The batch must outlive the connection.
    func register(on connection: Connection) throws(StoreError) {
        let code = unsafe sqlite3_create_module_v2(
            connection.handle, RawLayout(kind).batchName, batchModule, Unmanaged.passUnretained(self).toOpaque(), nil)
        if code != SQLITE_OK { throw connection.error(code) }
    }

    fileprivate static func at(_ pointer: UnsafeMutableRawPointer) -> Unmanaged<BatchTable> {
        unsafe Unmanaged.fromOpaque(pointer)
    }

    @inline(__always)
    fileprivate func answer(_ context: OpaquePointer?, _ column: Int32, row: Int) {
        let row = unsafe rows[row]
        let reading = unsafe row.reading
        switch column {
        case 0: unsafe sqlite3_result_int64(context, row.id)
        case 1: unsafe sqlite3_result_int64(context, reading.pointee.ts.milliseconds)
        case 2: unsafe sqlite3_result_int64(context, Int64(reading.pointee.device))
        case 3: unsafe sqlite3_result_int64(context, reading.pointee.received - reading.pointee.ts)
        case 4: if unsafe reading.pointee.seq != Reading.noSeq { unsafe sqlite3_result_int64(context, reading.pointee.seq) }
        case 5:
            let small = unsafe RawEncoding.small(reading.pointee, defaultPeriodMilliseconds: defaultPeriodMilliseconds)
            if small != 0 { unsafe sqlite3_result_int64(context, small) }
        default:
            if kind == .noise {
                unsafe answerNoise(context, column, reading)
            } else {
                unsafe answerField(context, fields[Int(column) - RawLayout.commonColumns], row)
            }
        }
    }

    @inline(__always)
    private func answerNoise(_ context: OpaquePointer?, _ column: Int32, _ reading: UnsafePointer<Reading>) {
        switch column {
        case 6:
            let level = unsafe reading.pointee.values[NoiseValue.laeq]
            if let hundredths = RawEncoding.scaled(level, 100) {
                unsafe sqlite3_result_int64(context, hundredths)
            } else {
                unsafe sqlite3_result_double(context, level)
            }
        default:
            if unsafe RawEncoding.needsExact(reading.pointee) {
                let text = unsafe RawEncoding.exact(reading.pointee)
                unsafe sqlite3_result_text(context, text, -1, unsafeBitCast(-1, to: sqlite3_destructor_type.self))
            } else if let levels = unsafe RawEncoding.levels(reading.pointee) {
                unsafe sqlite3_result_int64(context, levels)
            }
        }
    }

    private func answerField(_ context: OpaquePointer?, _ column: BatchColumn, _ row: BatchRow) {
        let index = Int(column.index)
        switch column.source {
        case .number: if let value = unsafe row.reading.pointee.value(index) { unsafe sqlite3_result_double(context, value) }
        case .integer:
            if let value = unsafe row.reading.pointee.value(index) { unsafe sqlite3_result_int64(context, Int64(value)) }
        case .bool: if let on = unsafe row.reading.pointee.bit(index) { unsafe sqlite3_result_int(context, on ? 1 : 0) }
        case .officer:
            unsafe answerText(context, row.text, from: 0, count: Int(row.reading.pointee.officerBytes))
        case .boot:
            unsafe answerText(
                context, row.text, from: Int(row.reading.pointee.officerBytes), count: Int(row.reading.pointee.bootBytes))
        }
    }

    private func answerText(_ context: OpaquePointer?, _ text: UnsafePointer<UInt8>?, from: Int, count: Int) {
        guard count > 0, let text = unsafe text else { return }
        // Static for SQLite: the ring's slot outlives the statement.
        unsafe UnsafeRawPointer(text + from).withMemoryRebound(to: CChar.self, capacity: count) {
            unsafe sqlite3_result_text(context, $0, Int32(count), nil)
        }
    }
}

/// The module's table of callbacks; one for the process, never freed.
private nonisolated(unsafe) let batchModule: UnsafeMutablePointer<sqlite3_module> = {
    let module = UnsafeMutablePointer<sqlite3_module>.allocate(capacity: 1)
    unsafe module.initialize(to: sqlite3_module())
    unsafe module.pointee.iVersion = 1
    unsafe module.pointee.xConnect = { connection, context, _, _, table, _ in
        let batch = unsafe BatchTable.at(context!)
        let columns = unsafe batch._withUnsafeGuaranteedRef { RawLayout($0.kind).columns }
        let code = unsafe sqlite3_declare_vtab(connection, "CREATE TABLE x (\(columns.joined(separator: ", ")))")
        if code != SQLITE_OK { return code }
        let made = UnsafeMutablePointer<Table>.allocate(capacity: 1)
        unsafe made.initialize(to: Table(base: sqlite3_vtab(), batch: context!))
        unsafe table!.pointee = UnsafeMutableRawPointer(made).assumingMemoryBound(to: sqlite3_vtab.self)
        return SQLITE_OK
    }
    unsafe module.pointee.xDisconnect = { table in
        unsafe UnsafeMutableRawPointer(table!).assumingMemoryBound(to: Table.self).deallocate()
        return SQLITE_OK
    }
    unsafe module.pointee.xBestIndex = { _, _ in SQLITE_OK }
    unsafe module.pointee.xOpen = { table, cursor in
        let batch = unsafe UnsafeMutableRawPointer(table!).assumingMemoryBound(to: Table.self).pointee.batch
        let made = UnsafeMutablePointer<Cursor>.allocate(capacity: 1)
        unsafe made.initialize(to: Cursor(base: sqlite3_vtab_cursor(), table: batch, position: 0, end: 0))
        unsafe cursor!.pointee = UnsafeMutableRawPointer(made).assumingMemoryBound(to: sqlite3_vtab_cursor.self)
        return SQLITE_OK
    }
    unsafe module.pointee.xClose = { cursor in
        unsafe UnsafeMutableRawPointer(cursor!).assumingMemoryBound(to: Cursor.self).deallocate()
        return SQLITE_OK
    }
    unsafe module.pointee.xFilter = { cursor, _, _, _, _ in
        let state = unsafe UnsafeMutableRawPointer(cursor!).assumingMemoryBound(to: Cursor.self)
        let visible = unsafe BatchTable.at(state.pointee.table)._withUnsafeGuaranteedRef { $0.visible }
        unsafe state.pointee.position = visible.lowerBound
        unsafe state.pointee.end = visible.upperBound
        return SQLITE_OK
    }
    unsafe module.pointee.xNext = { cursor in
        unsafe UnsafeMutableRawPointer(cursor!).assumingMemoryBound(to: Cursor.self).pointee.position += 1
        return SQLITE_OK
    }
    unsafe module.pointee.xEof = { cursor in
        let state = unsafe UnsafeMutableRawPointer(cursor!).assumingMemoryBound(to: Cursor.self)
        return unsafe state.pointee.position >= state.pointee.end ? 1 : 0
    }
    unsafe module.pointee.xColumn = { cursor, context, column in
        let state = unsafe UnsafeMutableRawPointer(cursor!).assumingMemoryBound(to: Cursor.self)
        let position = unsafe state.pointee.position
        unsafe BatchTable.at(state.pointee.table)._withUnsafeGuaranteedRef { unsafe $0.answer(context, column, row: position) }
        return SQLITE_OK
    }
    unsafe module.pointee.xRowid = { cursor, rowid in
        unsafe rowid!.pointee = Int64(UnsafeMutableRawPointer(cursor!).assumingMemoryBound(to: Cursor.self).pointee.position)
        return SQLITE_OK
    }
    return unsafe module
}()
