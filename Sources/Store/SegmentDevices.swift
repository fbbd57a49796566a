/// Whose each row of a segment is, so that the rows of one device are found without reading those of all others: some two
/// bytes a row in `segment_devices`, by the segment's `first_id` (decision 0098).
///
/// For each row in the order of ids a LEB128 number, the device's number * 2 + 1 where ids are skipped before the row, and
/// then how many as another one; else + 0.
struct SegmentDevices {
    /// Out of `raw_segment`, where they had been put first: SQLite reads all bytes of a row in order to know whether it is
    /// still of the kind.
    static let migration = """
        CREATE TABLE segment_devices (first_id INTEGER PRIMARY KEY, devices BLOB NOT NULL);
        INSERT INTO segment_devices SELECT first_id, devices FROM raw_segment WHERE devices IS NOT NULL;
        ALTER TABLE raw_segment DROP COLUMN devices;
        """

    private(set) var bytes: [UInt8] = []
    private var last: Int64 = 0

    /// Begins with a row numbered `first`.
    mutating func begin(first: Int64) {
        bytes.removeAll(keepingCapacity: true)
        last = first - 1
    }

    @inline(__always)
    mutating func append(id: Int64, device: UInt32) {
        let skipped = UInt64(bitPattern: id &- last &- 1)
        write(UInt64(device) << 1 | (skipped > 0 ? 1 : 0))
        if skipped > 0 { write(skipped) }
        last = id
    }

    @inline(__always)
    private mutating func write(_ number: UInt64) {
        var rest = number
        while rest > 0x7F {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// The ids of a device's rows in a segment, in their order; nil where `bytes` do not tell of all its rows.
    static func ids(of device: UInt32, in bytes: [UInt8], first: Int64, last: Int64) -> [Int64]? {
        ids(in: bytes, first: first, last: last) { $0 == device }
    }

    /// The same of all devices that are wanted.
    @inline(__always)
    static func ids(in bytes: [UInt8], first: Int64, last: Int64, of isWanted: (UInt32) -> Bool) -> [Int64]? {
        var ids: [Int64] = []
        var id = first - 1
        var position = 0
        while position < bytes.count {
            let head = number(bytes, &position)
            id &+= head & 1 == 1 ? Int64(truncatingIfNeeded: number(bytes, &position)) &+ 1 : 1
            if isWanted(UInt32(truncatingIfNeeded: head >> 1)) { ids.append(id) }
        }
        return id == last ? ids : nil
    }

    @inline(__always)
    private static func number(_ bytes: [UInt8], _ position: inout Int) -> UInt64 {
        var number: UInt64 = 0
        var shift: UInt64 = 0
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            number |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { break }
            shift += 7
        }
        return number
    }
}
