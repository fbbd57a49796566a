import Telemetry

/// Time by level in 0.1 dB bins, in a piece of a ``NoisePool``: a list of the bins that occur while they are few, as in what
/// sends a reading a minute; then a word for each bin from about the quietest to about the loudest. Percentiles cannot be
/// merged from percentiles, histograms can (domain §7). A plain value: who holds it gives its piece back.
@safe
struct NoiseHistogram: BitwiseCopyable {
    private enum Layout: UInt8 {
        /// Words of 32 bits, ascending: the bin + 200 in the upper 12, ms in the lower 20.
        case list
        /// Words of 32 or 64 bits with the ms of the bins from `first` on, 0 where a bin does not occur.
        case narrow, wide
    }

    // The piece belongs to this histogram alone.
    private var words: UnsafeMutableRawPointer?
    /// Σ of all times in ms. While it fits 32 bits so does each of them, and the words need no more.
    private(set) var total: UInt64 = 0
    private var first: Int32 = 0
    private var capacity: Int32 = 0
    private var listed: Int16 = 0
    private var layout: Layout

    private static let listedMost = 64
    /// So many times at once are no list's.
    private static let listedAtOnce = 8
    private static let listedTime: UInt32 = 1 << 20 - 1

    /// - Parameter mayList: off for one that always has many bins.
    init(mayList: Bool = true) {
        unsafe words = nil
        layout = mayList ? .list : .narrow
    }

    /// Bins are −200…2000: −20.0 dB to 200.0 dB, all that a reading can have.
    mutating func add(bin: Int32, milliseconds: UInt64, pool: NoisePool) {
        total += milliseconds
        if layout == .list, list(bin, milliseconds, pool) { return }
        makeRoom(from: bin, to: bin, pool)
        if layout == .wide {
            unsafe words!.assumingMemoryBound(to: UInt64.self)[Int(bin - first)] += milliseconds
        } else {
            unsafe words!.assumingMemoryBound(to: UInt32.self)[Int(bin - first)] += UInt32(milliseconds)
        }
    }

    /// O(number of times), but where the piece must grow.
    mutating func add(_ gain: borrowing NoiseGain, pool: NoisePool) {
        let times = unsafe gain.times
        if layout == .list && times.count <= NoiseHistogram.listedAtOnce {
            for unsafe time in unsafe times { add(bin: Int32(time.bin), milliseconds: UInt64(time.milliseconds), pool: pool) }
            return
        }
        if times.isEmpty { return }
        total += gain.milliseconds
        makeRoom(from: gain.lowestBin, to: gain.highestBin, pool)
        if layout == .wide { unsafe add(times, as: UInt64.self) } else { unsafe add(times, as: UInt32.self) }
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
        if other.layout == .list { return other.forEach { add(bin: $0, milliseconds: $1, pool: pool) } }
        guard let range = other.occupied else { return }
        total += other.total
        makeRoom(from: other.bin(at: range.lowerBound), to: other.bin(at: range.upperBound), pool)
        let shift = Int(other.first - first)
        if layout == .wide {
            let own = unsafe words!.assumingMemoryBound(to: UInt64.self) + shift
            for place in range { unsafe own[place] += other.milliseconds(at: place) }
        } else {
            // The other has words of 32 bits too: its total is no more than this one's.
            let own = unsafe words!.assumingMemoryBound(to: UInt32.self) + shift
            let others = unsafe other.words!.assumingMemoryBound(to: UInt32.self)
            for place in range { unsafe own[place] &+= others[place] }
        }
    }

    /// False where the list cannot take it.
    private mutating func list(_ bin: Int32, _ milliseconds: UInt64, _ pool: NoisePool) -> Bool {
        guard milliseconds <= UInt64(NoiseHistogram.listedTime) else { return false }
        let key = UInt32(bin + 200) << 20
        let entries = unsafe words?.assumingMemoryBound(to: UInt32.self)
        var place = Int(listed)
        while place > 0, unsafe entries![place - 1] >= key { place -= 1 }
        if place < listed, unsafe entries![place] & ~NoiseHistogram.listedTime == key {
            let time = unsafe entries![place] & NoiseHistogram.listedTime + UInt32(milliseconds)
            if time > NoiseHistogram.listedTime { return false }
            unsafe entries![place] = key | time
            return true
        }
        if listed == NoiseHistogram.listedMost { return false }
        if listed == capacity { growList(pool) }
        let hole = unsafe words!.assumingMemoryBound(to: UInt32.self) + place
        unsafe (hole + 1).update(from: hole, count: Int(listed) - place)
        unsafe hole.pointee = key | UInt32(milliseconds)
        listed += 1
        return true
    }

    private mutating func growList(_ pool: NoisePool) {
        let bytes = NoisePool.size(for: Int(listed + 1) * 4)
        let piece = unsafe pool.take(bytes)
        if let words = unsafe words { unsafe piece.copyMemory(from: words, byteCount: Int(listed) * 4) }
        giveBack(to: pool)
        unsafe words = unsafe piece
        capacity = Int32(bytes / 4)
    }

    /// From the first place that has time to the last.
    private var occupied: ClosedRange<Int>? {
        guard let lowest = (0..<places).first(where: { milliseconds(at: $0) > 0 }),
            let highest = (0..<places).last(where: { milliseconds(at: $0) > 0 })
        else { return nil }
        return lowest...highest
    }

    @inline(__always)
    private mutating func makeRoom(from lowest: Int32, to highest: Int32, _ pool: NoisePool) {
        if layout != .list && lowest >= first && highest < first + capacity && (layout == .wide || total <= UInt64(UInt32.max)) { return }
        grow(from: lowest, to: highest, pool)
    }

    /// Into a piece with words for these bins too, and for some on both sides.
    @inline(never)
    private mutating func grow(from lowest: Int32, to highest: Int32, _ pool: NoisePool) {
        var (lowest, highest) = (lowest, highest)
        if let range = occupied {
            lowest = min(lowest, bin(at: range.lowerBound))
            highest = max(highest, bin(at: range.upperBound))
        }
        let old = self
        let needed = highest - lowest + 1
        layout = total > UInt64(UInt32.max) ? .wide : .narrow
        let bytes = NoisePool.size(for: Int(needed) * bytesOfWord)
        unsafe words = unsafe pool.take(bytes)
        unsafe words!.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        capacity = Int32(bytes / bytesOfWord)
        first = lowest - (capacity - needed) / 2
        old.forEach { bin, milliseconds in
            if layout == .wide {
                unsafe words!.storeBytes(of: milliseconds, toByteOffset: Int(bin - first) * 8, as: UInt64.self)
            } else {
                unsafe words!.storeBytes(of: UInt32(milliseconds), toByteOffset: Int(bin - first) * 4, as: UInt32.self)
            }
        }
        old.giveBack(to: pool)
    }

    private var bytesOfWord: Int { layout == .wide ? 8 : 4 }

    private func giveBack(to pool: NoisePool) {
        if let piece = unsafe words { unsafe pool.give(piece, Int(capacity) * bytesOfWord) }
    }

    /// Takes all time out; one without a list keeps its piece, as long as that is of the usual size.
    mutating func clear(pool: NoisePool) {
        if layout != .narrow || capacity > 1024 {
            let mayList = layout == .list
            giveBack(to: pool)
            self = NoiseHistogram(mayList: mayList)
            return
        }
        if let piece = unsafe words { unsafe piece.initializeMemory(as: UInt8.self, repeating: 0, count: Int(capacity) * 4) }
        total = 0
    }

    mutating func removeAll(pool: NoisePool) {
        giveBack(to: pool)
        self = NoiseHistogram()
    }

    private var places: Int { Int(layout == .list ? Int32(listed) : capacity) }

    @inline(__always)
    private func bin(at place: Int) -> Int32 {
        layout == .list ? unsafe Int32(words!.load(fromByteOffset: place * 4, as: UInt32.self) >> 20) - 200 : first + Int32(place)
    }

    @inline(__always)
    private func milliseconds(at place: Int) -> UInt64 {
        if layout == .wide { return unsafe words!.load(fromByteOffset: place * 8, as: UInt64.self) }
        let word = unsafe words!.load(fromByteOffset: place * 4, as: UInt32.self)
        return UInt64(layout == .list ? word & NoiseHistogram.listedTime : word)
    }

    /// Each bin that occurs with its time, ascending.
    @inline(__always)
    func forEach(_ body: (_ bin: Int32, _ milliseconds: UInt64) -> Void) {
        for place in 0..<places {
            let time = milliseconds(at: place)
            if time > 0 { body(bin(at: place), time) }
        }
    }

    /// Nearest rank, weighted by duration: L_N is the level at which the time from the loudest down first reaches N %.
    /// L10 is loud, L90 is quiet.
    func percentiles() -> NoisePercentiles {
        var result = NoisePercentiles()
        var accumulated: UInt64 = 0
        var place = places
        func level(_ percent: UInt64) -> Int32 {
            while accumulated * 100 < percent * total {
                place -= 1
                accumulated += milliseconds(at: place)
            }
            return bin(at: place)
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
