public import Telemetry

/// A bucket coarser than a minute while it is in memory. A plain value: ``NoiseBuckets`` owns its pieces.
@safe
struct NoiseAccumulator: BitwiseCopyable {
    var series: UInt32
    var span: NoiseSpan
    var isLive = true
    /// Differs from its row.
    var isDirty = false
    /// Looked at since the last eviction came by.
    var isUsed = true
    /// Some of its sums have spans of long readings (``NoiseBuckets`` keeps those).
    var hasLong = false
    var bucket: Timestamp
    var end: Timestamp
    var sums = NoiseSums()
    var histogram = NoiseHistogram()
    var samples: Int64 = 0
    var lmax: Int32 = .min
    var lmin: Int32 = .max
    var revised = Timestamp.distantPast
    /// The row holds the readings up to this input, and no later one; 0 where there is none.
    var input: Int64 = 0
    /// Every reading up to this input was in the row when the bucket became dirty.
    var dirtySince: Int64 = 0
    // Of days: sums of ``NoisePeriod``, in a piece of the pool that belongs to this bucket alone.
    var parts: UnsafeMutableRawPointer?

    static let partBytes = NoisePool.size(for: NoisePeriod.count * MemoryLayout<NoiseSums>.stride)

    init(series: UInt32, span: NoiseSpan, bucket: Timestamp, end: Timestamp) {
        self.series = series
        self.span = span
        self.bucket = bucket
        self.end = end
        unsafe parts = nil
    }

    var key: UInt64 { NoiseAccumulator.key(series, span, bucket) }

    /// Series, span and minute in one word; never zero, because series are counted from 1 in it.
    @inline(__always)
    static func key(_ series: UInt32, _ span: NoiseSpan, _ bucket: Timestamp) -> UInt64 {
        UInt64(series + 1) << 34 | UInt64(span.rawValue) << 32 | UInt64(truncatingIfNeeded: bucket.milliseconds / 60_000) & 0xFFFF_FFFF
    }

    func withPart<Result>(_ index: Int, _ body: (inout NoiseSums) -> Result) -> Result {
        // `take(partBytes)` gave room for all periods; NoiseSums is trivial.
        let first = unsafe parts!.assumingMemoryBound(to: NoiseSums.self)
        return unsafe body(&first[index])
    }

    func row() -> NoiseRow {
        var row = NoiseRow(series: series, bucket: bucket)
        row.revised = revised == .distantPast ? nil : revised
        row.samples = samples
        row.coveredMilliseconds = sums.covered
        if let leq = sums.leq {
            row.leq = leq
            row.lmaxMillidecibels = lmax
            row.lminMillidecibels = lmin
            row.percentiles = histogram.percentiles()
        }
        return row
    }
}

/// A bucket's row as it lies in the store.
public struct StoredNoiseBucket {
    public var samples: Int64, lmaxMillidecibels: Int32, lminMillidecibels: Int32
    public var revised: Timestamp?
    public var input: Int64
    /// As ``NoiseBuckets`` wrote it.
    public var state: [UInt8]

    public init(
        samples: Int64, lmaxMillidecibels: Int32, lminMillidecibels: Int32, revised: Timestamp?, input: Int64,
        state: [UInt8]
    ) {
        self.samples = samples
        self.lmaxMillidecibels = lmaxMillidecibels
        self.lminMillidecibels = lminMillidecibels
        self.revised = revised
        self.input = input
        self.state = state
    }
}

/// Open addressing from a key to an index: what a dictionary does, without counting references.
@safe
final class SlotTable {
    // Powers of two; 0 in `keys` is empty. Owned here, freed in deinit.
    private var keys: UnsafeMutablePointer<UInt64>
    private var values: UnsafeMutablePointer<Int32>
    private var capacity = 1024
    private var count = 0

    init() {
        unsafe keys = .allocate(capacity: 1024)
        unsafe keys.initialize(repeating: 0, count: 1024)
        unsafe values = .allocate(capacity: 1024)
    }

    deinit {
        unsafe keys.deallocate()
        unsafe values.deallocate()
    }

    var bytes: Int { capacity * 12 }

    /// Fibonacci hashing (Knuth, TAOCP 3, §6.4): the product's upper bits, which all of the key's have a part in.
    @inline(__always)
    private func home(_ key: UInt64) -> Int {
        Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> (UInt64(capacity.leadingZeroBitCount) + 1))
    }

    /// −1 where the key is not there.
    @inline(__always)
    subscript(key: UInt64) -> Int32 {
        var place = home(key)
        while unsafe keys[place] != 0 {
            if unsafe keys[place] == key { return unsafe values[place] }
            place = (place + 1) & (capacity - 1)
        }
        return -1
    }

    /// The key must not be there.
    func insert(_ key: UInt64, _ value: Int32) {
        if count * 4 >= capacity * 3 { grow() }
        var place = home(key)
        while unsafe keys[place] != 0 { place = (place + 1) & (capacity - 1) }
        unsafe keys[place] = key
        unsafe values[place] = value
        count += 1
    }

    func remove(_ key: UInt64) {
        var hole = home(key)
        while unsafe keys[hole] != key {
            if unsafe keys[hole] == 0 { return }
            hole = (hole + 1) & (capacity - 1)
        }
        // What follows in the run moves up where its home allows it.
        var place = hole
        while true {
            place = (place + 1) & (capacity - 1)
            let other = unsafe keys[place]
            if other == 0 { break }
            let distance = (place - home(other)) & (capacity - 1)
            if distance >= (place - hole) & (capacity - 1) {
                unsafe keys[hole] = other
                unsafe values[hole] = unsafe values[place]
                hole = place
            }
        }
        unsafe keys[hole] = 0
        count -= 1
    }

    private func grow() {
        let (oldKeys, oldValues, oldCapacity) = unsafe (keys, values, capacity)
        capacity *= 2
        unsafe keys = .allocate(capacity: capacity)
        unsafe keys.initialize(repeating: 0, count: capacity)
        unsafe values = .allocate(capacity: capacity)
        count = 0
        for index in 0..<oldCapacity where unsafe oldKeys[index] != 0 {
            unsafe insert(oldKeys[index], oldValues[index])
        }
        unsafe oldKeys.deallocate()
        unsafe oldValues.deallocate()
    }
}
