import Foundation
import Telemetry

/// An alert as Alertmanager's API v2 takes it. Labels say what it is (silences, routes and grouping match them),
/// annotations tell people more.
public struct AlertmanagerAlert: Sendable, Equatable {
    public var id: String
    public var labels: [(name: String, value: String)]
    public var annotations: [(name: String, value: String)]
    public var startsAt: Timestamp
    /// Nil while it is open.
    public var endsAt: Timestamp?

    public static func == (left: Self, right: Self) -> Bool { left.json(openUntil: .distantPast) == right.json(openUntil: .distantPast) }

    /// Severities, the lowest first: each is a label, so an alert that rises is another one to Alertmanager.
    private static let severities = ["info", "warning", "critical"]

    /// What an event tells, the alert as it stands now last. Where its severity has risen, those of the lower severities
    /// end at that moment (of one that never was, Alertmanager tells nobody). Empty where the event is about no alert's
    /// state.
    /// - Parameter at: when the event was committed.
    static func told(by json: [UInt8], at: Timestamp) -> [AlertmanagerAlert] {
        guard let alert = AlertmanagerAlert(event: json) else { return [] }
        guard EventAttributes(json).type == "patrol.alert.escalated",
            let label = alert.labels.firstIndex(where: { $0.name == "severity" }),
            let rank = severities.firstIndex(of: alert.labels[label].value)
        else { return [alert] }
        return severities[..<rank].map { severity in
            var lower = alert.ended(at)
            lower.labels[label].value = severity
            return lower
        } + [alert]
    }

    func ended(_ moment: Timestamp) -> AlertmanagerAlert {
        var alert = self
        alert.endsAt = max(moment, startsAt)
        return alert
    }

    /// Nil where the event is no alert that fires, rises or resolves, or the alert is silenced.
    public init?(event json: [UInt8]) {
        guard let object = try? JSONSerialization.jsonObject(with: Data(json)) as? [String: Any],
            let type = object["type"] as? String, ["patrol.alert.firing", "patrol.alert.escalated", "patrol.alert.resolved"].contains(type),
            let data = object["data"] as? [String: Any], data["silenced_by"] == nil, let id = data["id"] as? String,
            let start = (data["fired_at"] ?? data["started_at"]) as? NSNumber
        else { return nil }
        self.id = id
        labels = [("alertname", data["rule"] as? String ?? "patrol")]
        for name in ["device", "kind", "site", "area", "severity"] {
            if let value = data[name] as? String, !value.isEmpty { labels.append((name, value)) }
        }
        annotations = [("patrol_id", id)]
        for (member, annotation) in [("title", "summary"), ("message", "description")] {
            guard let words = data[member] as? [String: Any] else { continue }
            for (name, key) in [(annotation, "en"), (annotation + "_zh", "zh")] {
                if let text = words[key] as? String, !text.isEmpty { annotations.append((name, text)) }
            }
        }
        if let value = data["value"] as? NSNumber {
            annotations.append(("value", "\(value) \(data["unit"] as? String ?? "")".trimmingCharacters(in: .whitespaces)))
        }
        startsAt = Timestamp(milliseconds: start.int64Value)
        if type == "patrol.alert.resolved", let end = data["resolved_at"] as? NSNumber {
            endsAt = Timestamp(milliseconds: max(end.int64Value, start.int64Value))
        }
    }

    /// - Parameter openUntil: when an open alert ends unless it is told again.
    func json(openUntil: Timestamp) -> String {
        func object(_ members: [(name: String, value: String)]) -> String {
            var object = JSONObject()
            for (name, value) in members { object.add(name, value) }
            return object.text
        }
        var alert = JSONObject()
        alert.add("labels", raw: object(labels))
        alert.add("annotations", raw: object(annotations))
        alert.add("startsAt", startsAt.rfc3339())
        alert.add("endsAt", (endsAt ?? openUntil).rfc3339())
        return alert.text
    }
}
