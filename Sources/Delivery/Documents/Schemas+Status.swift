import Telemetry

extension Schemas {
    /// What a gateway is told of itself (``GatewayStatus``).
    static let status: JSONTree = [
        "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:patrol:schema:status:1",
        "description": "What a gateway is told of itself; retained. Counts are since 'since', times are UTC milliseconds.",
        "type": "object", "required": ["gateway", "at", "since", "stored", "duplicate", "rejected", "missing"],
        "properties": [
            "gateway": ["type": "string"], "at": ["type": "integer"], "since": ["type": "integer"],
            "stored": ["type": "integer"], "duplicate": ["type": "integer"],
            "rejected": ["type": "object", "description": "By reason.", "additionalProperties": ["type": "integer"]],
            "last": [
                "type": "object", "description": "The reading that arrived last.", "required": ["kind", "device", "ts", "received"],
                "properties": [
                    "kind": ["type": "string"], "device": ["type": "string"], "ts": ["type": "integer"], "received": ["type": "integer"],
                ],
            ],
            "missing": ["type": "integer", "description": "Sequence numbers that were skipped and have not come."],
            "last_gap": [
                "type": "object", "required": ["device", "after", "before"],
                "properties": ["device": ["type": "string"], "after": ["type": "integer"], "before": ["type": "integer"]],
            ],
            "clock_offset_ms": ["type": "integer", "description": "Arrival less the end of the measured period, at the least; negative where the gateway's clock is ahead."],
        ],
    ]
}

extension Examples {
    public static var status: String {
        let at = Timestamp(milliseconds: 1_780_840_800_000)
        var status = GatewayStatus(gateway: "gw-1", since: at + -3_600_000, at: at)
        status.stored = 3600
        status.last = GatewayStatus.Last(kind: .noise, device: "nm-012", ts: at + -1000, received: at)
        status.clockOffsetMilliseconds = 12
        return status.payload
    }
}
