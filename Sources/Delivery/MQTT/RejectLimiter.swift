public import Telemetry

/// Rejects to a gateway, limited so that a broken one cannot make a storm: a token bucket each; what was held back is
/// counted in the next that goes. Pure: time is a parameter.
public struct RejectLimiter: Sendable {
    public static let perSecond = 10.0
    public static let burst = 50.0
    /// Gateways kept at most; the longest silent one makes room.
    public static let gateways = 1024

    private struct Bucket {
        var tokens: Double
        var at: Timestamp
        var heldBack = 0
    }

    private var buckets: [String: Bucket] = [:]

    public init() {}

    /// Nil to hold the reject back; else how many were held back since the last that went.
    public mutating func admit(gateway: String, now: Timestamp) -> Int? {
        if buckets[gateway] == nil, buckets.count >= Self.gateways,
            let oldest = buckets.min(by: { ($0.value.at, $0.key) < ($1.value.at, $1.key) })
        {
            buckets[oldest.key] = nil
        }
        var bucket = buckets[gateway] ?? Bucket(tokens: Self.burst, at: now)
        bucket.tokens = min(Self.burst, bucket.tokens + Double(max(0, now - bucket.at)) / 1000 * Self.perSecond)
        bucket.at = now
        defer { buckets[gateway] = bucket }
        guard bucket.tokens >= 1 else {
            bucket.heldBack += 1
            return nil
        }
        bucket.tokens -= 1
        defer { bucket.heldBack = 0 }
        return bucket.heldBack
    }
}
