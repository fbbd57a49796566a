import Telemetry

/// Time by level in 0.1 dB bins, sparse: eight bytes a bin that occurs, in ascending order, in a piece of a ``NoisePool``.
/// Percentiles cannot be merged from percentiles, histograms can (domain §7). A plain value: who holds it gives its piece
/// back.
@safe
struct NoiseHistogram: BitwiseCopyable {
    // Bin + 200 in the upper 16 bits, milliseconds in the lower 48. The piece belongs to this histogram alone.
    private var entries: UnsafeMutablePointer<UInt64>?
    private(set) var count: Int32 = 0
    private var capacity: Int32 = 0
    private static let time: UInt64 = 1 << 48 - 1

    init() { unsafe entries = nil }

    /// Bins are −200…2000: −20.0 dB to 200.0 dB, all that a reading can have.
    @inline(__always)
    mutating func add(bin: Int32, milliseconds: UInt64, pool: NoisePool) {
        let key = UInt64(bin + 200) << 48
        var low = 0
        var high = Int(count)
        while low < high {
            let middle = (low + high) / 2
            if unsafe entries![middle] < key { low = middle + 1 } else { high = middle }
        }
        if low < count, unsafe entries![low] & ~NoiseHistogram.time == key {
            unsafe entries![low] += milliseconds
            return
        }
        if count == capacity { grow(pool) }
        let place = unsafe entries! + low
        unsafe (place + 1).update(from: place, count: Int(count) - low)
        unsafe place.pointee = key | milliseconds
        count += 1
    }

    @inline(never)
    private mutating func grow(_ pool: NoisePool) {
        let larger = NoisePool.capacity(for: Int(count) + 1)
        let piece = unsafe pool.take(larger)
        if let old = unsafe entries {
            unsafe piece.update(from: old, count: Int(count))
            unsafe pool.give(old, Int(capacity))
        }
        unsafe entries = unsafe piece
        capacity = Int32(larger)
    }

    mutating func removeAll(pool: NoisePool) {
        if let piece = unsafe entries { unsafe pool.give(piece, Int(capacity)) }
        self = NoiseHistogram()
    }

    subscript(index: Int) -> (bin: Int32, milliseconds: UInt64) {
        let entry = unsafe entries![index]
        return (Int32(entry >> 48) - 200, entry & NoiseHistogram.time)
    }

    /// Each bin that occurs with its time, ascending.
    @inline(__always)
    func forEach(_ body: (_ bin: Int32, _ milliseconds: UInt64) -> Void) {
        for index in 0..<Int(count) {
            let entry = unsafe entries![index]
            body(Int32(entry >> 48) - 200, entry & NoiseHistogram.time)
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
            result.pass(bin: Int32(entry >> 48) - 200, before: before, after: accumulated, total: total)
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
