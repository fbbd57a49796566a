extension KindDescription {
    /// A noise meter. Levels are A-weighted, in dB; `laeq` is the equivalent continuous level over the period.
    static let noise = KindDescription(
        name: "noise",
        fields: [
            .number("laeq", NoiseValue.laeq, NoiseValue.levelRange, unit: "dB(A)", required: true),
            .number("lmax", NoiseValue.lmax, NoiseValue.levelRange, unit: "dB(A)"),
            .number("lmin", NoiseValue.lmin, NoiseValue.levelRange, unit: "dB(A)"),
            .number("l10", NoiseValue.l10, NoiseValue.levelRange, unit: "dB(A)"),
            .number("l50", NoiseValue.l50, NoiseValue.levelRange, unit: "dB(A)"),
            .number("l90", NoiseValue.l90, NoiseValue.levelRange, unit: "dB(A)"),
            Field("period_s", .period, unit: "s"),
            .number("battery", NoiseValue.battery, 0...100, unit: "%"),
            Field("flags", .flags(firstBit: 0, names: ["rain", "wind", "calibration", "fault"])),
        ],
        defaultPeriodMilliseconds: 1000,
        needsAnyField: false)
}

/// Where a noise reading keeps its values in `Reading.values`.
public enum NoiseValue {
    public static let laeq = 0, lmax = 1, lmin = 2, l10 = 3, l50 = 4, l90 = 5, battery = 6
    /// Bits of `Reading.bits` that are flags: a reading with one of them is kept, but is no evidence.
    public static let flagBits: UInt16 = 0b1111
    /// Beyond these a level cannot be a sound in air at a meter: below is under any microphone's own noise, above is
    /// over the 194 dB at which a wave in air has no trough left.
    public static let levelRange: ClosedRange<Double> = -20...200
}
