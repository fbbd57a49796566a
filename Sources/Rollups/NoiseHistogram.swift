import Telemetry

/// Time by level in 0.1 dB bins, sparse: four bytes a bin that occurs, in ascending order, in a piece of a ``NoisePool``.
/// Percentiles cannot be merged from percentiles, histograms can (domain §7). A plain value: who holds it gives its piece
/// back.
@safe
struct NoiseHistogram: BitwiseCopyable {
    // Bin + 200 in the upper 12 bits, milliseconds in the lower 20. A bin with more time than that (17 minutes) has several
    // entries, of which all but the first are full. The piece belongs to this histogram alone.
    private var entries: UnsafeMutablePointer<UInt32>?
    private var count: Int32 = 0
    private var capacity: Int32 = 0
    private static let time: UInt32 = 1 << 20 - 1

    init() { unsafe entries = nil }

    /// Bins are −200…2000: −20.0 dB to 200.0 dB, all that a reading can have.
    @inline(__always)
    mutating func add(bin: Int32, milliseconds: UInt64, pool: NoisePool) {
        let key = UInt32(bin + 200) << 20
        var low = 0
        var high = Int(count)
        while low < high {
            let middle = (low + high) / 2
            if unsafe entries![middle] < key { low = middle + 1 } else { high = middle }
        }
        add(key: key, milliseconds: milliseconds, at: low, pool: pool)
    }

    /// Adds time to bins that come from the loudest down: each is looked for from the place of the one before, which is near.
    /// - Parameter milliseconds: by bin + 200.
    mutating func add(descending bins: UnsafeBufferPointer<Int32>, milliseconds: UnsafePointer<UInt64>, pool: NoisePool) {
        var place = Int(count)
        for unsafe bin in unsafe bins {
            let key = UInt32(bin + 200) << 20
            while place > 0, unsafe entries![place - 1] >= key { place -= 1 }
            unsafe add(key: key, milliseconds: milliseconds[Int(bin + 200)], at: place, pool: pool)
        }
    }

    /// - Parameter low: place of the first entry that is not below `key`.
    @inline(__always)
    private mutating func add(key: UInt32, milliseconds: UInt64, at low: Int, pool: NoisePool) {
        var left = milliseconds
        if low < count, unsafe entries![low] & ~NoiseHistogram.time == key {
            let room = unsafe UInt64(NoiseHistogram.time - entries![low] & NoiseHistogram.time)
            let taken = min(left, room)
            unsafe entries![low] += UInt32(taken)
            left -= taken
        }
        while left > 0 {
            let taken = min(left, UInt64(NoiseHistogram.time))
            insert(key | UInt32(taken), at: low, pool: pool)
            left -= taken
        }
    }

    private mutating func insert(_ entry: UInt32, at place: Int, pool: NoisePool) {
        if count == capacity { grow(pool) }
        let place = unsafe entries! + place
        unsafe (place + 1).update(from: place, count: entries! + Int(count) - place)
        unsafe place.pointee = entry
        count += 1
    }

    @inline(never)
    private mutating func grow(_ pool: NoisePool) {
        let bytes = NoisePool.size(for: (Int(count) + 1) * 4)
        let piece = unsafe pool.take(bytes).bindMemory(to: UInt32.self, capacity: bytes / 4)
        if let old = unsafe entries {
            unsafe piece.update(from: old, count: Int(count))
            unsafe pool.give(old, Int(capacity) * 4)
        }
        unsafe entries = unsafe piece
        capacity = Int32(bytes / 4)
    }

    mutating func removeAll(pool: NoisePool) {
        if let piece = unsafe entries { unsafe pool.give(piece, Int(capacity) * 4) }
        self = NoiseHistogram()
    }

    /// Each bin that occurs with its time, ascending.
    @inline(__always)
    func forEach(_ body: (_ bin: Int32, _ milliseconds: UInt64) -> Void) {
        var index = 0
        while index < count {
            let bin = unsafe entries![index] >> 20
            var milliseconds: UInt64 = 0
            while index < count, unsafe entries![index] >> 20 == bin {
                unsafe milliseconds += UInt64(entries![index] & NoiseHistogram.time)
                index += 1
            }
            body(Int32(bin) - 200, milliseconds)
        }
    }

    /// Nearest rank, weighted by duration: L_N is the level at which the time from the loudest down first reaches N %.
    /// L10 is loud, L90 is quiet.
    func percentiles(total: Int64) -> NoisePercentiles {
        var result = NoisePercentiles()
        var accumulated: Int64 = 0
        for index in (0..<Int(count)).reversed() {
            let entry = unsafe entries![index]
            let before = accumulated
            accumulated += Int64(entry & NoiseHistogram.time)
            result.pass(bin: Int32(entry >> 20) - 200, before: before, after: accumulated, total: total)
        }
        return result
    }
}

/// L5, L10, L50, L90 and L95 in tenths of a dB(A).
public struct NoisePercentiles: BitwiseCopyable, Sendable, Equatable {
    public var l5: Int32 = 0, l10: Int32 = 0, l50: Int32 = 0, l90: Int32 = 0, l95: Int32 = 0

    public init() {}

    /// The next quieter bin takes the time from `before` to `after`.
    @inline(__always)
    mutating func pass(bin: Int32, before: Int64, after: Int64, total: Int64) {
        func reaches(_ percent: Int64) -> Bool { before * 100 < percent * total && after * 100 >= percent * total }
        if reaches(5) { l5 = bin }
        if reaches(10) { l10 = bin }
        if reaches(50) { l50 = bin }
        if reaches(90) { l90 = bin }
        if reaches(95) { l95 = bin }
    }
}
