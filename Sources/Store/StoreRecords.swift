public import Telemetry

/// Readings (and undecodable messages, one each) of a kind since the store was made.
/// received = stored + duplicate + rejected + dropped, always.
public struct MessageCount: Sendable, Equatable {
    public var received: Int64 = 0, stored: Int64 = 0, duplicate: Int64 = 0, rejected: Int64 = 0, dropped: Int64 = 0

    public init() {}

    public var isBalanced: Bool { received == stored + duplicate + rejected + dropped }
    public var isZero: Bool { received == 0 && stored == 0 && duplicate == 0 && rejected == 0 && dropped == 0 }
}

/// The engine's own row: one for the store.
public struct EngineState: Sendable, Equatable {
    /// The engine's clock at the last committed batch.
    public var clock: Timestamp
    /// Number of the last stored reading.
    public var input: Int64
    /// Every row of `device_page` is as of this input.
    public var checkpointInput: Int64
    /// Every reading up to this input stands in all rows of the rollups.
    public var minutesInput: Int64
}

public struct RejectRow: Sendable {
    public var received: Timestamp
    public var gateway: String, topic: String, device: String, field: String
    public var reason: RejectReason
    public var payload: [UInt8]
    /// How many readings and refusals came before it since the engine was made; not stored.
    public var position: Int64 = 0

    public init(
        received: Timestamp, gateway: String, topic: String, device: String, field: String, reason: RejectReason,
        payload: [UInt8]
    ) {
        self.received = received
        self.gateway = gateway
        self.topic = topic
        self.device = device
        self.field = field
        self.reason = reason
        self.payload = payload
    }
}
