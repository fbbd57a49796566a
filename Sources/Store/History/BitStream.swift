/// Bits one after the other, the first in the highest place of a byte.
struct BitWriter {
    private(set) var bytes: [UInt8] = []
    private var pending: UInt64 = 0
    private var pendingBits = 0

    /// The lowest `count` bits of `value`, 0 to 32.
    @inline(__always)
    mutating func put(_ value: UInt64, _ count: Int) {
        pending = pending << UInt64(count) | (value & ((1 << UInt64(count)) - 1))
        pendingBits += count
        while pendingBits >= 8 {
            pendingBits -= 8
            bytes.append(UInt8(truncatingIfNeeded: pending >> UInt64(pendingBits)))
        }
    }

    /// All 64 bits.
    mutating func putWhole(_ value: UInt64) {
        put(value >> 32, 32)
        put(value & 0xFFFF_FFFF, 32)
    }

    /// The bytes with the last of them filled up.
    mutating func finish() -> [UInt8] {
        if pendingBits > 0 { put(0, 8 - pendingBits) }
        return bytes
    }
}

/// Reads what a ``BitWriter`` wrote; any bytes may be given.
struct BitReader {
    private let bytes: [UInt8]
    private var position = 0
    private var pending: UInt64 = 0
    private var pendingBits = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// 0 to 32 bits.
    /// - Throws: `HistoryDamage` behind the end.
    @inline(__always)
    mutating func take(_ count: Int) throws(HistoryDamage) -> UInt64 {
        while pendingBits < count {
            guard position < bytes.count else { throw HistoryDamage() }
            pending = pending << 8 | UInt64(bytes[position])
            position += 1
            pendingBits += 8
        }
        pendingBits -= count
        return pending >> UInt64(pendingBits) & ((1 << UInt64(count)) - 1)
    }

    mutating func takeWhole() throws(HistoryDamage) -> UInt64 {
        let high = try take(32)
        return high << 32 | (try take(32))
    }

    /// How many ones come before the next zero, which is taken too; `limit` of them need no zero behind them.
    @inline(__always)
    mutating func takeOnes(limit: Int) throws(HistoryDamage) -> Int {
        var count = 0
        while count < limit, try take(1) == 1 { count += 1 }
        return count
    }
}

/// A block's bytes are not what was written.
struct HistoryDamage: Error {}
