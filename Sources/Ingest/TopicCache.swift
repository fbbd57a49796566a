import Glibc
import Telemetry

/// Full topics to devices, one hash and one comparison: open addressing over bytes in one block each. Only good topics enter, so that it is bounded
/// by the number of devices.
@safe
struct TopicCache: ~Copyable {
    @safe
    private struct Entry {
        var hash: UInt64
        // Owned by the cache, freed in deinit.
        var bytes: UnsafeMutablePointer<UInt8>?
        var count: Int32
        var kind: Kind
        var number: UInt32
    }

    private var entries: UnsafeMutablePointer<Entry>
    private var capacity = 1024
    private var used = 0
    // Drawn anew, so that nobody can choose ids that meet in one place. No output depends on it.
    private let seed = UInt64.random(in: 0 ... .max)

    init() { unsafe entries = TopicCache.blank(1024) }

    deinit {
        for index in 0..<capacity { unsafe entries[index].bytes?.deallocate() }
        unsafe entries.deallocate()
    }

    private static func blank(_ capacity: Int) -> UnsafeMutablePointer<Entry> {
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
        unsafe entries.initialize(
            repeating: Entry(hash: 0, bytes: nil, count: 0, kind: .noise, number: 0), count: capacity)
        return unsafe entries
    }

    /// Word by word multiplied to 128 bits and folded, so that each bit of the result depends on each byte (topics differ
    /// in their last bytes, the highest of a word); the topic's end is taken in a word that overlaps.
    @inline(__always)
    func hash(_ topic: UnsafeRawBufferPointer) -> UInt64 {
        var hash = seed ^ (UInt64(truncatingIfNeeded: topic.count) &* 0x9E37_79B9_7F4A_7C15)
        var index = 0
        while index + 8 <= topic.count {
            hash = unsafe TopicCache.fold(hash ^ topic.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            index += 8
        }
        if index < topic.count {
            var last: UInt64 = 0
            if topic.count >= 8 {
                last = unsafe topic.loadUnaligned(fromByteOffset: topic.count - 8, as: UInt64.self)
            } else {
                for place in index..<topic.count { last = unsafe last << 8 | UInt64(topic[place]) }
            }
            hash = TopicCache.fold(hash ^ last)
        }
        return hash
    }

    @inline(__always)
    private static func fold(_ word: UInt64) -> UInt64 {
        let product = word.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }

    /// Steps behind its first place that finding a topic takes; for tests.
    func probes(_ topic: UnsafeRawBufferPointer) -> Int {
        var index = unsafe Int(truncatingIfNeeded: hash(topic)) & (capacity - 1)
        var steps = 0
        while let bytes = unsafe entries[index].bytes {
            if unsafe Int(entries[index].count) == topic.count && TopicCache.isEqual(bytes, topic) { break }
            index = (index + 1) & (capacity - 1)
            steps += 1
        }
        return steps
    }

    /// Whether `bytes` are the topic's; as long as the topic.
    @inline(__always)
    private static func isEqual(_ bytes: UnsafePointer<UInt8>, _ topic: UnsafeRawBufferPointer) -> Bool {
        guard topic.count >= 8 else { return unsafe memcmp(bytes, topic.baseAddress!, topic.count) == 0 }
        let raw = unsafe UnsafeRawPointer(bytes)
        let last = topic.count - 8
        var index = 0
        while index < last {
            let ours = unsafe raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let theirs = unsafe topic.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if ours != theirs { return false }
            index += 8
        }
        return unsafe raw.loadUnaligned(fromByteOffset: last, as: UInt64.self)
            == topic.loadUnaligned(fromByteOffset: last, as: UInt64.self)
    }

    @inline(__always)
    func find(_ topic: UnsafeRawBufferPointer) -> (kind: Kind, number: UInt32)? {
        let hash = unsafe hash(topic)
        var index = Int(truncatingIfNeeded: hash) & (capacity - 1)
        while let bytes = unsafe entries[index].bytes {
            if unsafe entries[index].hash == hash && Int(entries[index].count) == topic.count
                && TopicCache.isEqual(bytes, topic)
            {
                return unsafe (entries[index].kind, entries[index].number)
            }
            index = (index + 1) & (capacity - 1)
        }
        return nil
    }

    mutating func insert(_ topic: UnsafeRawBufferPointer, kind: Kind, number: UInt32) {
        if used * 2 >= capacity { grow() }
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, topic.count))
        unsafe memcpy(bytes, topic.baseAddress!, topic.count)
        unsafe place(
            Entry(
                hash: hash(topic), bytes: bytes, count: Int32(topic.count), kind: kind, number: number))
        used += 1
    }

    private mutating func place(_ entry: Entry) {
        var index = Int(truncatingIfNeeded: entry.hash) & (capacity - 1)
        while unsafe entries[index].bytes != nil { index = (index + 1) & (capacity - 1) }
        unsafe entries[index] = entry
    }

    private mutating func grow() {
        let old = unsafe entries
        let oldCapacity = capacity
        capacity *= 2
        unsafe entries = TopicCache.blank(capacity)
        for index in 0..<oldCapacity where unsafe old[index].bytes != nil { unsafe place(old[index]) }
        unsafe old.deallocate()
    }
}
