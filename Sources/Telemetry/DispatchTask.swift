/// A task for an officer: a row of the table `task`. Due times follow the district's 1315 clock.
public struct DispatchTask: Sendable, Equatable {
    public var id: String, alertID: String?, kind: String, area: String, stage: String, unit: String?
    public var createdAt: Timestamp, respondDue: Timestamp, setOutDue: Timestamp, disposeDue: Timestamp

    public init(
        id: String, alertID: String?, kind: String, area: String, stage: String, unit: String?, createdAt: Timestamp,
        respondDue: Timestamp, setOutDue: Timestamp, disposeDue: Timestamp
    ) {
        self.id = id
        self.alertID = alertID
        self.kind = kind
        self.area = area
        self.stage = stage
        self.unit = unit
        self.createdAt = createdAt
        self.respondDue = respondDue
        self.setOutDue = setOutDue
        self.disposeDue = disposeDue
    }
}
