public import Rules
import Synchronization
public import Telemetry

/// What others ask of the one writer. It commits with the next batch, at the latest after a second.
public final class Inbox: Sendable {
    private let delivered = Mutex<[String: Int64]>([:])
    private let newRules = Mutex<(rules: RuleSet, world: World)?>(nil)
    private let isFilled = Atomic<Bool>(false)

    public init() {}

    /// An outlet has delivered everything up to `sequence`.
    public func setDelivered(outlet: String, sequence: Int64) {
        delivered.withLock { $0[outlet] = sequence }
        isFilled.store(true, ordering: .releasing)
    }

    /// These rules are in force from the next commit on.
    public func reload(rules: RuleSet, world: World) {
        newRules.withLock { $0 = (rules, world) }
        isFilled.store(true, ordering: .releasing)
    }

    func takeReload() -> (rules: RuleSet, world: World)? { newRules.withLock { $0.take() } }

    var isEmpty: Bool { !isFilled.load(ordering: .acquiring) }

    func takeDelivered() -> [(outlet: String, sequence: Int64)] {
        guard isFilled.exchange(false, ordering: .acquiringAndReleasing) else { return [] }
        return delivered.withLock { marks in
            defer { marks.removeAll() }
            return marks.map { ($0.key, $0.value) }.sorted { $0.0 < $1.0 }
        }
    }
}
