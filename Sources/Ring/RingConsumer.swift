public import Synchronization

/// The reading end: one thread holds it. Going out of scope closes the ring for reading, and a waiting producer is
/// told.
public struct RingConsumer<Slot: BitwiseCopyable & Sendable>: ~Copyable, Sendable {
    @usableFromInline let ring: Ring<Slot>
    /// One past the last released sequence.
    @usableFromInline var consumedUpTo: Int
    /// The producer's cursor as last seen; only ever too low.
    @usableFromInline var cachedPublished: Int

    @usableFromInline
    init(ring: Ring<Slot>) {
        self.ring = ring
        consumedUpTo = ring.consumed.load(ordering: .relaxed)
        cachedPublished = consumedUpTo
    }

    deinit { RingConsumer.close(ring) }

    public enum Wait: Equatable, Sendable { case slots, timedOut, closed }

    /// The first sequence not yet released.
    @inlinable
    public var firstSequence: Int { consumedUpTo }

    /// One past the last sequence that can be read now. O(1).
    @inlinable
    public mutating func available() -> Int {
        // Pairs with the producer's releasing store in `publish()`: the slots' contents are visible.
        cachedPublished = ring.published.load(ordering: .acquiring)
        return cachedPublished
    }

    /// Waits until there is something to read at or after `sequence`, the producer is gone, or the time is over.
    /// - Parameters:
    ///   - timeoutMilliseconds: −1 waits without end.
    ///   - interrupted: ends the wait too (`.timedOut`); whoever makes it true rings `readable`.
    public mutating func wait(
        for sequence: Int, timeoutMilliseconds: Int32, orUntil interrupted: () -> Bool = { false }
    ) -> Wait {
        if available() > sequence { return .slots }
        let ring = self.ring
        ring.readable.wait(timeoutMilliseconds: timeoutMilliseconds) {
            ring.published.load(ordering: .acquiring) > sequence || ring.producerClosed.load(ordering: .acquiring)
                || interrupted()
        }
        let closed = ring.producerClosed.load(ordering: .acquiring)
        if available() > sequence { return .slots }
        return closed ? .closed : .timedOut
    }

    /// The slot of a sequence in `firstSequence..<available()`.
    @inlinable
    public func slot(_ sequence: Int) -> UnsafeMutablePointer<Slot> {
        assert(sequence >= consumedUpTo && sequence < cachedPublished)
        return unsafe ring.pointer(sequence)
    }

    /// Gives every slot before `sequence` back to the producer and wakes it if it waits. O(1).
    @inlinable
    public mutating func release(upTo sequence: Int) {
        assert(sequence >= consumedUpTo && sequence <= cachedPublished)
        consumedUpTo = sequence
        // Pairs with the producer's acquiring load in `claim(_:)`: the slots may be overwritten from here on.
        ring.consumed.store(sequence, ordering: .releasing)
        ring.writable.ring()
    }

    /// Says that nothing more is read. A producer that waits for room is told.
    public consuming func close() {}

    @usableFromInline
    static func close(_ ring: Ring<Slot>) {
        ring.consumerClosed.store(true, ordering: .releasing)
        ring.writable.ring()
    }
}
