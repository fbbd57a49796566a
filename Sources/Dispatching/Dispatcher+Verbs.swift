public import Telemetry

extension Dispatcher {
    /// Applies an action on a task at hand.
    /// - Returns: the task after it.
    /// - Throws: why nothing was changed, and what is possible.
    @discardableResult
    public func apply(_ verb: TaskVerb, to id: String, _ action: Action, at: Timestamp) throws(ActionRefusal) -> TaskState {
        guard let task = self[id] else { throw ActionRefusal(.unknown, "no task has the id '\(id)'", field: "id") }
        guard verb.roles.contains(action.role) else {
            throw ActionRefusal(
                .forbidden,
                "\(verb.rawValue) is not for the role \(action.role.rawValue), but for \(verb.roles.map(\.rawValue).sorted().joined(separator: ", "))",
                field: "role")
        }
        if let next = try applyToCrew(verb, task, action, at: at) { return next }
        guard verb.isPossible(in: task.stage) else { throw refusal(verb, task) }
        let why = action.text("why")
        switch verb {
        case .resume: return resume(task, at: at, who: action.author, role: action.role, why: why)
        case .reopen: return reopen(task, at: at, who: action.author, role: action.role, why: why)
        case .comment:
            return record(task, "comment", from: nil, at: at, who: action.author, role: action.role, why: action.text("text"))
        case .merge:
            let id = action.text("into") ?? ""
            guard let other = self[id] else { throw ActionRefusal(.unknown, "no task has the id '\(id)'", field: "into") }
            return try merge(task, into: other, action, at: at)
        case .split: return try split(task, action, at: at)
        case .joint: return try makeJoint(task, action, at: at)
        case .plan: return try plan(task, action, at: at)
        default: break
        }
        var next = task
        var feedback: Feedback?
        switch verb {
        case .assign: try assign(&next, action, at: at)
        case .transfer:
            next.department = action.text("to")
            next.unit = nil
        case .suspend: try suspend(&next, action, at: at)
        case .dispose: next.disposedAt = at
        case .feedback:
            let template = settings.kind(task.kind).feedback
            feedback = try Feedback.read(action, template: template)
            feedback?.department = try takePart(&next, action)
            next.feedbackBy = action.author
            if next.parts.contains(where: { $0.by == nil }) {
                // The visit goes on: other departments have not said yet.
                return record(next, "part_feedback", from: nil, at: at, who: action.author, role: action.role, why: why) {
                    $0.feedback = feedback
                }
            }
        case .verify, .close: try check(verb, task, action)
        case .giveBack:
            if let unit = next.unit { next.tried.append(unit) }
            next.unit = nil
        default: break
        }
        let moved = move(next, from: task.stage, to: verb.target!, at: at, who: action.author, role: action.role, why: why) {
            $0.feedback = feedback
            ($0.lat, $0.lon) = (action.number("lat"), action.number("lon"))
        }
        // A task that a unit gives back goes to the next one.
        return verb == .giveBack && task.unit != nil ? seek(moved, at: at) : moved
    }

    func refusal(_ verb: TaskVerb, _ task: TaskState) -> ActionRefusal {
        let since = "since \(task.lastAt.rfc3339()) by \(task.lastBy)"
        return ActionRefusal(
            .conflict, "\(verb.rawValue) is not possible: the task \(task.id) is \(task.stage.rawValue) \(since)",
            possible: TaskVerb.possible(in: task.stage).map(\.rawValue))
    }

    /// Another person must have looked, where the kind says so.
    private func check(_ verb: TaskVerb, _ task: TaskState, _ action: Action) throws(ActionRefusal) {
        let kind = settings.kind(task.kind)
        if verb == .verify, action.author == task.feedbackBy || task.parts.contains(where: { $0.by == action.author }) {
            throw ActionRefusal(.forbidden, "\(action.author) has given the feedback: the check needs another person", field: "as")
        }
        if verb == .close, kind.needsCheck, task.stage == .feedback {
            throw ActionRefusal(
                .conflict, "a task of the kind \(task.kind) is closed after a check by another person", possible: ["verify", "reopen"])
        }
    }

    private func suspend(_ task: inout TaskState, _ action: Action, at: Timestamp) throws(ActionRefusal) {
        task.stageBefore = task.stage
        task.suspendedAt = at
        task.suspendedUntil = action.number("until").map { Timestamp(milliseconds: Int64($0)) }
        if let until = task.suspendedUntil, until <= at {
            throw ActionRefusal(.invalid, "'until' lies in the past: \(until.rfc3339())", field: "until")
        }
    }

    /// The one way to another stage.
    @discardableResult
    func move(
        _ task: TaskState, from: TaskStage, to stage: TaskStage, at: Timestamp, who: String, role: Action.Role, why: String?,
        _ more: (inout TaskEvent) -> Void = { _ in }
    ) -> TaskState {
        var task = task
        let kind = settings.kind(task.kind)
        task.stage = stage
        task.lastBy = who
        task.lastAt = at
        if stage != .assigned { task.unitDue = nil }
        task.proposed = nil
        if stage != .suspended { (task.stageBefore, task.suspendedUntil, task.suspendedAt) = (nil, nil, nil) }
        task.move(clocksTo: stage, at: at, kind: kind)
        task.forgetAt = stage.isOpen ? nil : at + max(0, kind.reopenMilliseconds)
        return record(task, stage.rawValue, from: from, at: at, who: who, role: role, why: why, more)
    }

    @discardableResult
    func resume(_ task: TaskState, at: Timestamp, who: String, role: Action.Role, why: String?) -> TaskState {
        var next = task
        if settings.kind(task.kind).pausesWhileSuspended, let since = task.suspendedAt { next.shiftClocks(by: at - since) }
        var stage = task.stageBefore ?? .reported
        next.crew.removeAll { isTaken($0.unit, otherThan: task.id) }
        if stage.occupiesUnit, let unit = next.unit, isTaken(unit, otherThan: task.id) {
            // It was sent elsewhere meanwhile.
            next.unit = nil
            stage = .accepted
        }
        return seek(move(next, from: .suspended, to: stage, at: at, who: who, role: role, why: why), at: at)
    }

    @discardableResult
    func reopen(_ task: TaskState, at: Timestamp, who: String, role: Action.Role, why: String?) -> TaskState {
        var next = task
        next.unit = nil
        next.crew = []
        next.parts = task.parts.map { TaskState.Part(department: $0.department) }
        next.tried = []
        next.disposedAt = nil
        next.feedbackBy = nil
        next.mergedInto = nil
        next.isUnserved = false
        (next.roundAt, next.escalated) = (at, 0)
        next.priority = priority(of: next, at: at)
        next.restartClocks(at: at, kind: settings.kind(task.kind))
        return seek(move(next, from: task.stage, to: .reopened, at: at, who: who, role: role, why: why), at: at)
    }
}
