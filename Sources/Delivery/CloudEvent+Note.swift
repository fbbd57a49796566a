public import Telemetry

extension CloudEvent {
    /// What somebody has said of an alert: `patrol.alert.acknowledged`, `patrol.alert.comment`.
    public static func note(
        what: String, at: Timestamp, who: String, role: String, text: String?, on alert: Alert, source: String
    ) -> String {
        var data = JSONObject()
        data.add("id", alert.id)
        data.add("rule", alert.rule)
        data.add("device", alert.device)
        if let site = alert.site { data.add("site", site) }
        data.add("area", alert.area)
        data.add("severity", alert.severity)
        data.add("state", alert.state)
        data.add("who", who)
        data.add("role", role)
        if let text { data.add("text", text) }
        return event(
            type: "patrol.alert.\(what)", subject: alert.id, at: at, source: source, area: alert.area,
            severity: alert.severity, rule: alert.rule, data: data)
    }
}
