/// Memory for what the buckets hold, in pieces of a power of two, cut from large slabs and joined again by the
/// buddy method (Knuth, TAOCP 1, §2.5): the open buckets grow and go all the time, the path of the readings shall not ask
/// the system for memory, and what one bucket has outgrown is room for larger ones.
@safe
final class NoisePool {
    private static let smallestBytes = 64
    private static let slabBytes = 1 << 18
    private static let classCount = 12
    private static let notFree: UInt8 = 255

    /// Lies at the start of a free piece.
    @safe
    private struct Link {
        // Free pieces of the same class; they belong to the pool.
        var next: UnsafeMutableRawPointer?
        var previous: UnsafeMutableRawPointer?
    }

    // Slabs begin at a multiple of their size and are freed in deinit. Each begins with a byte for each of its smallest
    // pieces: the class of the free piece that begins there.
    private var slabs: [UnsafeMutableRawPointer] = unsafe []
    private var free: [UnsafeMutableRawPointer?] = unsafe Array(repeating: nil, count: NoisePool.classCount)
    // Pieces larger than half a slab are the system's; freed when given back, the rest in deinit.
    private var large: Set<UnsafeMutableRawPointer> = unsafe []
    /// Bytes of the pieces that are out.
    private(set) var bytesOut = 0
    var slabCount: Int { unsafe slabs.count }

    deinit {
        for unsafe slab in unsafe slabs { unsafe slab.deallocate() }
        for unsafe piece in unsafe large { unsafe piece.deallocate() }
    }

    /// Size of the piece that holds `bytes`.
    static func size(for bytes: Int) -> Int {
        var size = smallestBytes
        while size < bytes { size *= 2 }
        return size
    }

    private static func sizeClass(_ bytes: Int) -> Int { (bytes / smallestBytes).trailingZeroBitCount }

    /// A piece of exactly `bytes`, a power of two; its content is whatever was there. O(1) but for a new slab.
    func take(_ bytes: Int) -> UnsafeMutableRawPointer {
        bytesOut += bytes
        let wanted = NoisePool.sizeClass(bytes)
        guard wanted < NoisePool.classCount else {
            let piece = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 16)
            unsafe large.insert(piece)
            return unsafe piece
        }
        var found = wanted
        while unsafe free[found] == nil {
            found += 1
            if found == NoisePool.classCount {
                addSlab()
                found = wanted
            }
        }
        let piece = unsafe free[found]!
        unsafe unlink(piece, found)
        while found > wanted {
            found -= 1
            unsafe link(piece + (NoisePool.smallestBytes << found), found)
        }
        return unsafe piece
    }

    func give(_ piece: UnsafeMutableRawPointer, _ bytes: Int) {
        bytesOut -= bytes
        var size = NoisePool.sizeClass(bytes)
        guard size < NoisePool.classCount else {
            unsafe large.remove(piece)
            return unsafe piece.deallocate()
        }
        let (slab, first) = unsafe place(of: piece)
        var place = first
        while size < NoisePool.classCount - 1 {
            let buddy = place ^ (NoisePool.smallestBytes << size)
            guard unsafe tag(slab, buddy) == UInt8(size) else { break }
            unsafe unlink(slab + buddy, size)
            place = min(place, buddy)
            size += 1
        }
        unsafe link(slab + place, size)
    }

    /// The table at its start takes 4 KiB; the rest is one free piece of each larger class.
    private func addSlab() {
        let slab = UnsafeMutableRawPointer.allocate(byteCount: NoisePool.slabBytes, alignment: NoisePool.slabBytes)
        unsafe slabs.append(slab)
        let table = NoisePool.slabBytes / NoisePool.smallestBytes
        unsafe slab.initializeMemory(as: UInt8.self, repeating: NoisePool.notFree, count: table)
        for size in NoisePool.sizeClass(table)..<NoisePool.classCount {
            unsafe link(slab + (NoisePool.smallestBytes << size), size)
        }
    }

    private func place(of piece: UnsafeMutableRawPointer) -> (slab: UnsafeMutableRawPointer, offset: Int) {
        let offset = Int(bitPattern: piece) & (NoisePool.slabBytes - 1)
        return unsafe (piece - offset, offset)
    }

    private func tag(_ slab: UnsafeMutableRawPointer, _ place: Int) -> UInt8 {
        unsafe slab.load(fromByteOffset: place / NoisePool.smallestBytes, as: UInt8.self)
    }

    private func setTag(_ piece: UnsafeMutableRawPointer, _ tag: UInt8) {
        let (slab, offset) = unsafe place(of: piece)
        unsafe slab.storeBytes(of: tag, toByteOffset: offset / NoisePool.smallestBytes, as: UInt8.self)
    }

    private func link(_ piece: UnsafeMutableRawPointer, _ size: Int) {
        let link = unsafe Link(next: free[size], previous: nil)
        unsafe piece.initializeMemory(as: Link.self, to: link)
        if let next = unsafe link.next { unsafe next.assumingMemoryBound(to: Link.self).pointee.previous = piece }
        unsafe free[size] = piece
        unsafe setTag(piece, UInt8(size))
    }

    private func unlink(_ piece: UnsafeMutableRawPointer, _ size: Int) {
        let link = unsafe piece.load(as: Link.self)
        if let previous = unsafe link.previous {
            unsafe previous.assumingMemoryBound(to: Link.self).pointee.next = link.next
        } else {
            unsafe free[size] = link.next
        }
        if let next = unsafe link.next { unsafe next.assumingMemoryBound(to: Link.self).pointee.previous = link.previous }
        unsafe setTag(piece, NoisePool.notFree)
    }
}
