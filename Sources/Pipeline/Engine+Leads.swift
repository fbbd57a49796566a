import Dispatching
import Store
import Telemetry

/// Leads: from a gateway between two readings, from a person as an action. Both go the same way and are logged as the
/// same input, `task.new`.
extension Engine {
    /// A gateway's lead at its place among the readings. Known again it is a duplicate; what it names and nobody knows is a
    /// reject.
    func take(lead record: LeadRecord, _ tail: [UInt8]) {
        var rest = tail[...]
        func text(_ count: Int) -> String {
            defer { rest = rest.dropFirst(count) }
            return String(decoding: rest.prefix(count), as: UTF8.self)
        }
        let gateway = text(Int(record.gatewayBytes))
        var action = Action("task.new", author: gateway, role: .gateway)
        for name in LeadText.allCases {
            let value = text(Int(record.textBytes[Int(name.rawValue)]))
            if !value.isEmpty { action.fields[name == .matter ? "kind" : name.name] = .text(value) }
        }
        // Each system counts its own.
        if let source = action.text("source") { action.fields["source"] = .text("\(gateway)/\(source)") }
        if record.hasPosition { (action.fields["lat"], action.fields["lon"]) = (.number(record.lat), .number(record.lon)) }

        var received = record.received
        if options.clock == .recorded {
            if received != .distantPast { state.clock = max(state.clock, received) }
            received = state.clock
        }
        letTimePass(to: received, isJudged: false)
        do throws(ActionRefusal) {
            let outcome = try take(leadOf: action, at: serverClock)
            noteDispatch()
            if outcome.isKnown {
                counts[CountRow.leadIndex].duplicate += 1
            } else {
                note(action)
                counts[CountRow.leadIndex].stored += 1
            }
        } catch {
            let field = error.field == "kind" ? "matter" : error.field ?? ""
            counts[CountRow.leadIndex].rejected += 1
            gateways.rejected(gateway: gateway, reason: .range)
            rejects.append(
                RejectRow(
                    received: received, gateway: gateway, topic: "\(options.topicRoot)/in/\(gateway)/lead", device: "", field: field,
                    reason: .range, payload: Array(ActionJSON.text(of: action.fields).utf8.prefix(Limits.rejectExcerptBytes))))
        }
    }

    /// Gives a lead to the dispatcher; the task that has it already is brought back first where it was forgotten.
    func take(leadOf action: Action, at clock: Timestamp) throws(ActionRefusal) -> LeadOutcome {
        let lead = try Engine.lead(action)
        if let source = lead.source {
            do throws(StoreError) {
                if let task = try taskRows.task(ofLead: source, kind: lead.kind), dispatcher[task.id] == nil { dispatcher.restore(task) }
            } catch {
                failure.error = error
            }
        }
        return try dispatcher.report(lead, author: action.author, role: action.role, at: clock)
    }

    private static func lead(_ action: Action) throws(ActionRefusal) -> Lead {
        var lead = Lead(kind: action.text("kind") ?? "", text: action.text("text"))
        lead.area = action.text("area")
        lead.site = action.text("site")
        lead.source = action.text("source")
        lead.picture = action.text("picture")
        lead.departments = action.list("departments")
        lead.severity = action.text("severity") ?? "warning"
        (lead.lat, lead.lon) = (action.number("lat"), action.number("lon"))
        if (lead.lat == nil) != (lead.lon == nil) {
            throw ActionRefusal(.invalid, "a place has both lat and lon", field: lead.lat == nil ? "lat" : "lon")
        }
        return lead
    }
}
