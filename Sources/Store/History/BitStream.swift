/// Bits one after the other, the first in the highest place of a byte.
struct BitWriter {
    /// Full words, as they lie in memory.
    private var words: [UInt64] = []
    private var pending: UInt64 = 0
    /// Free bits of `pending`, 1 to 64.
    private var room = 64

    /// The lowest `count` bits of `value`, 0 to 32.
    @inline(__always)
    mutating func put(_ value: UInt64, _ count: Int) {
        let value = value & (1 &<< UInt64(count) &- 1)
        if count < room {
            room -= count
            pending |= value &<< UInt64(room)
        } else {
            let rest = count - room
            words.append((pending | value &>> UInt64(rest)).bigEndian)
            room = 64 - rest
            pending = rest == 0 ? 0 : value &<< UInt64(room)
        }
    }

    /// All 64 bits.
    mutating func putWhole(_ value: UInt64) {
        put(value >> 32, 32)
        put(value & 0xFFFF_FFFF, 32)
    }

    /// Its length less one in 6 bits, then its bits.
    mutating func putNumber(_ value: UInt64) {
        let length = max(1, 64 - value.leadingZeroBitCount)
        put(UInt64(length - 1), 6)
        if length > 32 { put(value >> 32, length - 32) }
        put(value, min(length, 32))
    }

    /// The bytes with the last of them filled up.
    func finish() -> [UInt8] {
        var bytes = unsafe words.withUnsafeBytes { unsafe [UInt8]($0) }
        for index in 0..<(64 - room + 7) / 8 { bytes.append(UInt8(truncatingIfNeeded: pending >> UInt64(56 - 8 * index))) }
        return bytes
    }
}

/// Reads what a ``BitWriter`` wrote; any bytes may be given.
struct BitReader {
    /// With eight zeros behind them.
    private let bytes: [UInt8]
    private let end: Int
    /// The next bit.
    private var position = 0

    init(_ bytes: [UInt8]) {
        end = bytes.count * 8
        self.bytes = bytes + repeatElement(0, count: 8)
    }

    /// At least the next 56 bits, from the highest place on; `position` is not behind the end.
    @inline(__always)
    private var next: UInt64 {
        // There are eight bytes from any byte on that is not behind the end.
        unsafe bytes.span.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position >> 3, as: UInt64.self).bigEndian &<< UInt64(position & 7)
    }

    /// 0 to 32 bits.
    /// - Throws: `HistoryDamage` behind the end.
    @inline(__always)
    mutating func take(_ count: Int) throws(HistoryDamage) -> UInt64 {
        guard position + count <= end else { throw HistoryDamage() }
        let value = (next &>> 1) &>> UInt64(63 - count)
        position += count
        return value
    }

    mutating func takeWhole() throws(HistoryDamage) -> UInt64 {
        let high = try take(32)
        return high << 32 | (try take(32))
    }

    mutating func takeNumber() throws(HistoryDamage) -> UInt64 {
        let length = Int(try take(6)) + 1
        let high = length > 32 ? try take(length - 32) : 0
        return high << 32 | (try take(min(length, 32)))
    }

    /// How many ones come before the next zero, which is taken too; `limit` of them, at most 32, need no zero behind them.
    @inline(__always)
    mutating func takeOnes(limit: Int) throws(HistoryDamage) -> Int {
        let ones = min((~next).leadingZeroBitCount, limit)
        let taken = ones == limit ? ones : ones + 1
        guard position + taken <= end else { throw HistoryDamage() }
        position += taken
        return ones
    }
}

/// A block's bytes are not what was written.
struct HistoryDamage: Error {}
