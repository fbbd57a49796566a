/// Whether messages come so fast that it pays to wait for more of them: a wake-up and a commit for each few would cost
/// more than the messages. A burst after a pause is no flood.
struct FloodMeter {
    /// Messages a millisecond from which on it is a flood.
    static let threshold = 32
    private static let windowNanoseconds: Int64 = 1_000_000

    private(set) var isOn = false
    private var messages = 0
    private var windowStartedAt: Int64 = 0

    /// - Parameter now: monotonic clock, ns.
    mutating func add(messages count: Int, at now: Int64) {
        messages += count
        let elapsed = now - windowStartedAt
        guard elapsed >= FloodMeter.windowNanoseconds else { return }
        isOn = Int64(messages) * FloodMeter.windowNanoseconds >= Int64(FloodMeter.threshold) * elapsed
        messages = 0
        windowStartedAt = now
    }
}
