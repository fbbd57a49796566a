import Glibc

/// Levels and energies. An energy is a whole number of units of 2⁻³⁰ p₀²·ms: sums of whole numbers are the same in any
/// order and any split, to the last bit. The quietest level that a reading can have (−20 dB) is 10⁷ units, so that rounding
/// is below 10⁻⁷ dB; a day at 200 dB needs 123 of the 128 bits.
enum NoiseMath {
    /// Of whole tenths of a decibel from −20 dB to 200 dB.
    private static let unitsOfTenth: [UInt128] = (-200...2000).map { units(pow(10, Double($0) / 100)) }
    private static let unitsPerEnergy = 0x1p30

    /// Energy of one millisecond at a level, in units.
    @inline(__always)
    static func units(millidecibels: Int32) -> UInt128 {
        let (tenth, rest) = millidecibels.quotientAndRemainder(dividingBy: 100)
        if rest == 0 && tenth >= -200 && tenth <= 2000 { return unitsOfTenth[Int(tenth) + 200] }
        return units(pow(10, Double(millidecibels) / 10_000))
    }

    private static func units(_ energy: Double) -> UInt128 {
        let scaled = (energy * unitsPerEnergy).rounded()
        if scaled < 0x1p63 { return UInt128(UInt64(scaled)) }
        return UInt128(scaled.significandBitPattern | 1 << 52) << UInt128(Int(scaled.exponent) - 52)
    }

    /// 10·lg(Σ tᵢ·10^(0.1·Lᵢ) / Σ tᵢ) in dB(A) (HJ 906-2017; domain §1).
    static func leq(units: UInt128, milliseconds: Int64) -> Double {
        let high = Double(UInt64(truncatingIfNeeded: units >> 64))
        let low = Double(UInt64(truncatingIfNeeded: units))
        return 10 * log10((high * 0x1p64 + low) / unitsPerEnergy / Double(milliseconds))
    }

    static func energy(_ level: Double) -> Double { pow(10, level / 10) }
    static func level(_ energy: Double) -> Double { 10 * log10(energy) }

    /// A level in thousandths of a decibel.
    @inline(__always)
    static func millidecibels(_ level: Double) -> Int32 { Int32((level * 1000).rounded()) }

    /// The 0.1 dB bin of a level, half away from zero.
    @inline(__always)
    static func bin(millidecibels level: Int32) -> Int32 { (level + (level < 0 ? -50 : 50)) / 100 }
}
