/// Memory for what the coarser buckets hold, in pieces of a power of two, cut from large slabs and used again: the open
/// buckets grow and go all the time, and the path of the readings shall not ask the system for memory.
@safe
final class NoisePool {
    private static let smallest = 16
    private static let slabWords = 1 << 15

    // Slabs are owned by the pool and freed in deinit; pieces are handed out and come back, never freed one by one.
    private var slabs: [UnsafeMutablePointer<UInt64>] = unsafe []
    private var free: [[UnsafeMutablePointer<UInt64>]] = unsafe Array(repeating: [], count: 24)
    private var unused: UnsafeMutablePointer<UInt64>?
    private var unusedWords = 0
    /// Bytes of the pieces that are out.
    private(set) var bytesOut = 0

    deinit { for unsafe slab in unsafe slabs { unsafe slab.deallocate() } }

    /// Words of the piece that holds `words`.
    static func capacity(for words: Int) -> Int {
        var capacity = smallest
        while capacity < words { capacity *= 2 }
        return capacity
    }

    private static func sizeClass(_ capacity: Int) -> Int { capacity.trailingZeroBitCount }

    /// A piece of exactly `capacity` words, a power of two; its content is whatever was there.
    func take(_ capacity: Int) -> UnsafeMutablePointer<UInt64> {
        bytesOut += capacity * 8
        let size = NoisePool.sizeClass(capacity)
        if let piece = unsafe free[size].popLast() { return unsafe piece }
        if capacity >= NoisePool.slabWords {
            let own = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity)
            unsafe slabs.append(own)
            return unsafe own
        }
        if unusedWords < capacity {
            let slab = UnsafeMutablePointer<UInt64>.allocate(capacity: NoisePool.slabWords)
            unsafe slabs.append(slab)
            giveRest()
            unsafe unused = unsafe slab
            unusedWords = NoisePool.slabWords
        }
        let piece = unsafe unused!
        unsafe unused = unsafe piece + capacity
        unusedWords -= capacity
        return unsafe piece
    }

    func give(_ piece: UnsafeMutablePointer<UInt64>, _ capacity: Int) {
        bytesOut -= capacity * 8
        unsafe free[NoisePool.sizeClass(capacity)].append(piece)
    }

    /// What is left of a slab is cut into the largest pieces that fit.
    private func giveRest() {
        while unusedWords >= NoisePool.smallest, let rest = unsafe unused {
            let capacity = 1 << (Int.bitWidth - 1 - unusedWords.leadingZeroBitCount)
            unsafe free[NoisePool.sizeClass(capacity)].append(rest)
            unsafe unused = unsafe rest + capacity
            unusedWords -= capacity
        }
    }
}
