import GRDBSQLite
public import Telemetry

/// The committed readings, by device and time: for identity, late minutes and the start after a kill. The writer's
/// thread only.
public final class StoredReadings {
    /// A row read back.
    public struct Stored: Sendable {
        public var reading: Reading
        /// Its number.
        public var input: Int64
        public var officer: String
        public var boot: String
    }

    private let connection: Connection
    let indexes: [IdentityIndex]
    private let byID: [Statement]

    init(_ connection: Connection) throws(StoreError) {
        self.connection = connection
        var indexes: [IdentityIndex] = []
        var byID: [Statement] = []
        for kind in Kind.allCases {
            indexes.append(try IdentityIndex(kind: kind, connection: connection))
            byID.append(try connection.prepare("\(RawLayout(kind).selectSQL) WHERE id = ?"))
        }
        self.indexes = indexes
        self.byID = byID
    }

    /// Calls `body` with each committed reading of the device at `ts` until it returns false.
    public func find(
        kind: Kind, device: UInt32, ts: Timestamp, _ body: (Stored) -> Bool
    ) throws(StoreError) {
        try indexes[Int(kind.rawValue)].find(device: device, ts: ts) { id throws(StoreError) in
            guard let row = try fetch(kind, id) else { return true }
            return body(row)
        }
    }

    /// Calls `body` with each committed reading of the device with `from <= ts < to`, in no particular order.
    public func find(
        kind: Kind, device: UInt32, from: Timestamp, to: Timestamp, _ body: (Stored) -> Void
    ) throws(StoreError) {
        try indexes[Int(kind.rawValue)].find(device: device, from: from, to: to) { id throws(StoreError) in
            if let row = try fetch(kind, id) { body(row) }
        }
    }

    private func fetch(_ kind: Kind, _ id: Int64) throws(StoreError) -> Stored? {
        let select = byID[Int(kind.rawValue)]
        select.bind(1, id)
        defer { select.reset() }
        guard try select.step() else { return nil }
        return RawRow.decode(kind, select)
    }

    /// Rows of a batch that is being committed. Full segments are written to `raw_segment` by the caller.
    func append(_ batch: BatchTable) -> IdentityIndex.Closed? { indexes[Int(batch.kind.rawValue)].append(batch) }

    /// Loads the segments and counts the rows behind the last full one.
    func restore() throws(StoreError) {
        let segments = try connection.prepare("SELECT kind, first_id, last_id, min_ts, max_ts FROM raw_segment ORDER BY 1, 2")
        var lastOfKind = [Int64](repeating: 0, count: Kind.allCases.count)
        while try segments.step() {
            guard let kind = Kind(rawValue: UInt8(truncatingIfNeeded: segments.integer(0))) else { continue }
            indexes[Int(kind.rawValue)].restore(
                first: segments.integer(1), last: segments.integer(2),
                minTs: Timestamp(milliseconds: segments.integer(3)), maxTs: Timestamp(milliseconds: segments.integer(4)),
                rows: IdentityIndex.segmentRows)
            lastOfKind[Int(kind.rawValue)] = segments.integer(2)
        }
        for kind in Kind.allCases {
            let tail = try connection.prepare(
                "SELECT min(id), max(id), min(ts), max(ts), count(*) FROM \(RawLayout(kind).tableName) WHERE id > ?")
            tail.bind(1, lastOfKind[Int(kind.rawValue)])
            guard try tail.step(), tail.integer(4) > 0 else { continue }
            indexes[Int(kind.rawValue)].restore(
                first: tail.integer(0), last: tail.integer(1), minTs: Timestamp(milliseconds: tail.integer(2)),
                maxTs: Timestamp(milliseconds: tail.integer(3)), rows: Int(tail.integer(4)))
        }
    }
}

/// A row of a raw table back as a reading; the inverse of ``BatchTable``'s columns.
enum RawRow {
    /// By kind: to ask its description for each row would count references.
    private static let defaultPeriods = Kind.allCases.map(\.description.defaultPeriodMilliseconds)

    static func decode(_ kind: Kind, _ row: some RowColumns) -> StoredReadings.Stored {
        let small = row.integer(5)
        let period = small >> 15
        var reading = Reading(
            kind: kind,
            periodMilliseconds: period == 0 ? defaultPeriods[Int(kind.rawValue)] : UInt32(period - 1))
        reading.ts = Timestamp(milliseconds: row.integer(1))
        reading.device = UInt32(truncatingIfNeeded: row.integer(2))
        reading.received = reading.ts + row.integer(3)
        if !row.isNull(4) { reading.seq = row.integer(4) }
        reading.isBackfill = small & 16 != 0
        var stored = StoredReadings.Stored(reading: reading, input: row.integer(0), officer: "", boot: "")
        if kind == .noise { decodeNoise(&stored.reading, row, small) } else { decodeFields(&stored, kind, row) }
        return stored
    }

    private static func decodeNoise(_ reading: inout Reading, _ row: some RowColumns, _ small: Int64) {
        reading.set(NoiseValue.laeq, row.type(6) == SQLITE_INTEGER ? Double(row.integer(6)) / 100 : row.double(6))
        reading.bits = UInt16(small & 15)
        reading.bitsPresent = reading.bits
        guard row.type(7) == SQLITE_TEXT else {
            let battery = small >> 5 & 1023
            if battery > 0 { reading.set(NoiseValue.battery, Double(battery - 1) / 10) }
            let levels = row.integer(7)
            for index in NoiseValue.lmax...NoiseValue.l90 {
                let field = levels >> Int64((index - 1) * 12) & 4095
                if field > 0 { reading.set(index, Double(field - 201) / 10) }
            }
            return
        }
        // `{"lmax":61.234,…}`, as RawEncoding.exact wrote it: names are known, values plain numbers.
        for member in row.text(7).dropFirst().dropLast().split(separator: ",") {
            let parts = member.split(separator: ":")
            let names = RawLayout.noiseLevels + ["battery"]
            guard parts.count == 2, let position = names.firstIndex(of: String(parts[0].dropFirst().dropLast())),
                let value = Double(parts[1])
            else { continue }
            reading.set(NoiseValue.lmax + position, value)
        }
    }

    private static func decodeFields(_ stored: inout StoredReadings.Stored, _ kind: Kind, _ row: some RowColumns) {
        for (offset, field) in kind.description.fields.enumerated() {
            let column = Int32(RawLayout.commonColumns + offset)
            if row.isNull(column) { continue }
            switch field.storage {
            case .number(let index, _, _), .time(let index): stored.reading.set(index, row.double(column))
            case .bool(let bit): stored.reading.setBit(bit, row.integer(column) != 0)
            case .text(.officer): stored.officer = row.text(column)
            case .text(.boot): stored.boot = row.text(column)
            case .flags, .period: break
            }
        }
    }

    /// A reading's columns, as ``BatchTable`` gives them.
    static func bind(_ stored: borrowing StoredReadings.Stored, to insert: Statement) {
        let kind = stored.reading.kind
        insert.bind(1, stored.input)
        insert.bind(2, stored.reading.ts.milliseconds)
        insert.bind(3, Int64(stored.reading.device))
        insert.bind(4, stored.reading.received - stored.reading.ts)
        insert.bind(5, stored.reading.seq == Reading.noSeq ? nil : stored.reading.seq)
        let small = RawEncoding.small(stored.reading, defaultPeriodMilliseconds: kind.description.defaultPeriodMilliseconds)
        insert.bind(6, small == 0 ? nil : small)
        if kind == .noise { return bindNoise(stored.reading, insert) }
        for (offset, field) in kind.description.fields.enumerated() {
            let column = Int32(RawLayout.commonColumns + offset + 1)
            insert.bindNull(column)
            switch field.storage {
            case .number(let index, _, let isInteger):
                guard let value = stored.reading.value(index) else { continue }
                if isInteger { insert.bind(column, Int64(value)) } else { insert.bind(column, value) }
            case .time(let index): if let value = stored.reading.value(index) { insert.bind(column, Int64(value)) }
            case .bool(let bit): if let on = stored.reading.bit(bit) { insert.bind(column, on ? 1 : Int64(0)) }
            case .text(.officer): if !stored.officer.isEmpty { insert.bind(column, stored.officer) }
            case .text(.boot): if !stored.boot.isEmpty { insert.bind(column, stored.boot) }
            case .flags, .period: break
            }
        }
    }

    private static func bindNoise(_ reading: borrowing Reading, _ insert: Statement) {
        let level = reading.values[NoiseValue.laeq]
        if let hundredths = RawEncoding.scaled(level, 100) { insert.bind(7, hundredths) } else { insert.bind(7, level) }
        if RawEncoding.needsExact(reading) {
            insert.bind(8, RawEncoding.exact(reading))
        } else {
            insert.bind(8, RawEncoding.levels(reading))
        }
    }
}
