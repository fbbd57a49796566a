public import Ring
import Synchronization

/// What the source's thread and the processor's thread tell each other. Sequences are the ring's.
public final class CommitSignals: Sendable {
    private let requestedSequence = Atomic<Int>(0)
    private let committedSequence = Atomic<Int>(0)
    private let drainedFlag = Atomic<Bool>(false)
    private let ringBell: Doorbell

    /// Rung after each commit; the source may sleep on it beside its socket.
    public let bell = Doorbell()

    init(ringBell: Doorbell) { self.ringBell = ringBell }

    /// The source has nothing more to read: commit everything up to `sequence` now.
    func request(_ sequence: Int) {
        requestedSequence.store(sequence, ordering: .releasing)
        ringBell.ring()
    }

    var requested: Int { requestedSequence.load(ordering: .acquiring) }

    /// Whether a commit of what lies from `start` to `next` is asked for.
    func isRequested(from start: Int, to next: Int) -> Bool {
        let wanted = requested
        return next > start && next >= wanted && wanted > committed
    }

    /// Everything before this sequence is committed. Pairs with the releasing store in ``setCommitted(_:)``.
    public var committed: Int { committedSequence.load(ordering: .acquiring) }

    func setCommitted(_ sequence: Int) {
        committedSequence.store(sequence, ordering: .releasing)
        bell.ring()
    }

    /// The broker's queue is drained: what comes from now on is live.
    func setDrained() { drainedFlag.store(true, ordering: .releasing) }
    var isDrained: Bool { drainedFlag.load(ordering: .acquiring) }
}
