import Delivery
import Dispatching
import Store
import Telemetry

extension Engine {
    /// An action on a task: `task.new` or a verb.
    func applyToTask(
        _ action: Action, at clock: Timestamp, into result: inout Committed
    ) throws(StoreError) -> Result<String, ActionRefusal> {
        var subject = action.subject
        if !["task.new", "dispatch.new"].contains(action.name) {
            switch try taskAtHand(action.subject) {
            case .success(let id): subject = id
            case .failure(let refusal): return .failure(refusal)
            }
        }
        var action = action
        if action.name == "task.merge" {
            switch try taskAtHand(action.text("into") ?? "") {
            case .success(let id): action.fields["into"] = .text(id)
            case .failure(var refusal):
                refusal.field = "into"
                return .failure(refusal)
            }
        }
        let task: TaskState
        do throws(ActionRefusal) {
            if action.name == "task.new" {
                task = try take(leadOf: action, at: clock).task
            } else if action.name == "dispatch.new" {
                task = try dispatcher.muster(action, at: clock)
            } else {
                guard let verb = TaskVerb(rawValue: String(action.name.dropFirst("task.".count))) else {
                    preconditionFailure("the catalogue has \(action.name), the dispatcher does not")
                }
                task = try dispatcher.apply(verb, to: subject, action, at: clock)
            }
        } catch {
            return .failure(error)
        }
        noteDispatch()
        try writeDispatch(into: &result)
        var answer = JSONObject()
        answer.add("id", task.id)
        answer.add("stage", task.stage.rawValue)
        answer.add("kind", task.kind)
        if let unit = task.unit { answer.add("unit", unit) }
        if !task.crew.isEmpty { answer.add("crew", raw: CloudEvents.json(task.crew)) }
        if !task.parts.isEmpty { answer.add("parts", raw: CloudEvents.json(task.parts)) }
        answer.add("by", action.author)
        answer.add("at", raw: "\(clock.milliseconds)")
        answer.add("possible", raw: "[\(TaskVerb.possible(in: task.stage).map { "\"\($0.rawValue)\"" }.joined(separator: ","))]")
        return .success(answer.text)
    }

    /// The one task whose id begins so, brought back to the dispatcher where it was forgotten.
    func taskAtHand(_ prefix: String) throws(StoreError) -> Result<String, ActionRefusal> {
        if dispatcher[prefix] != nil { return .success(prefix) }
        let id: String
        switch try find(prefix, in: "task") {
        case .success(let found): id = found
        case .failure(let refusal): return .failure(refusal)
        }
        if dispatcher[id] == nil, let task = try taskRows.task(id: id) { dispatcher.restore(task) }
        return .success(id)
    }
}
