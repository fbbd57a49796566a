public import Telemetry

/// A compressed run of readings of one device, in the order of their numbers.
public struct HistoryBlock: Sendable {
    public var device: UInt32
    /// Days since 1970, UTC, on which all its readings begin.
    public var day: Int64
    public var rows: Int
    public var minTs: Timestamp, maxTs: Timestamp
    /// Of all values of all its readings.
    public var hash: UInt64
    public var bytes: [UInt8]

    static let dayMilliseconds: Int64 = 86_400_000
    static func day(_ ts: Timestamp) -> Int64 {
        (ts.milliseconds - (ts.milliseconds < 0 ? dayMilliseconds - 1 : 0)) / dayMilliseconds
    }
}

/// How the bytes of a block are to be read. The first byte says it; blocks of the first format have no such byte, and begin
/// with a set bit.
enum BlockFormat: UInt8 {
    case first
    case newest

    /// Nil where it is none that is known here.
    init?(_ bytes: [UInt8]) {
        switch bytes.first {
        case .some(0x80...): self = .first
        case BlockFormat.newest.rawValue: self = .newest
        default: return nil
        }
    }
}

/// What of a reading is nearly always as in the one before: it costs one bit then.
private struct Shape {
    var present: UInt16 = 0
    var bits: UInt16 = 0
    var bitsPresent: UInt16 = 0
    var period: UInt32 = 0
    var hasSeq = false
    var isBackfill = false
    var officer = ""
    var boot = ""

    init() {}

    init(_ stored: borrowing StoredReadings.Stored) {
        present = stored.reading.present
        bits = stored.reading.bits
        bitsPresent = stored.reading.bitsPresent
        period = stored.reading.periodMilliseconds
        hasSeq = stored.reading.seq != Reading.noSeq
        isBackfill = stored.reading.isBackfill
        officer = stored.officer
        boot = stored.boot
    }

    /// Whether it is that of a reading; its own is not made for that.
    @inline(__always)
    func isShape(of stored: borrowing StoredReadings.Stored) -> Bool {
        present == stored.reading.present && bits == stored.reading.bits && bitsPresent == stored.reading.bitsPresent
            && period == stored.reading.periodMilliseconds && hasSeq == (stored.reading.seq != Reading.noSeq)
            && isBackfill == stored.reading.isBackfill && officer == stored.officer && boot == stored.boot
    }

    /// A reading of this shape without times and values.
    func reading(_ kind: Kind, _ device: UInt32) -> StoredReadings.Stored {
        var reading = Reading(kind: kind, periodMilliseconds: period)
        reading.device = device
        reading.present = present
        reading.bits = bits
        reading.bitsPresent = bitsPresent
        reading.isBackfill = isBackfill
        return StoredReadings.Stored(reading: reading, input: 0, officer: officer, boot: boot)
    }
}

/// Writer's and reader's common state. Pure: the same readings give the same bytes.
private struct BlockColumns {
    var shape = Shape()
    var input: NumberColumn
    var ts: NumberColumn
    var lag: NumberColumn
    var seq: NumberColumn
    var values: InlineArray<10, NumberColumn>
    var hash = HistoryHash()

    init(_ format: BlockFormat) {
        input = NumberColumn(.steady, format)
        ts = NumberColumn(.steady, format)
        lag = NumberColumn(.same, format)
        seq = NumberColumn(.steady, format)
        values = InlineArray(repeating: NumberColumn(.same, format))
    }
}

/// Takes readings of one device, one by one, and gives their block. Times are written as differences of differences, all else
/// as differences, each exact: what decimals cannot hold is written bit by bit (``NumberColumn``).
struct BlockEncoder {
    private var columns = BlockColumns(.newest)
    private var bits = BitWriter()
    private(set) var rows = 0
    private var minTs = Timestamp(milliseconds: .max), maxTs = Timestamp(milliseconds: .min)

    init() { bits.put(UInt64(BlockFormat.newest.rawValue), 8) }

    mutating func add(_ stored: borrowing StoredReadings.Stored) {
        rows += 1
        minTs = min(minTs, stored.reading.ts)
        maxTs = max(maxTs, stored.reading.ts)
        columns.hash.add(stored)
        if columns.shape.isShape(of: stored) {
            bits.put(0, 1)
        } else {
            let shape = Shape(stored)
            bits.put(1, 1)
            write(shape)
            columns.shape = shape
        }
        columns.input.write(stored.input, &bits)
        columns.ts.write(stored.reading.ts.milliseconds, &bits)
        columns.lag.write(stored.reading.received.milliseconds &- stored.reading.ts.milliseconds, &bits)
        if stored.reading.seq != Reading.noSeq { columns.seq.write(stored.reading.seq, &bits) }
        for index in 0..<10 where stored.reading.present >> UInt16(index) & 1 == 1 {
            columns.values[index].write(stored.reading.values[index], &bits)
        }
    }

    private mutating func write(_ shape: Shape) {
        bits.put(UInt64(shape.present), 16)
        bits.put(UInt64(shape.bits), 16)
        bits.put(UInt64(shape.bitsPresent), 16)
        bits.put(UInt64(shape.period), 32)
        bits.put(shape.hasSeq ? 1 : 0, 1)
        bits.put(shape.isBackfill ? 1 : 0, 1)
        for (text, before) in [(shape.officer, columns.shape.officer), (shape.boot, columns.shape.boot)] {
            if text == before {
                bits.put(0, 1)
                continue
            }
            bits.put(1, 1)
            let bytes = Array(text.utf8)
            bits.put(UInt64(bytes.count), 16)
            for byte in bytes { bits.put(UInt64(byte), 8) }
        }
    }

    func finish(device: UInt32, day: Int64) -> HistoryBlock {
        HistoryBlock(
            device: device, day: day, rows: rows, minTs: minTs, maxTs: maxTs, hash: columns.hash.value, bytes: bits.finish())
    }
}

/// Reads the readings of a block, in their order; takes any bytes.
struct BlockDecoder {
    private let kind: Kind
    private let device: UInt32
    private let hash: UInt64
    private var left: Int
    private var columns: BlockColumns
    private var bits: BitReader

    init(kind: Kind, device: UInt32, rows: Int, hash: UInt64, bytes: [UInt8]) {
        self.kind = kind
        self.device = device
        self.hash = hash
        left = rows
        let format = BlockFormat(bytes)
        columns = BlockColumns(format ?? .newest)
        // Without bytes the first reading is damage.
        bits = BitReader(format == nil ? [] : bytes)
        if format == .newest { _ = try? bits.take(8) }
    }

    init(_ block: HistoryBlock, kind: Kind) {
        self.init(kind: kind, device: block.device, rows: block.rows, hash: block.hash, bytes: block.bytes)
    }

    /// The next reading, nil behind the last.
    /// - Throws: `HistoryDamage` where the bytes are not those that were written; at the latest with the last reading.
    mutating func next() throws(HistoryDamage) -> StoredReadings.Stored? {
        var stored = columns.shape.reading(kind, device)
        return try advance(&stored) ? stored : nil
    }

    /// Reads to the end.
    /// - Throws: `HistoryDamage` where the bytes are not those that were written.
    mutating func readAll() throws(HistoryDamage) {
        var stored = columns.shape.reading(kind, device)
        while try advance(&stored) {}
    }

    /// Makes the next reading of the one before, or of one of the same shape; false behind the last.
    private mutating func advance(_ stored: inout StoredReadings.Stored) throws(HistoryDamage) -> Bool {
        guard left > 0 else { return false }
        left -= 1
        if try bits.take(1) == 1 {
            columns.shape = try readShape()
            stored = columns.shape.reading(kind, device)
        }
        stored.input = try columns.input.read(&bits)
        stored.reading.ts = Timestamp(milliseconds: try columns.ts.read(&bits))
        stored.reading.received = Timestamp(milliseconds: stored.reading.ts.milliseconds &+ (try columns.lag.read(&bits)))
        if columns.shape.hasSeq { stored.reading.seq = try columns.seq.read(&bits) }
        for index in 0..<10 where columns.shape.present >> UInt16(index) & 1 == 1 {
            stored.reading.values[index] = try columns.values[index].readReal(&bits)
        }
        columns.hash.add(stored)
        if left == 0 && columns.hash.value != hash { throw HistoryDamage() }
        return true
    }

    private mutating func readShape() throws(HistoryDamage) -> Shape {
        var shape = Shape()
        shape.present = UInt16(truncatingIfNeeded: try bits.take(16))
        if shape.present >> 10 != 0 { throw HistoryDamage() }
        shape.bits = UInt16(truncatingIfNeeded: try bits.take(16))
        shape.bitsPresent = UInt16(truncatingIfNeeded: try bits.take(16))
        shape.period = UInt32(truncatingIfNeeded: try bits.take(32))
        shape.hasSeq = try bits.take(1) == 1
        shape.isBackfill = try bits.take(1) == 1
        shape.officer = try readText(columns.shape.officer)
        shape.boot = try readText(columns.shape.boot)
        return shape
    }

    private mutating func readText(_ before: String) throws(HistoryDamage) -> String {
        if try bits.take(1) == 0 { return before }
        var bytes: [UInt8] = []
        for _ in 0..<(try bits.take(16)) { bytes.append(UInt8(truncatingIfNeeded: try bits.take(8))) }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw HistoryDamage() }
        return text
    }
}

/// Tells readings that differ in any value apart (64 bits, multiply and fold).
struct HistoryHash {
    private(set) var value: UInt64 = 0x9E37_79B9_7F4A_7C15

    @inline(__always)
    private mutating func mix(_ word: UInt64) {
        let product = (value ^ word).multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
        value = product.high ^ product.low &+ 0x2545_F491_4F6C_DD1D
    }

    mutating func add(_ stored: borrowing StoredReadings.Stored) {
        mix(UInt64(bitPattern: stored.input))
        mix(UInt64(bitPattern: stored.reading.ts.milliseconds))
        mix(UInt64(bitPattern: stored.reading.received.milliseconds))
        mix(UInt64(bitPattern: stored.reading.seq))
        mix(
            UInt64(stored.reading.periodMilliseconds) << 32 | UInt64(stored.reading.present) << 16
                | UInt64(stored.reading.bits))
        mix(UInt64(stored.reading.bitsPresent) << 1 | (stored.reading.isBackfill ? 1 : 0))
        for index in 0..<10 where stored.reading.present >> UInt16(index) & 1 == 1 {
            mix(stored.reading.values[index].bitPattern)
        }
        if !stored.officer.isEmpty { for byte in stored.officer.utf8 { mix(UInt64(byte)) } }
        if !stored.boot.isEmpty { for byte in stored.boot.utf8 { mix(UInt64(byte) | 256) } }
    }
}
