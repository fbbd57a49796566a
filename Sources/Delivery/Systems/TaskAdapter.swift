import Foundation
public import Telemetry

/// How another task system is spoken to: what it is sent for an event, what its answer means, what its words for stages
/// are. An adapter is one file in `Adapters/`, a line in ``TaskAdapters`` and its name in the settings. Pure.
public protocol TaskAdapter: Sendable {
    /// As in the settings: `adapter: ticket`.
    var name: String { get }
    /// What the other system is sent for an event; nil where it is not told of it.
    func document(for event: StreamEvent) -> TaskDocument?
    /// What it says in the body of its answer (2xx); nil where it says nothing of the task.
    func answer(_ body: [UInt8]) throws(OutletProblem) -> TaskAnswer?
    /// Patrol's stage for one of its words; nil where it does not know the word.
    func stage(_ word: String) -> String?
}

public struct TaskDocument: Sendable, Equatable {
    public var type: String
    public var body: [UInt8]

    public init(type: String = "application/json; charset=utf-8", body: [UInt8]) {
        self.type = type
        self.body = body
    }
}

/// What another system says of a task: the fields of the action `task.external`.
public struct TaskAnswer: Sendable, Equatable {
    public var fields: [String: ActionValue]

    public init(_ fields: [String: ActionValue]) { self.fields = fields }
}

extension StreamEvent {
    /// The members of `data`.
    var data: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(json)) as? [String: Any]).flatMap { $0["data"] as? [String: Any] } ?? [:]
    }
}

public enum TaskAdapters {
    public static let all: [any TaskAdapter] = [CloudEventsAdapter(), TicketAdapter()]

    public static func adapter(named name: String) -> (any TaskAdapter)? { all.first { $0.name == name } }
}
