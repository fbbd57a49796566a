import Glibc
public import Synchronization

/// A single-producer, single-consumer ring of fixed-size slots, in the Disruptor's words: the producer *claims*
/// slots and *publishes* its cursor once per batch; the consumer's cursor *gates* the producer. Cursors are 64-bit
/// sequences that only grow (wrap-around of the number is no case), each on cache lines of its own, and each end keeps
/// a cached copy of the other's.
///
/// The ring knows no domain: a slot is any `BitwiseCopyable` value. It is made once, its two ends are taken once
/// (``makeProducer()``, ``makeConsumer()``), and each end is a non-copyable value that only one thread can hold.
///
/// Waiting spins for a bounded time and then sleeps on a pipe (``Doorbell``): an idle ring costs nothing.
@safe
public final class Ring<Slot: BitwiseCopyable & Sendable>: Sendable {
    /// Number of slots, a power of two.
    public let capacity: Int
    @usableFromInline let mask: Int
    // Owned by this object; written by the producer below `published + capacity`, read by the consumer below
    // `published`: the cursors' release/acquire pairs order the two.
    @usableFromInline nonisolated(unsafe) let slots: UnsafeMutablePointer<Slot>

    private let padding0 = InlineArray<16, UInt64>(repeating: 0)
    /// One past the last published sequence. Written by the producer (release), read by the consumer (acquire).
    @usableFromInline let published: Atomic<Int>
    private let padding1 = InlineArray<16, UInt64>(repeating: 0)
    /// One past the last consumed sequence. Written by the consumer (release), read by the producer (acquire).
    @usableFromInline let consumed: Atomic<Int>
    private let padding2 = InlineArray<16, UInt64>(repeating: 0)
    @usableFromInline let producerClosed = Atomic<Bool>(false)
    @usableFromInline let consumerClosed = Atomic<Bool>(false)
    private let producerTaken = Atomic<Bool>(false)
    private let consumerTaken = Atomic<Bool>(false)

    /// Rung by the producer when it publishes while the consumer sleeps.
    public let readable: Doorbell
    /// Rung by the consumer when it releases while the producer sleeps.
    public let writable: Doorbell

    /// - Parameters:
    ///   - capacity: slots, a power of two ≥ 1 (anything else is a bug and traps).
    ///   - start: the first sequence; other than 0 only in tests.
    public init(capacity: Int, start: Int = 0) {
        precondition(capacity >= 1 && capacity & (capacity - 1) == 0, "capacity \(capacity) is not a power of two")
        precondition(start >= 0)
        self.capacity = capacity
        mask = capacity - 1
        unsafe slots = .allocate(capacity: capacity)
        unsafe memset(slots, 0, capacity * MemoryLayout<Slot>.stride)
        published = Atomic(start)
        consumed = Atomic(start)
        readable = Doorbell()
        writable = Doorbell()
    }

    deinit { unsafe slots.deallocate() }

    /// The writing end. Traps when taken twice.
    public func makeProducer() -> RingProducer<Slot> {
        precondition(!producerTaken.exchange(true, ordering: .relaxed), "the ring's producer is already taken")
        return RingProducer(ring: self)
    }

    /// The reading end. Traps when taken twice.
    public func makeConsumer() -> RingConsumer<Slot> {
        precondition(!consumerTaken.exchange(true, ordering: .relaxed), "the ring's consumer is already taken")
        return RingConsumer(ring: self)
    }

    @inlinable
    func pointer(_ sequence: Int) -> UnsafeMutablePointer<Slot> { unsafe slots + (sequence & mask) }
}
