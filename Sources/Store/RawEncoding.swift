import Telemetry

/// The packing of ``RawLayout``, both ways. Pure.
enum RawEncoding {
    /// `value` as a whole number of 1/`scale`, nil where that would not give back exactly the same `Double`.
    @inline(__always)
    static func scaled(_ value: Double, _ scale: Double) -> Int64? {
        let whole = (value * scale).rounded()
        return whole / scale == value ? Int64(whole) : nil
    }

    @inline(__always)
    static func small(_ reading: borrowing Reading, defaultPeriodMilliseconds: UInt32) -> Int64 {
        var packed: Int64 = reading.isBackfill ? 16 : 0
        if reading.periodMilliseconds != defaultPeriodMilliseconds {
            packed |= (Int64(reading.periodMilliseconds) + 1) << 15
        }
        guard reading.kind == .noise else { return packed }
        packed |= Int64(reading.bits & 15)
        if let battery = reading.value(NoiseValue.battery), let tenths = scaled(battery, 10) {
            packed |= (tenths + 1) << 5
        }
        return packed
    }

    /// Nil where none of the five was sent. For readings that do not need ``exact(_:)``.
    @inline(__always)
    static func levels(_ reading: borrowing Reading) -> Int64? {
        guard reading.present & 0b111110 != 0 else { return nil }
        var packed: Int64 = 0
        for index in NoiseValue.lmax...NoiseValue.l90 {
            guard let level = reading.value(index), let tenths = scaled(level, 10) else { continue }
            packed |= (tenths + 201) << Int64((index - 1) * 12)
        }
        return packed
    }

    /// Whether tenths cannot hold all of the levels and the battery exactly.
    @inline(__always)
    static func needsExact(_ reading: borrowing Reading) -> Bool {
        guard reading.present & 0b1111110 != 0 else { return false }
        for index in NoiseValue.lmax...NoiseValue.battery {
            if let value = reading.value(index), scaled(value, 10) == nil { return true }
        }
        return false
    }

    /// JSON of the levels and the battery, by name, in the shortest decimals that give the same `Double`s.
    @inline(never)
    static func exact(_ reading: borrowing Reading) -> String {
        var members: [String] = []
        for (index, name) in zip(NoiseValue.lmax...NoiseValue.battery, RawLayout.noiseLevels + ["battery"]) {
            if let value = reading.value(index) { members.append("\"\(name)\":\(value)") }
        }
        return "{\(members.joined(separator: ","))}"
    }
}
