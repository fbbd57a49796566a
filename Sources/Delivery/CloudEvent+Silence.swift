public import Telemetry

extension CloudEvent {
    /// What has become of a silence: `patrol.silence.created`, `patrol.silence.expired`.
    public static func silence(_ silence: Silence, _ what: String, at: Timestamp, source: String) -> String {
        event(type: "patrol.silence.\(what)", subject: silence.id, at: at, source: source, data: data(silence))
    }

    public static func data(_ silence: Silence) -> JSONObject {
        var data = JSONObject()
        data.add("id", silence.id)
        data.add("author", silence.author)
        data.add("role", silence.role)
        data.add("reason", silence.reason)
        data.add("created_at", raw: "\(silence.createdAt.milliseconds)")
        data.add("starts_at", raw: "\(silence.startsAt.milliseconds)")
        data.add("ends_at", raw: "\(silence.endsAt.milliseconds)")
        if let at = silence.endedAt { data.add("ended_at", raw: "\(at.milliseconds)") }
        if let who = silence.endedBy { data.add("ended_by", who) }
        var match = JSONObject()
        for matcher in Silence.Matcher.allCases {
            guard let list = silence.match[matcher] else { continue }
            match.add(matcher.rawValue, raw: "[\(list.map(JSONObject.quoted).joined(separator: ","))]")
        }
        data.add("match", raw: match.text)
        return data
    }
}
