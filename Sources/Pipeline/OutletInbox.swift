import Store
import Synchronization

/// What outlets ask of the one writer. Their progress commits with the next batch; what somebody waits for is urgent.
final class OutletInbox: Sendable {
    /// What the next commit is to write, and who waits for it.
    struct Changes: Sendable {
        var all: [OutletChange] = []
        var waiting: [@Sendable (Bool) -> Void] = []

        func answer(_ isCommitted: Bool) { for answer in waiting { answer(isCommitted) } }
    }

    private struct Asked {
        /// How far outlets are: only the last word of each counts.
        var delivered: [String: Int64] = [:]
        var changes = Changes()
        var isClosed = false
    }

    private let asked = Mutex(Asked())
    private let isFilled = Atomic<Bool>(false)
    private let hasWaiting = Atomic<Bool>(false)

    var isEmpty: Bool { !isFilled.load(ordering: .acquiring) }
    /// Somebody waits for the commit.
    var isUrgent: Bool { hasWaiting.load(ordering: .acquiring) }

    /// - Parameter answer: called once, with whether it is committed; false where Patrol is ending.
    func ask(_ change: OutletChange, answer: (@Sendable (Bool) -> Void)? = nil) {
        let isClosed = asked.withLock { asked in
            if asked.isClosed && answer != nil { return true }
            if case .delivered(let outlet, let sequence) = change {
                asked.delivered[outlet] = sequence
            } else {
                asked.changes.all.append(change)
            }
            if let answer {
                asked.changes.waiting.append(answer)
                hasWaiting.store(true, ordering: .releasing)
            }
            isFilled.store(true, ordering: .releasing)
            return false
        }
        if isClosed { answer?(false) }
    }

    /// Dead letters come before the mark that leaves them behind.
    func take() -> Changes {
        guard isFilled.exchange(false, ordering: .acquiringAndReleasing) else { return Changes() }
        return asked.withLock { asked in
            var changes = asked.changes
            changes.all += asked.delivered.sorted { $0.key < $1.key }.map { .delivered(outlet: $0.key, sequence: $0.value) }
            asked.changes = Changes()
            asked.delivered = [:]
            hasWaiting.store(false, ordering: .releasing)
            return changes
        }
    }

    /// The commit that was to hold them failed: they are for the next.
    func giveBack(_ changes: Changes) {
        guard !changes.all.isEmpty else { return }
        asked.withLock { asked in
            asked.changes.all.insert(contentsOf: changes.all.filter { if case .delivered = $0 { false } else { true } }, at: 0)
            for case .delivered(let outlet, let sequence) in changes.all {
                asked.delivered[outlet] = max(sequence, asked.delivered[outlet] ?? sequence)
            }
            asked.changes.waiting.insert(contentsOf: changes.waiting, at: 0)
            if !changes.waiting.isEmpty { hasWaiting.store(true, ordering: .releasing) }
            isFilled.store(true, ordering: .releasing)
        }
    }

    /// Tells who waits, and whoever comes, that nothing is committed any more.
    func close() {
        let waiting = asked.withLock { asked in
            asked.isClosed = true
            defer { asked.changes.waiting = [] }
            return asked.changes.waiting
        }
        for answer in waiting { answer(false) }
    }
}
