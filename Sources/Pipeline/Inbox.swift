public import Rules
public import Store
import Synchronization
public import Telemetry

/// What others ask of the one writer. It commits with the next batch, at the latest after a second.
public final class Inbox: Sendable {
    private struct Asked {
        /// How far outlets are: only the last word of each counts.
        var delivered: [String: Int64] = [:]
        var changes: [OutletChange] = []
    }

    private let asked = Mutex(Asked())
    private let newRules = Mutex<(rules: RuleSet, world: World)?>(nil)
    private let isFilled = Atomic<Bool>(false)

    public init() {}

    /// Asks for a change of an outlet's rows.
    public func ask(_ change: OutletChange) {
        asked.withLock { asked in
            switch change {
            case .delivered(let outlet, let sequence): asked.delivered[outlet] = sequence
            default: asked.changes.append(change)
            }
        }
        isFilled.store(true, ordering: .releasing)
    }

    /// These rules are in force from the next commit on.
    public func reload(rules: RuleSet, world: World) {
        newRules.withLock { $0 = (rules, world) }
        isFilled.store(true, ordering: .releasing)
    }

    func takeReload() -> (rules: RuleSet, world: World)? { newRules.withLock { $0.take() } }

    var isEmpty: Bool { !isFilled.load(ordering: .acquiring) }

    /// Dead letters come before the mark that leaves them behind.
    func takeChanges() -> [OutletChange] {
        guard isFilled.exchange(false, ordering: .acquiringAndReleasing) else { return [] }
        return asked.withLock { asked in
            defer { asked = Asked() }
            return asked.changes
                + asked.delivered.sorted { $0.key < $1.key }.map { .delivered(outlet: $0.key, sequence: $0.value) }
        }
    }

    /// The commit that was to hold them failed: they are for the next.
    func giveBack(_ changes: [OutletChange]) {
        guard !changes.isEmpty else { return }
        asked.withLock { asked in
            asked.changes.insert(contentsOf: changes.filter { if case .delivered = $0 { false } else { true } }, at: 0)
            for case .delivered(let outlet, let sequence) in changes {
                asked.delivered[outlet] = max(sequence, asked.delivered[outlet] ?? sequence)
            }
        }
        isFilled.store(true, ordering: .releasing)
    }
}
