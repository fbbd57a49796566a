public import Telemetry

/// What another system that works a task says of it, and whether Patrol could follow: a row of `task_external`.
public struct ExternalReport: Sendable, Equatable {
    /// The other system's name.
    public var system: String
    /// Its own number of the task.
    public var number: String?
    /// Where it has the task; nil before it has said so.
    public var stage: TaskStage?
    /// The same in its own word.
    public var status: String?
    /// Why Patrol did not follow; nil where both agree or the other side is behind.
    public var conflict: String?

    public init(system: String) { self.system = system }
}

extension Dispatcher {
    /// The straight way, in its order.
    private static let straight: [TaskVerb] = [.accept, .assign, .acknowledge, .setOut, .arrive, .dispose, .feedback, .verify, .close]

    /// Another system reports where it has a task, and the task goes after it as far as Patrol's own rules let it:
    ///
    /// 1. further along the straight way: the task is brought there, step by step; without a unit it is the other system's;
    /// 2. where the task is, or behind it: the report is noted, the task stays;
    /// 3. anything else that one step leads to (returned, cancelled …): that step;
    /// 4. where a step is refused: the task stays before it, and the conflict is noted with the reason.
    ///
    /// The same stage again is followed once, unless it was a conflict: then it is tried again.
    ///
    /// - Parameters:
    ///   - action: what was said, with the fields of the steps (feedback, unit, why …).
    ///   - isOld: said before the other system knew that the task was reopened: it is noted and moves nothing.
    ///   - known: what the other system said last, where `report` has taken over what is not said anew.
    /// - Returns: the task after it, and the report with its conflict. What is new of it (a step, a number, a conflict that
    ///   comes or goes) is an event; that the other side goes after Patrol is none.
    /// - Complexity: a few steps, whatever the number of tasks.
    public func follow(
        _ report: ExternalReport, of id: String, _ action: Action, known: ExternalReport?, isOld: Bool = false,
        at: Timestamp
    ) throws(ActionRefusal) -> (task: TaskState, report: ExternalReport) {
        guard var task = self[id] else { throw ActionRefusal(.unknown, "no task has the id '\(id)'", field: "id") }
        let before = task.events
        var report = report
        let who = action.text("by").map { "\(report.system): \($0)" } ?? report.system
        // What was said before and was followed is not followed twice: an answer may come again.
        if let stage = report.stage, action.text("stage") != nil, !isOld, known?.stage != stage || known?.conflict != nil {
            report.conflict = nil
            do throws(ActionRefusal) {
                while let verb = try step(task, to: stage) {
                    task = try take(verb, task, action, who: who, system: report.system, at: at)
                    if stage.progress == nil { break }
                }
            } catch {
                // A step that is refused has changed nothing; those before it hold.
                task = self[id]!
                report.conflict = error.message
            }
        }
        guard task.events != before || report.number != known?.number || report.conflict != known?.conflict else { return (task, report) }
        let what = report.conflict == nil ? "external" : "external_conflict"
        task = record(task, what, from: nil, at: at, who: who, role: .operator, why: report.conflict ?? action.text("why")) {
            $0.external = report
        }
        return (task, report)
    }

    /// The next verb on the way to a stage; nil where the task is there or further.
    private func step(_ task: TaskState, to stage: TaskStage) throws(ActionRefusal) -> TaskVerb? {
        if task.stage == stage { return nil }
        let verb: TaskVerb?
        if let wanted = stage.progress {
            let now = task.stage.progress ?? -1
            if now > wanted { return nil }
            verb = Dispatcher.straight.last {
                $0.target!.progress! <= wanted && $0.target!.progress! > now && $0.isPossible(in: task.stage)
            }
        } else {
            verb = TaskVerb.allCases.first { $0 != .merge && $0.target == stage && $0.isPossible(in: task.stage) }
        }
        guard let verb else {
            throw ActionRefusal(.conflict, "from \(task.stage.rawValue), by \(task.lastBy), no step leads to \(stage.rawValue)")
        }
        return verb
    }

    private func take(
        _ verb: TaskVerb, _ task: TaskState, _ action: Action, who: String, system: String, at: Timestamp
    ) throws(ActionRefusal) -> TaskState {
        var step = Action("task.\(verb.rawValue)", subject: task.id, author: who, fields: action.fields)
        if verb == .assign, action.text("unit") == nil {
            // Its own people go, whom Patrol does not know.
            var next = task
            next.unit = system
            next.unitDue = nil
            return move(next, from: task.stage, to: .assigned, at: at, who: who, role: step.role, why: action.text("why"))
        }
        if verb == .transfer, action.text("to") == nil { step.fields["to"] = .text(system) }
        return try apply(verb, to: task.id, step, at: at)
    }
}
