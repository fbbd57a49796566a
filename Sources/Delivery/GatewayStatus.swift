public import Telemetry

/// What a gateway is told of itself on `{root}/status/{gateway}`, retained: enough for its integrator to see at a glance
/// whether readings arrive, whether some are missing, what was refused, and whether its clock is right.
///
/// All counts are since `since`, the start of this Patrol. Times are milliseconds since 1970.
public struct GatewayStatus: Sendable, Equatable {
    public var gateway: String
    public var since: Timestamp
    public var at: Timestamp
    public var stored: Int64 = 0, duplicate: Int64 = 0
    /// Rejects by reason, in the order of ``RejectReason``.
    public var rejected: [Int64] = Array(repeating: 0, count: RejectReason.allCases.count)
    /// The reading that arrived last; nil before the first.
    public var last: Last?
    /// Sequence numbers that were skipped and have not come since, over all devices; and where that was last seen.
    public var missing: Int64 = 0
    public var lastGap: Gap?
    /// How much later than the end of its measured period a reading arrived at the least, over the last minute; negative
    /// where the gateway's clock is ahead of the server's.
    public var clockOffsetMilliseconds: Int64?

    public struct Last: Sendable, Equatable {
        public var kind: Kind, device: String
        public var ts: Timestamp, received: Timestamp

        public init(kind: Kind, device: String, ts: Timestamp, received: Timestamp) {
            (self.kind, self.device, self.ts, self.received) = (kind, device, ts, received)
        }
    }

    /// `after` and `before` are the sequence numbers on both sides of the gap.
    public struct Gap: Sendable, Equatable {
        public var device: String
        public var after: Int64, before: Int64

        public init(device: String, after: Int64, before: Int64) {
            (self.device, self.after, self.before) = (device, after, before)
        }
    }

    public init(gateway: String, since: Timestamp, at: Timestamp) {
        (self.gateway, self.since, self.at) = (gateway, since, at)
    }

    /// The JSON that is published.
    public var payload: String {
        var body = JSONObject()
        body.add("gateway", gateway)
        body.add("at", raw: "\(at.milliseconds)")
        body.add("since", raw: "\(since.milliseconds)")
        body.add("stored", raw: "\(stored)")
        body.add("duplicate", raw: "\(duplicate)")
        var reasons = JSONObject()
        for (reason, count) in zip(RejectReason.allCases, rejected) where count > 0 { reasons.add(reason.name, raw: "\(count)") }
        body.add("rejected", raw: reasons.text)
        if let last {
            var part = JSONObject()
            part.add("kind", last.kind.name)
            part.add("device", last.device)
            part.add("ts", raw: "\(last.ts.milliseconds)")
            part.add("received", raw: "\(last.received.milliseconds)")
            body.add("last", raw: part.text)
        }
        body.add("missing", raw: "\(missing)")
        if let lastGap {
            var part = JSONObject()
            part.add("device", lastGap.device)
            part.add("after", raw: "\(lastGap.after)")
            part.add("before", raw: "\(lastGap.before)")
            body.add("last_gap", raw: part.text)
        }
        if let clockOffsetMilliseconds { body.add("clock_offset_ms", raw: "\(clockOffsetMilliseconds)") }
        return body.text
    }
}
