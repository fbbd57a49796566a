import Telemetry

/// The actions taken from the inbox and not yet answered; the processor's thread owns it.
///
/// A batch that SQLite refuses for a row must not be refused for an action's sake, nor the other way round: the readings
/// are then committed without the actions, and the actions afterwards one by one.
struct ActionQueue {
    private var taken: [Inbox.Submission] = []
    /// Actions the next commit may take.
    private var limit = Int.max
    private let inbox: Inbox

    init(_ inbox: Inbox) { self.inbox = inbox }

    var isEmpty: Bool { taken.isEmpty && !inbox.hasActions }

    /// Whether a single action is being tried without anything beside it.
    var isTryingOne: Bool { limit == 1 && taken.count >= 1 }

    /// The actions of the commit at hand. The same again until ``answer(_:)``.
    mutating func next() -> [Action] {
        if limit > 0 { taken += inbox.takeActions() }
        return taken.prefix(limit).map(\.action)
    }

    /// The commit at hand has succeeded.
    mutating func answer(_ answers: [ActionAnswer]) {
        for (submission, answer) in zip(taken, answers) { submission.answer(answer) }
        taken.removeFirst(answers.count)
        if taken.isEmpty && limit == 1 { limit = .max }
    }

    mutating func holdBack() { limit = 0 }

    /// After ``holdBack()``: one a commit.
    mutating func letGo() { limit = taken.isEmpty ? .max : 1 }

    /// Refuses the action that was tried alone.
    mutating func refuseFirst(_ reason: String) {
        answer([.refused(ActionRefusal(.invalid, reason))])
    }

    mutating func refuseAll() {
        answer(taken.map { _ in .refused(Inbox.ending) })
        inbox.close()
    }
}
