import Store
public import Telemetry

/// Examples for the documents, made by the same code as real events from one night at a building site, so they cannot
/// say what Patrol does not send.
public enum Examples {
    public static let epoch = "5f0c11d2"
    /// 2026-06-07T14:00:00Z: 22:00 of an exam night in Hangzhou.
    private static let night = Timestamp(milliseconds: 1_780_840_800_000)

    private static func alert(_ state: String) -> Alert {
        Alert(
            id: Identifier.alert(rule: "noise-over-70", kind: .noise, device: "nm-012", startedAt: night), rule: "noise-over-70",
            device: "nm-012", kind: .noise, deviceNumber: 0, site: "site-42", area: "330110012000", severity: "warning", state: state,
            startedAt: night, firedAt: night + 30_000, resolvedAt: state == "resolved" ? night + 600_000 : nil,
            value: state == "resolved" ? 61.5 : 74.2)
    }

    private static func detail(_ state: String) -> AlertDetail {
        var detail = AlertDetail(
            titleEnglish: "Noise over 70 dB", titleChinese: "噪声超过70分贝",
            textEnglish: "74.2 dB(A), night limit 55, Liangzhu: measure at the boundary.",
            textChinese: "74.2 dB(A)，夜间限值 55，良渚街道：到边界处测量。", unit: "dB(A)", bound: 55, standard: "GB 12523-2025",
            coverage: 0.98, devices: nil, reason: state == "resolved" ? "condition" : nil)
        (detail.metric, detail.readingsFrom, detail.readingsUntil) = ("laeq", night + -600_000, night + 30_000)
        return detail
    }

    private static func event(_ number: Int64, _ payload: String) -> String {
        String(decoding: StreamEvent.render(payload, sequence: number, epoch: epoch), as: UTF8.self)
    }

    /// Firing and resolved.
    public static var alerts: [String] {
        ["firing", "resolved"].enumerated().map { index, state in
            event(
                417 + Int64(index) * 2,
                CloudEvent.alert(alert(state), detail(state), source: "/patrol/patrol-1"))
        }
    }

    public static var task: String {
        let created = night + 30_000
        let alert = alert("firing")
        let id = Identifier.task(alert: alert.id)
        var data: JSONObject = ["id": id]
        data.add("number", raw: "1")
        data.add("priority", raw: "3")
        for (key, value) in [
            ("alert_id", alert.id), ("kind", "noise-check"), ("area", alert.area), ("site", "site-42"),
            ("severity", alert.severity), ("stage", "reported"), ("who", "patrol"), ("role", "patrol"),
        ] { data.add(key, value) }
        for (key, delay) in [("created_at", 0), ("respond_due", 60_000), ("set_out_due", 180_000), ("dispose_due", 900_000)] {
            data.add(key, raw: "\(created.milliseconds + Int64(delay))")
        }
        return event(
            418,
            CloudEvent.event(
                type: "patrol.task.reported", subject: id, at: created, source: "/patrol/patrol-1", area: alert.area,
                severity: alert.severity, data: data))
    }

    public static var silence: String {
        let silence = Silence(
            id: Identifier.silence(number: 1), author: "王敏", role: "operator", reason: "岩石爆破已报备", createdAt: night,
            startsAt: night, endsAt: night + 7_200_000, match: [.rules: ["noise-*"], .sites: ["site-42"]])
        return event(419, CloudEvent.silence(silence, "created", at: night, source: "/patrol/patrol-1"))
    }

    public static let lead =
        #"{"matter":"noise-check","text":"drilling at night","lat":30.2925,"lon":119.9885,"source":"12345-0617-0042","picture":"https://example.org/p/42.jpg"}"#

    public static var test: String { String(decoding: TestEvent.json(outlet: "webhook:duty-room", at: night, id: "test-1"), as: UTF8.self) }

    public static var reject: String {
        RejectNotice.json(
            received: night, topic: "patrol/v1/in/gw-1/noise/nm-012", device: "nm-012", field: "laeq", reason: .missing,
            payload: Array(#"{"ts":1780840800000}"#.utf8), heldBack: 0)
    }

    /// A reading of a kind: `ts`, and a value of each field that is required, or of the first.
    public static func payload(_ kind: Kind) -> JSONTree {
        let fields = kind.description.fields
        let shown = fields.contains(where: \.required) ? fields.filter(\.required) : Array(fields.prefix(1))
        return .object(
            [("ts", .number(Double(night.milliseconds)))]
                + shown.map { field in
                    if case .number(_, let range, _) = field.storage {
                        return (field.name, .number(range.contains(62.5) ? 62.5 : range.lowerBound))
                    }
                    return (field.name, .flag(true))
                })
    }
}
