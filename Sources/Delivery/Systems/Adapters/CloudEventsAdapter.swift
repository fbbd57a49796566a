import Foundation
import Telemetry

/// The event as it stands in the stream; the answer is an object of the fields of `task.external`: `number`, `stage`,
/// `by` … in Patrol's own words.
public struct CloudEventsAdapter: TaskAdapter {
    public let name = "cloudevents"

    public init() {}

    public func document(for event: StreamEvent) -> TaskDocument? {
        TaskDocument(type: "application/cloudevents+json; charset=utf-8", body: event.json)
    }

    public func answer(_ body: [UInt8]) throws(OutletProblem) -> TaskAnswer? {
        if body.allSatisfy({ $0 <= 0x20 }) { return nil }
        guard let fields = try? JSONDecoder().decode([String: ActionValue].self, from: Data(body)) else {
            throw OutletProblem("the answer is no JSON object of texts, numbers and lists of texts: \(HTTPSender.excerpt(body))")
        }
        return fields.isEmpty ? nil : TaskAnswer(fields)
    }

    public func stage(_ word: String) -> String? { nil }
}
