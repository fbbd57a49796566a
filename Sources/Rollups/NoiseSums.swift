import Telemetry

/// What is known of a stretch of time without its histogram: energy, duration and what is covered. All of it sums of
/// whole numbers, so that any order and any split give the same.
///
/// Covered time counts once, however many readings cover it. Readings of at most a minute are counted minute by minute,
/// where all readings of the minute are at hand; longer ones as spans of time (two of them with room between begin more
/// than a minute apart); what both cover is taken off.
struct NoiseSums: BitwiseCopyable, Sendable, Equatable {
    /// See ``NoiseMath``.
    var energy: UInt128 = 0
    /// Σ tᵢ in ms; a moment that two readings cover counts in both, as its energy does.
    var total: Int64 = 0
    /// What readings of at most a minute cover, what longer ones cover, and what both do, in ms.
    var coveredByShort: Int64 = 0
    var coveredByLong: Int64 = 0
    var coveredByBoth: Int64 = 0

    var covered: Int64 { coveredByShort + coveredByLong - coveredByBoth }
    var isEmpty: Bool { total == 0 }
    /// In dB(A), nil where there is nothing.
    var leq: Double? { isEmpty ? nil : NoiseMath.leq(units: energy, milliseconds: total) }

    @inline(__always)
    mutating func add(_ delta: NoiseDelta) {
        energy &+= delta.energy
        total += delta.total
        coveredByShort += delta.coveredGain
    }
}

/// What a minute has gained since it was last merged into the coarser buckets.
struct NoiseDelta: BitwiseCopyable, Sendable {
    var energy: UInt128 = 0
    var total: Int64 = 0
    /// Readings that begin in the minute, and readings that reach into it from the one before.
    var beginning: Int64 = 0
    var continuing: Int64 = 0
    /// In thousandths of a dB(A); may be those of the whole minute.
    var lmax: Int32 = .min
    var lmin: Int32 = .max
    var coveredGain: Int64 = 0
    /// The newest clock at which a late reading came, `distantPast` where none did.
    var late = Timestamp.distantPast
}
