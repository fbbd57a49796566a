public import Telemetry

/// CloudEvents 1.0 in JSON (CloudEvents spec §3; JSON event format §3), built by hand: the same input gives the same
/// bytes.
public enum CloudEvent {
    /// A transition of an alert.
    public static func alert(
        _ alert: Alert, titleEnglish: String, titleChinese: String, unit: String, source: String,
        step: String? = nil
    ) -> String {
        let at = alert.resolvedAt ?? alert.firedAt ?? alert.startedAt
        var data = JSONObject()
        data.add("id", alert.id)
        data.add("rule", alert.rule)
        data.add("title", raw: JSONObject(["en": titleEnglish, "zh": titleChinese]).text)
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
        data.add("unit", unit)
        let type = step.flatMap { $0.split(separator: "-").first.map(String.init) } ?? alert.state
        return event(
            id: "\(alert.id)-\(step ?? alert.state)", type: "patrol.alert.\(type)", subject: alert.id, at: at,
            source: source, data: data)
    }

    /// A transition of a task.
    public static func task(_ task: DispatchTask, source: String) -> String {
        var data = JSONObject()
        data.add("id", task.id)
        if let alert = task.alertID { data.add("alert_id", alert) }
        data.add("kind", task.kind)
        data.add("area", task.area)
        data.add("stage", task.stage)
        if let unit = task.unit { data.add("unit", unit) }
        data.add("created_at", raw: "\(task.createdAt.milliseconds)")
        data.add("respond_due", raw: "\(task.respondDue.milliseconds)")
        data.add("set_out_due", raw: "\(task.setOutDue.milliseconds)")
        data.add("dispose_due", raw: "\(task.disposeDue.milliseconds)")
        return event(
            id: "\(task.id)-\(task.stage)", type: "patrol.task.\(task.stage)", subject: task.id, at: task.createdAt,
            source: source, data: data)
    }

    private static func event(
        id: String, type: String, subject: String, at: Timestamp, source: String, data: JSONObject
    ) -> String {
        var event = JSONObject(["specversion": "1.0", "id": id, "source": source, "type": type, "subject": subject])
        event.add("time", at.rfc3339())
        event.add("datacontenttype", "application/json")
        event.add("data", raw: data.text)
        return event.text
    }
}

/// A JSON object written in the order in which members are added.
public struct JSONObject: ExpressibleByDictionaryLiteral {
    private var members: [String] = []

    public init() {}

    public init(dictionaryLiteral elements: (String, String)...) {
        for (key, value) in elements { add(key, value) }
    }

    init(_ members: KeyValuePairs<String, String>) { for (key, value) in members { add(key, value) } }

    public mutating func add(_ key: String, _ text: String) { members.append("\(Self.quoted(key)):\(Self.quoted(text))") }

    /// - Parameter json: JSON already.
    public mutating func add(_ key: String, raw json: String) { members.append("\(Self.quoted(key)):\(json)") }

    public var text: String { "{\(members.joined(separator: ","))}" }

    /// A JSON string (RFC 8259 §7).
    public static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
