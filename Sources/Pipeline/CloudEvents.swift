import Rules
import Store
import Telemetry

enum CloudEvents {
    static func alert(_ alert: Alert, rule: RuleDefinition, options: EngineOptions) -> OutboxRow {
        OutboxRow(topic: "\(options.topicRoot)/out/alerts/\(alert.area)/\(alert.severity)", payload: "{}",
                  retainedTopic: "\(options.topicRoot)/state/alerts/\(alert.id)", isEnd: alert.state == "resolved")
    }
    static func task(_ task: DispatchTask, options: EngineOptions) -> OutboxRow {
        OutboxRow(topic: "\(options.topicRoot)/out/tasks/\(task.area)", payload: "{}")
    }
}
