import Store
import Telemetry

/// What the engine's clock must have been at each stored reading, worked out from the stored readings alone: what a start
/// reads back. Where the clock was something else (a duplicate or a rejected reading moved it, the broker's queue was
/// drained) that is written down with the reading.
struct RuleClock: BitwiseCopyable {
    var clock = Timestamp.distantPast
    var isCatchingUp = false

    /// Moves on to a stored reading.
    @inline(__always)
    mutating func follow(ts: Timestamp, received: Timestamp, _ source: EngineOptions.Clock) {
        switch source {
        case .wall:
            if isCatchingUp {
                clock = max(clock, min(ts, received))
                if received - clock < 5_000 { isCatchingUp = false }
            } else {
                clock = received
            }
        case .recorded: clock = max(clock, received)
        case .readings: clock = max(clock, ts)
        }
    }
}
