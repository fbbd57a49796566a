/// Longer and longer pauses with jitter, so that receivers that come back are not met by everybody at once. Pure; the
/// same seed gives the same pauses.
public struct Backoff: Sendable, Equatable {
    private let firstMilliseconds: Int64, longestMilliseconds: Int64
    private var seed: UInt64

    public init(firstMilliseconds: Int64, longestMilliseconds: Int64, seed: UInt64) {
        self.firstMilliseconds = firstMilliseconds
        self.longestMilliseconds = longestMilliseconds
        self.seed = seed | 1
    }

    /// After the `attempt`-th failure, counted from 1: between half and all of first · 2^(attempt − 1), capped.
    public mutating func pause(after attempt: Int) -> Int64 {
        let ceiling = min(longestMilliseconds, firstMilliseconds << min(max(attempt, 1) - 1, 30))
        // xorshift64 (Marsaglia 2003).
        seed ^= seed << 13
        seed ^= seed >> 7
        seed ^= seed << 17
        return ceiling / 2 + Int64(seed % UInt64(ceiling / 2 + 1))
    }
}
