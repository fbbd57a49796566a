public import Synchronization

/// The writing end: one thread holds it. Going out of scope closes the ring for writing.
@safe
public struct RingProducer<Slot: BitwiseCopyable & Sendable>: ~Copyable, @unchecked Sendable {
    @usableFromInline let ring: Ring<Slot>
    // The ring's bell, which lives as long as the ring: held so that no reference is counted when it is rung.
    @usableFromInline let readable: Unmanaged<Doorbell>
    /// One past the last claimed sequence; what lies between `published` and this is invisible to the consumer.
    @usableFromInline var claimed: Int
    @usableFromInline var publishedUpTo: Int
    /// The consumer's cursor as last seen; only ever too low.
    @usableFromInline var cachedConsumed: Int

    @usableFromInline
    init(ring: Ring<Slot>) {
        self.ring = ring
        unsafe readable = Unmanaged.passUnretained(ring.readable)
        let start = ring.published.load(ordering: .relaxed)
        claimed = start
        publishedUpTo = start
        cachedConsumed = start
    }

    deinit { RingProducer.close(ring) }

    /// One past the last published sequence: the number of slots ever published, counted from the ring's start.
    @inlinable
    public var publishedSequence: Int { publishedUpTo }

    /// Slots claimed and not yet published.
    @inlinable
    public var claimedCount: Int { claimed - publishedUpTo }

    /// Claims `count` slots behind those already claimed. False when the ring is full: nothing is claimed then.
    /// `count` must not be over the ring's capacity. O(1).
    @inlinable
    public mutating func claim(_ count: Int = 1) -> Bool {
        let wanted = claimed + count - ring.capacity
        if wanted > cachedConsumed {
            // Pairs with the consumer's releasing store in `release(upTo:)`: its reads of the slots are over.
            cachedConsumed = ring.consumed.load(ordering: .acquiring)
            if wanted > cachedConsumed { return false }
        }
        claimed += count
        return true
    }

    /// As ``claim(_:)``, waiting while the ring is full. False only when the consumer is gone.
    @inlinable
    public mutating func claimWaiting(_ count: Int = 1) -> Bool {
        while !claim(count) {
            if ring.consumerClosed.load(ordering: .acquiring) { return false }
            waitForRoom(count)
        }
        return true
    }

    @usableFromInline
    mutating func waitForRoom(_ count: Int) {
        let target = claimed + count - ring.capacity
        let ring = self.ring
        ring.writable.wait(timeoutMilliseconds: -1) {
            ring.consumed.load(ordering: .acquiring) >= target || ring.consumerClosed.load(ordering: .acquiring)
        }
    }

    /// The claimed slot at `offset` from the last publication (0 is the first unpublished one).
    @inlinable
    public func claimedSlot(_ offset: Int) -> UnsafeMutablePointer<Slot> {
        assert(offset >= 0 && publishedUpTo + offset < claimed)
        return unsafe ring.pointer(publishedUpTo + offset)
    }

    /// Gives claimed slots back, from `offset` on: as if they had not been claimed.
    @inlinable
    public mutating func unclaim(from offset: Int) {
        assert(publishedUpTo + offset <= claimed)
        claimed = publishedUpTo + offset
    }

    /// Makes all claimed slots visible to the consumer and wakes it if it sleeps. O(1).
    @inlinable
    public mutating func publish() {
        if claimed == publishedUpTo { return }
        publishedUpTo = claimed
        // Pairs with the consumer's acquiring load in `available()`: the slots' contents come before the cursor.
        ring.published.store(claimed, ordering: .releasing)
        unsafe readable._withUnsafeGuaranteedRef { $0.ring() }
    }

    /// Whether the other end is gone: what is published will not be read.
    @inlinable
    public var isConsumerClosed: Bool { ring.consumerClosed.load(ordering: .acquiring) }

    /// Says that nothing more comes. What is published stays readable.
    public consuming func close() {}

    /// As ``close()`` for an owner that cannot give the producer up yet; it must not publish any more.
    public mutating func finish() { RingProducer.close(ring) }

    @usableFromInline
    static func close(_ ring: Ring<Slot>) {
        ring.producerClosed.store(true, ordering: .releasing)
        ring.readable.ring()
    }
}
