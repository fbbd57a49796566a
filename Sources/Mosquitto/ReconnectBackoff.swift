/// How long to wait before the next attempt: exponential from half a second to 30 s, with jitter so that many clients
/// do not come back at once. Pure: the caller waits.
public struct ReconnectBackoff: Sendable {
    public static let firstMilliseconds = 500
    public static let longestMilliseconds = 30_000
    private var attempts = 0
    private var state: UInt64

    public init(seed: UInt64) { state = seed | 1 }

    /// Between half and all of min(30 s, 0.5 s · 2ⁿ).
    public mutating func nextMilliseconds() -> Int {
        let ceiling = min(Self.longestMilliseconds, Self.firstMilliseconds << min(attempts, 10))
        attempts += 1
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return ceiling / 2 + Int(state % UInt64(ceiling / 2 + 1))
    }

    public mutating func succeeded() { attempts = 0 }
}
