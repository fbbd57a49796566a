public import Ring
public import Rules
public import Store
import Synchronization
public import Telemetry

/// What others ask of the one writer. It commits with the next batch: what outlets have delivered at the latest after a
/// second, actions at once.
public final class Inbox: Sendable {
    /// Actions that wait at most; more are refused.
    public static let actionLimit = 4096

    /// An action that waits for its commit.
    struct Submission: Sendable {
        let action: Action
        let answer: @Sendable (ActionAnswer) -> Void
    }

    private struct Waiting {
        var submissions: [Submission] = []
        var isClosed = false
    }

    private struct Asked {
        /// How far outlets are: only the last word of each counts.
        var delivered: [String: Int64] = [:]
        var changes: [OutletChange] = []
    }

    private let asked = Mutex(Asked())
    private let newRules = Mutex<(rules: RuleSet, world: World)?>(nil)
    private let isFilled = Atomic<Bool>(false)
    private let waiting = Mutex(Waiting())
    private let hasWaiting = Atomic<Bool>(false)
    private let bell: Doorbell?

    /// - Parameter bell: rung where an action comes, so that it waits for no batch.
    public init(bell: Doorbell? = nil) { self.bell = bell }

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

    var isEmpty: Bool { !isFilled.load(ordering: .acquiring) && !hasActions }

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

    // MARK: Actions

    /// Answers when the action is committed, or why nothing was changed. Any thread.
    public func submit(_ action: Action) async -> ActionAnswer {
        await withCheckedContinuation { continuation in
            submit(action) { continuation.resume(returning: $0) }
        }
    }

    /// Calls `answer` once: on the processor's thread after the commit, or before the call returns where the action is
    /// refused as it stands. Actions are applied in the order of the calls.
    public func submit(_ action: Action, answer: @escaping @Sendable (ActionAnswer) -> Void) {
        if let problem = ActionCatalogue.problem(with: action) { return answer(.refused(problem)) }
        let refusal: ActionRefusal? = waiting.withLock { waiting in
            if waiting.isClosed { return Inbox.ending }
            if waiting.submissions.count >= Inbox.actionLimit {
                return ActionRefusal(.unavailable, "\(Inbox.actionLimit) changes wait already; try again in a second")
            }
            waiting.submissions.append(Submission(action: action, answer: answer))
            hasWaiting.store(true, ordering: .releasing)
            return nil
        }
        if let refusal { return answer(.refused(refusal)) }
        bell?.ring()
    }

    static let ending = ActionRefusal(.unavailable, "Patrol is ending; nothing was changed")

    var hasActions: Bool { hasWaiting.load(ordering: .acquiring) }

    func takeActions() -> [Submission] {
        guard hasActions else { return [] }
        return waiting.withLock { waiting in
            hasWaiting.store(false, ordering: .releasing)
            defer { waiting.submissions.removeAll() }
            return waiting.submissions
        }
    }

    /// Refuses what waits and whatever comes.
    func close() {
        waiting.withLock { $0.isClosed = true }
        for submission in takeActions() { submission.answer(.refused(Inbox.ending)) }
    }
}
