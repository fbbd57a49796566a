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
        if action.name != "task.new" {
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
        let made: Result<Lead, ActionRefusal>? = action.name == "task.new" ? Engine.lead(action) : nil
        if case .success(let lead)? = made {
            // The same lead again is the task that it made, however long ago.
            let id = lead.taskID(reference: lead.reference(author: action.author, at: clock))
            if dispatcher[id] == nil, let known = try taskRows.task(id: id) { dispatcher.restore(known) }
        }
        let task: TaskState
        do throws(ActionRefusal) {
            if let made {
                task = try dispatcher.report(try made.get(), author: action.author, role: action.role, at: clock)
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

    private static func lead(_ action: Action) -> Result<Lead, ActionRefusal> {
        var lead = Lead(kind: action.text("kind") ?? "", text: action.text("text"))
        lead.area = action.text("area")
        lead.site = action.text("site")
        lead.source = action.text("source")
        lead.picture = action.text("picture")
        lead.severity = action.text("severity") ?? "warning"
        (lead.lat, lead.lon) = (action.number("lat"), action.number("lon"))
        if (lead.lat == nil) != (lead.lon == nil) {
            return .failure(ActionRefusal(.invalid, "a place has both lat and lon", field: lead.lat == nil ? "lat" : "lon"))
        }
        return .success(lead)
    }
}
