import Delivery
import Rules
import Store
import Telemetry

extension Engine {
    /// A person ends a latched alert. The end is an input of the rules: a start takes it in its place among the readings.
    func endAlert(
        _ action: Action, at clock: Timestamp, into result: inout Committed
    ) throws(StoreError) -> Result<String, ActionRefusal> {
        let id: String
        switch try find(action.subject, in: "alert") {
        case .success(let found): id = found
        case .failure(let refusal): return .failure(refusal)
        }
        guard let alert = try actionRows.alert(id: id), alert.state == "firing" else {
            return .failure(ActionRefusal(.conflict, "the alert \(id) does not fire", possible: []))
        }
        guard let rule = options.rules.definitions.firstIndex(where: { $0.id == alert.rule }) else {
            return .failure(
                ActionRefusal(.conflict, "the rule '\(alert.rule)' is not among the rules at hand; name them with --config", possible: []))
        }
        guard options.rules.definitions[rule].isLatched else {
            return .failure(
                ActionRefusal(.conflict, "the alert \(id) is not latched: it ends by itself", possible: ["ack", "comment"]))
        }
        let moment = max(clock, state.clock)
        guard alerts.end(rule: rule, device: alert.deviceNumber, at: moment) else {
            return .failure(ActionRefusal(.conflict, "the alert \(id) does not fire", possible: []))
        }
        try ruleRows.add(
            RuleEnd(
                input: state.input, clock: alerts.now, at: moment, hash: options.rules.hashes[rule], device: alert.deviceNumber))
        let note = AlertNote(
            what: "ended", at: clock, who: action.author, role: action.role.rawValue, text: action.text("why"))
        _ = try actionRows.write(note, of: id)
        // What came before is written: transitions are counted from here.
        dispatchJournal.seenTransitions = 0
        dispatchTransitions()
        try writeAlerts(into: &result)
        try writeDispatch(into: &result)
        var answer = JSONObject()
        answer.add("id", id)
        answer.add("state", "resolved")
        answer.add("ended_by", action.author)
        answer.add("at", raw: "\(moment.milliseconds)")
        return .success(answer.text)
    }
}
