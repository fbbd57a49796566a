public import Telemetry

/// What can be done with a task. The raw value is the verb of the route and of the command.
public enum TaskVerb: String, Sendable, CaseIterable {
    case accept, assign
    case acknowledge = "ack"
    case setOut = "set-out"
    case arrive, dispose, feedback, verify, close
    case giveBack = "return"
    case transfer, suspend, resume, cancel, reopen, merge, split, joint, plan, comment

    /// Who may.
    public var roles: Set<Action.Role> {
        switch self {
        case .accept, .assign: [.operator, .patrol]
        case .acknowledge, .setOut, .arrive, .dispose, .feedback, .giveBack: [.operator, .officer]
        case .verify: [.operator, .checker]
        case .close: [.operator, .checker]
        case .suspend, .resume: [.operator, .officer, .patrol]
        case .transfer, .merge, .split, .joint: [.operator]
        case .plan: [.operator, .officer]
        case .cancel: [.operator, .patrol]
        case .reopen: [.operator, .checker, .patrol]
        case .comment: [.operator, .officer, .checker]
        }
    }

    /// The stage it leads to; nil where it changes none (``split``, ``joint``, ``plan``, ``comment``) or where that depends on the task
    /// (``resume``).
    public var target: TaskStage? {
        switch self {
        case .accept: .accepted
        case .assign: .assigned
        case .acknowledge: .acknowledged
        case .setOut: .setOut
        case .arrive: .onScene
        case .dispose: .disposed
        case .feedback: .feedback
        case .verify: .verified
        case .close: .closed
        case .giveBack: .returned
        case .transfer: .transferred
        case .suspend: .suspended
        case .cancel, .merge: .cancelled
        case .reopen: .reopened
        case .resume, .split, .joint, .plan, .comment: nil
        }
    }

    /// The stages in which it is possible. An officer who sets out has acknowledged, and who arrives has set out: the
    /// stages between may be passed over. Nothing is settled from afar, and nothing closed without feedback.
    public func isPossible(in stage: TaskStage) -> Bool {
        switch (self, stage) {
        case (.accept, .reported), (.accept, .returned), (.accept, .transferred), (.accept, .reopened): true
        case (.assign, .reported), (.assign, .accepted), (.assign, .assigned), (.assign, .acknowledged), (.assign, .setOut),
            (.assign, .returned), (.assign, .transferred), (.assign, .reopened): true
        case (.acknowledge, .assigned): true
        case (.setOut, .assigned), (.setOut, .acknowledged): true
        case (.arrive, .assigned), (.arrive, .acknowledged), (.arrive, .setOut): true
        case (.dispose, .onScene): true
        case (.feedback, .disposed), (.feedback, .feedback): true
        case (.verify, .feedback): true
        case (.close, .feedback), (.close, .verified): true
        case (.giveBack, .accepted), (.giveBack, .transferred): true
        case (.giveBack, _): stage.occupiesUnit
        case (.transfer, .suspended), (.transfer, .transferred): false
        case (.transfer, _): stage.isOpen && (stage.progress ?? 0) < TaskStage.disposed.progress!
        case (.suspend, .suspended): false
        case (.suspend, _): stage.isOpen && (stage.progress ?? 0) < TaskStage.disposed.progress!
        case (.resume, .suspended): true
        case (.cancel, _), (.merge, _): stage.isOpen && (stage.progress ?? 0) < TaskStage.disposed.progress!
        case (.reopen, .disposed), (.reopen, .feedback), (.reopen, .verified), (.reopen, .closed), (.reopen, .cancelled): true
        case (.split, _): stage.isOpen
        case (.joint, _): stage.isOpen && (stage.progress ?? 0) < TaskStage.disposed.progress!
        case (.plan, _): stage != .cancelled
        case (.comment, _): true
        default: false
        }
    }

    /// What is possible in a stage, in the order of the cases.
    public static func possible(in stage: TaskStage) -> [TaskVerb] { allCases.filter { $0.isPossible(in: stage) } }
}
