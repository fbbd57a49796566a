public import Dispatching
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

    let outlets = OutletInbox()
    private let newRules = Mutex<(rules: RuleSet, world: World, dispatch: DispatchSettings?)?>(nil)
    private let hasRules = Atomic<Bool>(false)
    private let waiting = Mutex(Waiting())
    private let hasWaiting = Atomic<Bool>(false)
    private let bell: Doorbell?

    /// - Parameter bell: rung where an action comes, so that it waits for no batch.
    public init(bell: Doorbell? = nil) { self.bell = bell }

    /// Asks for a change of an outlet's rows.
    public func ask(_ change: OutletChange) { outlets.ask(change) }

    /// These rules are in force from the next commit on.
    /// - Parameter dispatch: nil leaves it as it is.
    public func reload(rules: RuleSet, world: World, dispatch: DispatchSettings? = nil) {
        newRules.withLock { $0 = (rules, world, dispatch) }
        hasRules.store(true, ordering: .releasing)
    }

    func takeReload() -> (rules: RuleSet, world: World, dispatch: DispatchSettings?)? {
        guard hasRules.exchange(false, ordering: .acquiringAndReleasing) else { return nil }
        return newRules.withLock { $0.take() }
    }

    /// Asks for a change of an outlet's rows; true when it is committed, false where Patrol is ending.
    public func commit(_ change: OutletChange) async -> Bool {
        await withCheckedContinuation { continuation in
            outlets.ask(change) { continuation.resume(returning: $0) }
            bell?.ring()
        }
    }

    var isEmpty: Bool { outlets.isEmpty && !hasActions && !hasRules.load(ordering: .acquiring) }

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

    /// Somebody waits for a commit.
    var hasActions: Bool { hasWaiting.load(ordering: .acquiring) || outlets.isUrgent }

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
        outlets.close()
        for submission in takeActions() { submission.answer(.refused(Inbox.ending)) }
    }
}
