import Delivery
import Store
import Telemetry

/// Transitions as rows of the outbox.
enum CloudEvents {
    /// - Parameter step: what happened where it is not the state that is new: `escalated-critical`.
    static func alert(
        _ alert: Alert, _ detail: AlertDetail, options: EngineOptions, step: String? = nil, unsilencedAt: Timestamp? = nil
    ) -> OutboxRow {
        OutboxRow(
            topic: "\(options.topicRoot)/out/alerts/\(level(alert.area))/\(alert.severity)",
            payload: CloudEvent.alert(alert, detail, source: options.source, step: step, unsilencedAt: unsilencedAt),
            retainedTopic: "\(options.topicRoot)/state/alerts/\(alert.id)", isEnd: alert.state == "resolved")
    }

    static func note(_ note: AlertNote, on alert: Alert, options: EngineOptions) -> OutboxRow {
        OutboxRow(
            topic: "\(options.topicRoot)/out/alerts/\(level(alert.area))/\(alert.severity)",
            payload: CloudEvent.note(
                what: note.what, at: note.at, who: note.who, role: note.role, text: note.text, on: alert,
                source: options.source))
    }

    /// - Parameter what: `created` or `expired`.
    static func silence(_ silence: Silence, _ what: String, at: Timestamp, options: EngineOptions) -> OutboxRow {
        OutboxRow(
            topic: "\(options.topicRoot)/out/silences",
            payload: CloudEvent.silence(silence, what, at: at, source: options.source))
    }

    /// An area as a level of a topic.
    static func level(_ area: String) -> String {
        area.isEmpty ? "unknown" : String(area.map { "/+#".contains($0) ? "_" : $0 })
    }
}
