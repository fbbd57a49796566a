import Telemetry

/// What a gateway is told of a refused reading or message.
enum RejectNotice {
    /// - Parameter heldBack: rejects that were not told since the last, for their number.
    static func json(
        received: Timestamp, topic: String, device: String, field: String, reason: RejectReason, payload: [UInt8], heldBack: Int
    ) -> String {
        var body = JSONObject()
        body.add("received", raw: "\(received.milliseconds)")
        body.add("topic", topic)
        body.add("device", device)
        body.add("reason", reason.name)
        body.add("field", field)
        body.add("hint", reason.hint)
        body.add("payload", String(decoding: payload, as: UTF8.self))
        if heldBack > 0 { body.add("held_back", raw: "\(heldBack)") }
        return body.text
    }
}
