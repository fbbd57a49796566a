public import Store
public import Telemetry

/// CloudEvents 1.0 in JSON (CloudEvents spec §3; JSON event format §3), built by hand: the same input gives the same
/// bytes. What belongs to an event's place in the stream (`specversion`, `id`, `sequence`, `epoch`) is added when it is
/// read: see ``StreamEvent``.
public enum CloudEvent {
    /// A transition of an alert.
    /// - Parameter unsilencedAt: its silence is over, and it speaks as if it fired now.
    public static func alert(
        _ alert: Alert, _ detail: AlertDetail, source: String, step: String? = nil,
        unsilencedAt: Timestamp? = nil
    ) -> String {
        let at = unsilencedAt ?? alert.resolvedAt ?? alert.firedAt ?? alert.startedAt
        var data = JSONObject()
        data.add("id", alert.id)
        data.add("rule", alert.rule)
        data.add("title", raw: JSONObject(["en": detail.titleEnglish, "zh": detail.titleChinese]).text)
        if !detail.textEnglish.isEmpty {
            data.add("message", raw: JSONObject(["en": detail.textEnglish, "zh": detail.textChinese]).text)
        }
        data.add("kind", alert.kind.name)
        data.add("device", alert.device)
        if let site = alert.site { data.add("site", site) }
        data.add("area", alert.area)
        data.add("severity", alert.severity)
        data.add("state", alert.state)
        data.add("started_at", raw: "\(alert.startedAt.milliseconds)")
        if let time = alert.firedAt { data.add("fired_at", raw: "\(time.milliseconds)") }
        if let time = alert.resolvedAt { data.add("resolved_at", raw: "\(time.milliseconds)") }
        data.add("value", raw: "\(alert.value)")
        data.add("unit", detail.unit)
        if let limit = detail.bound { data.add("limit", raw: "\(limit)") }
        if let standard = detail.standard { data.add("standard", standard) }
        if let coverage = detail.coverage { data.add("coverage", raw: "\(coverage)") }
        if let devices = detail.devices {
            data.add("devices", raw: "[\(devices.split(separator: ",").map { JSONObject.quoted(String($0)) }.joined(separator: ","))]")
        }
        if let from = detail.readingsFrom, let until = detail.readingsUntil {
            var readings = JSONObject()
            if let metric = detail.metric { readings.add("metric", metric) }
            readings.add("from", raw: "\(from.milliseconds)")
            readings.add("until", raw: "\(until.milliseconds)")
            data.add("readings", raw: readings.text)
        }
        if let reason = detail.reason { data.add("reason", reason) }
        if let silence = detail.silencedBy { data.add("silenced_by", silence) }
        if let unsilencedAt { data.add("unsilenced_at", raw: "\(unsilencedAt.milliseconds)") }
        let type = step.flatMap { $0.split(separator: "-").first.map(String.init) } ?? alert.state
        return event(
            type: "patrol.alert.\(type)", subject: alert.id, at: at, source: source, area: alert.area,
            severity: alert.severity, rule: alert.rule, data: data)
    }

    /// Any event of the stream.
    /// - Parameters:
    ///   - type: `patrol.WHAT.HAPPENED`; WHAT names the schema of the data (`Schemas`).
    ///   - area, severity, rule: by which consumers choose, where the event has them.
    public static func event(
        type: String, subject: String, at: Timestamp, source: String, area: String? = nil, severity: String? = nil,
        rule: String? = nil, data: JSONObject
    ) -> String {
        var event = JSONObject(["source": source, "type": type, "subject": subject])
        event.add("time", at.rfc3339())
        event.add("datacontenttype", "application/json")
        event.add("dataschema", schema(ofType: type))
        if let area { event.add("area", area) }
        if let severity { event.add("severity", severity) }
        if let rule { event.add("rule", rule) }
        event.add("data", raw: data.text)
        return event.text
    }

    /// `urn:patrol:schema:alert:1` for `patrol.alert.firing`; served under `/api/v1/schemas/`.
    static func schema(ofType type: String) -> String {
        let words = type.split(separator: ".")
        return "urn:patrol:schema:\(words.count > 1 ? words[1] : "event"):1"
    }
}
