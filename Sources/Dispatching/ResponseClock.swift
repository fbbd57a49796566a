public import Telemetry

/// The district's 1315 clock: respond within 1 minute, set out within 3, dispose within 15, all counted from the
/// task's creation.
public struct ResponseClock: Sendable, Equatable {
    public var respondMilliseconds: Int64 = 60_000
    public var setOutMilliseconds: Int64 = 180_000
    public var disposeMilliseconds: Int64 = 900_000

    public init() {}

    /// The task that a firing alert makes: reported, with its three due times.
    public func task(answering alert: Alert, kind: String, createdAt: Timestamp) -> DispatchTask {
        DispatchTask(
            id: Identifier.task(alert: alert.id), alertID: alert.id, kind: kind, area: alert.area, stage: "reported",
            unit: nil, createdAt: createdAt, respondDue: createdAt + respondMilliseconds,
            setOutDue: createdAt + setOutMilliseconds, disposeDue: createdAt + disposeMilliseconds)
    }
}
