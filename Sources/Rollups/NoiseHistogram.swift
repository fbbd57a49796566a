import Telemetry

/// Time at a level, in ms.
struct NoiseTime: BitwiseCopyable {
    /// The level in 0.1 dB, as ``NoiseMath/bin(millidecibels:)`` gives it.
    var bin: Int16
    /// ≤ 60,000.
    var milliseconds: UInt16
}

/// Time by level in 0.1 dB bins: a word for each bin from about the quietest to about the loudest that occurs, in a piece of
/// a ``NoisePool``. Percentiles cannot be merged from percentiles, histograms can (domain §7). A plain value: who holds it
/// gives its piece back.
@safe
struct NoiseHistogram: BitwiseCopyable {
    // `capacity` words of time for the bins from `first` on, 0 where a bin does not occur. The piece belongs to this
    // histogram alone.
    private var words: UnsafeMutableRawPointer?
    /// Σ of all times in ms. While it fits 32 bits so does each of them, and the words are of 32 bits.
    private var total: UInt64 = 0
    private var first: Int32 = 0
    private var capacity: Int32 = 0
    private var isWide = false

    init() { unsafe words = nil }

    /// Bins are −200…2000: −20.0 dB to 200.0 dB, all that a reading can have.
    mutating func add(bin: Int32, milliseconds: UInt64, pool: NoisePool) {
        total += milliseconds
        makeRoom(from: bin, to: bin, pool)
        if isWide {
            unsafe words!.assumingMemoryBound(to: UInt64.self)[Int(bin - first)] += milliseconds
        } else {
            unsafe words!.assumingMemoryBound(to: UInt32.self)[Int(bin - first)] += UInt32(milliseconds)
        }
    }

    /// Adds all of `times`, which are `milliseconds` together and whose bins are `lowest...highest`. O(number of times), but where the piece must grow.
    mutating func add(
        _ times: UnsafeBufferPointer<NoiseTime>, from lowest: Int32, to highest: Int32, milliseconds: UInt64, pool: NoisePool
    ) {
        if times.isEmpty { return }
        total += milliseconds
        makeRoom(from: lowest, to: highest, pool)
        if isWide { unsafe add(times, as: UInt64.self) } else { unsafe add(times, as: UInt32.self) }
    }

    @inline(__always)
    private func add<Word: FixedWidthInteger>(_ times: UnsafeBufferPointer<NoiseTime>, as word: Word.Type) {
        let words = unsafe words!.assumingMemoryBound(to: Word.self)
        for unsafe time in unsafe times {
            unsafe words[Int(Int32(time.bin) - first)] &+= Word(truncatingIfNeeded: time.milliseconds)
        }
    }

    /// Adds all that another one has.
    mutating func add(_ other: NoiseHistogram, pool: NoisePool) {
        guard let range = other.occupied else { return }
        total += other.total
        makeRoom(from: other.first + Int32(range.lowerBound), to: other.first + Int32(range.upperBound), pool)
        let shift = Int(other.first - first)
        if isWide {
            let own = unsafe words!.assumingMemoryBound(to: UInt64.self) + shift
            for place in range { unsafe own[place] += other.milliseconds(at: place) }
        } else {
            // What fits both together fits each.
            let own = unsafe words!.assumingMemoryBound(to: UInt32.self) + shift
            let others = unsafe other.words!.assumingMemoryBound(to: UInt32.self)
            for place in range { unsafe own[place] &+= others[place] }
        }
    }

    /// From the first place that has time to the last.
    private var occupied: ClosedRange<Int>? {
        guard let lowest = (0..<Int(capacity)).first(where: { milliseconds(at: $0) > 0 }),
            let highest = (0..<Int(capacity)).last(where: { milliseconds(at: $0) > 0 })
        else { return nil }
        return lowest...highest
    }

    @inline(__always)
    private mutating func makeRoom(from lowest: Int32, to highest: Int32, _ pool: NoisePool) {
        if lowest >= first && highest < first + capacity && (isWide || total <= UInt64(UInt32.max)) { return }
        grow(from: lowest, to: highest, pool)
    }

    /// Into a piece with room for these bins too, and for some on both sides.
    @inline(never)
    private mutating func grow(from lowest: Int32, to highest: Int32, _ pool: NoisePool) {
        var (lowest, highest) = (lowest, highest)
        if let range = occupied {
            lowest = min(lowest, first + Int32(range.lowerBound))
            highest = max(highest, first + Int32(range.upperBound))
        }
        let old = self
        let needed = highest - lowest + 1
        isWide = total > UInt64(UInt32.max)
        let bytes = NoisePool.size(for: Int(needed) * bytesOfWord)
        unsafe words = unsafe pool.take(bytes)
        unsafe words!.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        capacity = Int32(bytes / bytesOfWord)
        first = lowest - (capacity - needed) / 2
        old.forEach { bin, milliseconds in
            if isWide {
                unsafe words!.storeBytes(of: milliseconds, toByteOffset: Int(bin - first) * 8, as: UInt64.self)
            } else {
                unsafe words!.storeBytes(of: UInt32(milliseconds), toByteOffset: Int(bin - first) * 4, as: UInt32.self)
            }
        }
        old.giveBack(to: pool)
    }

    private var bytesOfWord: Int { isWide ? 8 : 4 }

    private func giveBack(to pool: NoisePool) {
        if let piece = unsafe words { unsafe pool.give(piece, Int(capacity) * bytesOfWord) }
    }

    /// Takes all time out and keeps the piece.
    mutating func clear() {
        if let piece = unsafe words { unsafe piece.initializeMemory(as: UInt8.self, repeating: 0, count: Int(capacity) * bytesOfWord) }
        total = 0
    }

    mutating func removeAll(pool: NoisePool) {
        giveBack(to: pool)
        self = NoiseHistogram()
    }

    /// Time in the bin at a place of the piece.
    @inline(__always)
    private func milliseconds(at place: Int) -> UInt64 {
        isWide
            ? unsafe words!.load(fromByteOffset: place * 8, as: UInt64.self)
            : unsafe UInt64(words!.load(fromByteOffset: place * 4, as: UInt32.self))
    }

    /// Each bin that occurs with its time, ascending.
    @inline(__always)
    func forEach(_ body: (_ bin: Int32, _ milliseconds: UInt64) -> Void) {
        for place in 0..<Int(capacity) {
            let time = milliseconds(at: place)
            if time > 0 { body(first + Int32(place), time) }
        }
    }

    /// Nearest rank, weighted by duration: L_N is the level at which the time from the loudest down first reaches N %.
    /// L10 is loud, L90 is quiet.
    func percentiles() -> NoisePercentiles {
        var result = NoisePercentiles()
        var accumulated: UInt64 = 0
        var place = Int(capacity)
        func level(_ percent: UInt64) -> Int32 {
            while accumulated * 100 < percent * total {
                place -= 1
                accumulated += milliseconds(at: place)
            }
            return first + Int32(place)
        }
        if total == 0 { return result }
        result.l5 = level(5)
        result.l10 = level(10)
        result.l50 = level(50)
        result.l90 = level(90)
        result.l95 = level(95)
        return result
    }
}

/// L5, L10, L50, L90 and L95 in tenths of a dB(A).
public struct NoisePercentiles: BitwiseCopyable, Sendable, Equatable {
    public var l5: Int32 = 0, l10: Int32 = 0, l50: Int32 = 0, l90: Int32 = 0, l95: Int32 = 0

    public init() {}
}
