/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine.
struct SeededRandom: Sendable {
    private var state: UInt64

    /// Streams of different numbers have nothing to do with each other.
    init(seed: UInt64, stream: UInt64) {
        state = seed &+ stream &* 0xD134_2543_DE82_EF95
        _ = next()
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }

    /// 0 up to, not including, 1.
    mutating func unit() -> Double { Double(next() >> 11) / Double(1 << 53) }

    mutating func number(_ range: ClosedRange<Double>) -> Double {
        range.lowerBound + unit() * (range.upperBound - range.lowerBound)
    }

    mutating func milliseconds(_ range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    /// Roughly normal, mean 0, deviation 1: four uniform draws.
    mutating func bell() -> Double { (unit() + unit() + unit() + unit() - 2) * 1.732 }

    mutating func happens(_ chance: Double) -> Bool { unit() < chance }
}

extension Double {
    /// Rounded to a number of decimals, so that it is written short.
    func rounded(decimals: Int) -> Double {
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        return (self * scale).rounded() / scale
    }
}
