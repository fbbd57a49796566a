import Foundation
import Telemetry

/// A ticket with a status, as service desks have it: each event of a task is the ticket as it is now, `{"ticket": "…",
/// "status": "…"}` the answer. Of alerts it is not told.
public struct TicketAdapter: TaskAdapter {
    public let name = "ticket"

    /// Status → stage, in the order of a task's life.
    private static let words: [(status: String, stage: String)] = [
        ("new", "reported"), ("open", "accepted"), ("assigned", "assigned"), ("in_progress", "set_out"), ("on_site", "on_scene"),
        ("resolved", "disposed"), ("documented", "feedback"), ("checked", "verified"), ("closed", "closed"),
        ("rejected", "returned"), ("forwarded", "transferred"), ("on_hold", "suspended"), ("cancelled", "cancelled"),
        ("reopened", "reopened"),
    ]

    public init() {}

    public func document(for event: StreamEvent) -> TaskDocument? {
        guard event.attributes.type.hasPrefix("patrol.task.") else { return nil }
        let data = event.data
        var ticket = JSONObject()
        ticket.add("reference", data["id"] as? String ?? "")
        // Who has seen this event has seen the ticket's change.
        ticket.add("change", event.id)
        if let external = data["external"] as? [String: Any], let number = external["number"] as? String { ticket.add("ticket", number) }
        ticket.add("category", data["kind"] as? String ?? "")
        let stage = data["stage"] as? String ?? ""
        ticket.add("status", Self.words.first { $0.stage == stage }?.status ?? (stage == "acknowledged" ? "assigned" : stage))
        ticket.add("priority", raw: "\(["critical": 1, "warning": 2][data["severity"] as? String ?? ""] ?? 3)")
        for name in ["area", "site", "text", "unit"] { if let text = data[name] as? String { ticket.add(name, text) } }
        if let lat = data["lat"] as? NSNumber, let lon = data["lon"] as? NSNumber { ticket.add("point", raw: "[\(lon),\(lat)]") }
        if let due = data["dispose_due"] as? NSNumber { ticket.add("due", Timestamp(milliseconds: due.int64Value).rfc3339()) }
        if let why = data["why"] as? String { ticket.add("note", why) }
        return TaskDocument(body: Array(ticket.text.utf8))
    }

    public func answer(_ body: [UInt8]) throws(OutletProblem) -> TaskAnswer? {
        if body.allSatisfy({ $0 <= 0x20 }) { return nil }
        guard let object = try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any] else {
            throw OutletProblem("the answer is no JSON object: \(HTTPSender.excerpt(body))")
        }
        var fields: [String: ActionValue] = [:]
        for (theirs, ours) in [("ticket", "number"), ("status", "stage"), ("agent", "by"), ("note", "text")] {
            if let text = object[theirs] as? String { fields[ours] = .text(text) }
        }
        return fields["number"] == nil && fields["stage"] == nil ? nil : TaskAnswer(fields)
    }

    public func stage(_ word: String) -> String? { Self.words.first { $0.status == word }?.stage }
}
