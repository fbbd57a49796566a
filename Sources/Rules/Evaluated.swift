public import Telemetry

/// What a rule remembers of a device between readings: when the newest reading it judged began and ended.
@frozen
public struct Evaluated: BitwiseCopyable, Sendable {
    public var ts: Timestamp
    public var end: Timestamp

    public init(ts: Timestamp = .distantPast, end: Timestamp = .distantPast) {
        self.ts = ts
        self.end = end
    }

    /// Takes a judged reading in; an older one changes nothing.
    @inlinable
    public mutating func advance(_ reading: borrowing Reading) {
        if reading.ts >= ts {
            ts = reading.ts
            end = reading.end
        }
    }
}
