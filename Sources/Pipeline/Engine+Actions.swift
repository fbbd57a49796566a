import Delivery
import Foundation
import Store
import Telemetry

extension Engine {
    /// Applies actions in their order behind the batch's readings, inside the open transaction. What is accepted is
    /// logged with its place among the inputs; what is refused changes nothing.
    func apply(_ actions: [Action], at clock: Timestamp, into result: inout Committed) throws(StoreError) {
        for action in actions {
            switch try apply(action, at: clock, into: &result) {
            case .success(let json):
                try log(action, at: clock, after: state.input)
                result.answers.append(.done(json))
            case .failure(let refusal): result.answers.append(.refused(refusal))
            }
        }
    }

    /// Notes an input that is no reading, with its place behind the reading of that number.
    func log(_ action: Action, at clock: Timestamp, after input: Int64) throws(StoreError) {
        try actionRows.write(
            EngineInput(
                afterInput: input, clock: clock, name: action.name, subject: action.subject, author: action.author,
                role: action.role.rawValue, fields: ActionJSON.text(of: action.fields)))
    }

    private func apply(
        _ action: Action, at clock: Timestamp, into result: inout Committed
    ) throws(StoreError) -> Result<String, ActionRefusal> {
        if let problem = ActionCatalogue.problem(with: action) { return .failure(problem) }
        switch action.name {
        case "alert.ack", "alert.comment": return try note(action, at: clock, into: &result)
        case "alert.end": return try endAlert(action, at: clock, into: &result)
        case "task.external": return try applyExternal(action, at: clock, into: &result)
        case "silence.add": return try addSilence(action, at: clock, into: &result)
        case "silence.expire": return try expireSilence(action, at: clock, into: &result)
        case _ where action.name.hasPrefix("task.") || action.name == "dispatch.new": return try applyToTask(action, at: clock, into: &result)
        case _ where action.name.hasPrefix("unit."): return try applyToUnit(action, at: clock)
        default: preconditionFailure("the catalogue has \(action.name), the engine does not")
        }
    }

    /// The one row of a table whose id begins with what somebody wrote.
    func find(_ prefix: String, in table: String) throws(StoreError) -> Result<String, ActionRefusal> {
        let ids = try actionRows.ids(of: table, beginningWith: prefix)
        if ids.count == 1 { return .success(ids[0]) }
        if ids.isEmpty { return .failure(ActionRefusal(.unknown, "no \(table) has the id '\(prefix)'", field: "id")) }
        return .failure(
            ActionRefusal(.unknown, "more than one \(table) has an id that begins with '\(prefix)'; write more of it", field: "id"))
    }

    // MARK: Alerts

    private func note(
        _ action: Action, at clock: Timestamp, into result: inout Committed
    ) throws(StoreError) -> Result<String, ActionRefusal> {
        let id: String
        switch try find(action.subject, in: "alert") {
        case .success(let found): id = found
        case .failure(let refusal): return .failure(refusal)
        }
        guard let alert = try actionRows.alert(id: id) else {
            return .failure(ActionRefusal(.unknown, "no alert has the id '\(id)'", field: "id"))
        }
        guard alert.state != "pending" else {
            return .failure(ActionRefusal(.conflict, "the alert \(id) is pending: it has not fired", possible: []))
        }
        let isAcknowledgement = action.name == "alert.ack"
        if isAcknowledgement, let earlier = try actionRows.newestNote("acknowledged", of: id) {
            return .failure(
                ActionRefusal(
                    .conflict, "\(earlier.who) has acknowledged the alert \(id) at \(earlier.at.rfc3339()) already",
                    possible: ["comment"]))
        }
        let note = AlertNote(
            what: isAcknowledgement ? "acknowledged" : "comment", at: clock, who: action.author, role: action.role.rawValue,
            text: action.text(isAcknowledgement ? "why" : "text"))
        _ = try actionRows.write(note, of: id)
        try publish(CloudEvents.note(note, on: alert, options: options), into: &result)
        var answer = JSONObject()
        answer.add("id", id)
        answer.add("state", alert.state)
        answer.add(note.what == "comment" ? "commented_by" : "acknowledged_by", note.who)
        answer.add("at", raw: "\(clock.milliseconds)")
        return .success(answer.text)
    }
}

/// The fields of an action as the log has them: JSON, keys sorted, so that equal actions are equal bytes.
enum ActionJSON {
    static func text(of fields: [String: ActionValue]) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(fields) else { preconditionFailure("texts, numbers and flags are JSON") }
        return String(decoding: data, as: UTF8.self)
    }

    static func quoted(_ text: String) -> String { JSONObject.quoted(text) }

    static func fields(of text: String) -> [String: ActionValue]? {
        try? JSONDecoder().decode([String: ActionValue].self, from: Data(text.utf8))
    }
}
