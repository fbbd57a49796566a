/// Time at a level, in ms.
struct NoiseTime: BitwiseCopyable {
    /// The level in 0.1 dB, as ``NoiseMath/bin(millidecibels:)`` gives it.
    var bin: Int16
    /// ≤ 60,000.
    var milliseconds: UInt16
}

/// Time by level that a minute has gained: collected once, then added to the histogram of each of its buckets.
@safe
struct NoiseGain: ~Copyable {
    // Grown by doubling, freed in deinit.
    private var piece: UnsafeMutablePointer<NoiseTime>
    private var capacity = 256
    private var count = 0
    private(set) var lowestBin = Int32.max, highestBin = Int32.min
    /// Of all times together.
    private(set) var milliseconds: UInt64 = 0

    init() { unsafe piece = .allocate(capacity: capacity) }

    deinit { unsafe piece.deallocate() }

    /// As long as nothing is added.
    var times: UnsafeBufferPointer<NoiseTime> { unsafe UnsafeBufferPointer(start: piece, count: count) }

    @inline(__always)
    mutating func add(millidecibels: Int32, milliseconds: UInt16) {
        if count == capacity { grow() }
        let bin = NoiseMath.bin(millidecibels: millidecibels)
        unsafe piece[count] = NoiseTime(bin: Int16(truncatingIfNeeded: bin), milliseconds: milliseconds)
        count += 1
        lowestBin = min(lowestBin, bin)
        highestBin = max(highestBin, bin)
        self.milliseconds += UInt64(milliseconds)
    }

    @inline(never)
    private mutating func grow() {
        let larger = UnsafeMutablePointer<NoiseTime>.allocate(capacity: capacity * 2)
        unsafe larger.update(from: piece, count: count)
        unsafe piece.deallocate()
        unsafe piece = larger
        capacity *= 2
    }

    mutating func removeAll() {
        (count, milliseconds, lowestBin, highestBin) = (0, 0, .max, .min)
    }
}
