public import Telemetry

/// The part of a reading that falls into a one-minute bucket: 8 bytes.
struct NoiseSample: BitwiseCopyable, Sendable, Equatable {
    /// Offset of its start in the bucket, and its length there; both in ms, ≤ 60,000.
    var startMilliseconds: UInt16
    var durationMilliseconds: UInt16
    /// LAeq in thousandths of a decibel, twice, and 1 where the reading began in the minute before.
    private var packed: Int32

    var levelMillidecibels: Int32 { packed >> 1 }
    var isContinuing: Bool { packed & 1 == 1 }

    init(startMilliseconds: UInt16, durationMilliseconds: UInt16, levelMillidecibels: Int32, isContinuing: Bool) {
        self.startMilliseconds = startMilliseconds
        self.durationMilliseconds = durationMilliseconds
        packed = levelMillidecibels << 1 | (isContinuing ? 1 : 0)
    }
}

/// What a row of any noise table holds: levels in dB(A), `l90` quiet and `l10` loud.
public struct NoiseRow: BitwiseCopyable, Sendable, Equatable {
    public var device: UInt32
    /// Made of readings that carry a flag (rain, wind, calibration, fault): kept, but no evidence.
    public var isFlagged: Bool
    public var bucket: Timestamp
    public var leq = Double.nan
    /// In thousandths of a dB(A).
    public var lmaxMillidecibels: Int32 = 0
    public var lminMillidecibels: Int32 = 0
    public var percentiles = NoisePercentiles()
    /// Time that two readings cover counts once.
    public var coveredMilliseconds: Int64 = 0
    /// Readings that touch the bucket; 0 for a day of which only the night has any, which then has no levels.
    public var samples: Int64 = 0
    /// The clock when the newest late reading changed it, nil where none did.
    public var revised: Timestamp?

    init(series: UInt32, bucket: Timestamp) {
        device = series >> 1
        isFlagged = series & 1 == 1
        self.bucket = bucket
    }
}

/// A row of `noise_10m`, `noise_20m`, `noise_1h` or `noise_1d`, with what is needed to add to it later.
public struct NoiseBucketRow {
    public var span: NoiseSpan
    public var row: NoiseRow
    /// Length of the bucket.
    public var milliseconds: Int64
    /// Of days only.
    public var day: NoiseDayLevels?
    /// The last stored reading that it can hold.
    public var input: Int64
}

/// Levels of a day's periods in dB(A), nil where there was no reading, and what part of each is covered.
///
/// Ldn = 10·lg{[16·10^(0.1·Ld) + 8·10^(0.1·(Ln+10))]/24} and
/// Lden = 10·lg{[12·10^(0.1·Lday) + 4·10^(0.1·(Leve+5)) + 8·10^(0.1·(Lnight+10))]/24} (domain §1), with the hours that the
/// clock shows between the boundaries; each only where all its parts are there.
public struct NoiseDayLevels: BitwiseCopyable, Sendable, Equatable {
    public var ld: Double?, ln: Double?, ldn: Double?, lden: Double?
    public var ldCoverage = 0.0, lnCoverage = 0.0, ldenCoverage = 0.0

    init(_ parts: (Int) -> NoiseSums, day: NoiseDay, boundaries: NoiseBoundaries) {
        func hours(_ from: Int64, _ to: Int64) -> Double { Double(to - from) / 3_600_000 }
        func coverage(_ periods: ClosedRange<Int>) -> Double {
            let covered = periods.reduce(Int64(0)) { $0 + parts($1).covered }
            let length = day.ends[periods.upperBound] - day.starts[periods.lowerBound]
            return length > 0 ? Double(covered) / Double(length) : 0
        }
        let whole: Int64 = 86_400_000
        ld = parts(NoisePeriod.day).leq
        ln = parts(NoisePeriod.night).leq
        ldCoverage = coverage(NoisePeriod.day...NoisePeriod.day)
        lnCoverage = coverage(NoisePeriod.night...NoisePeriod.night)
        ldenCoverage = coverage(NoisePeriod.ldenDay...NoisePeriod.ldenNight)
        if let ld, let ln {
            let dayHours = hours(boundaries.day, boundaries.night)
            ldn = NoiseMath.level(
                (dayHours * NoiseMath.energy(ld) + (24 - dayHours) * NoiseMath.energy(ln + 10)) / 24)
        }
        if let lday = parts(NoisePeriod.ldenDay).leq, let levening = parts(NoisePeriod.ldenEvening).leq,
            let lnight = parts(NoisePeriod.ldenNight).leq
        {
            lden = NoiseMath.level(
                (hours(boundaries.ldenDay, boundaries.ldenEvening) * NoiseMath.energy(lday)
                    + hours(boundaries.ldenEvening, boundaries.ldenNight) * NoiseMath.energy(levening + 5)
                    + hours(boundaries.ldenNight, whole + boundaries.ldenDay) * NoiseMath.energy(lnight + 10)) / 24)
        }
    }
}

extension NoiseRow {
    /// Fills in levels, covered time and number from all samples of a minute. The samples are put in order of time; their
    /// order on entry does not matter. O(n) where they nearly are in that order.
    /// - Parameter levels: for this alone; what it holds is replaced.
    mutating func compute(_ samples: UnsafeMutableBufferPointer<NoiseSample>, levels: inout NoiseHistogram, pool: NoisePool) {
        unsafe sortIfNeeded(samples) {
            ($0.startMilliseconds, $0.durationMilliseconds) < ($1.startMilliseconds, $1.durationMilliseconds)
        }
        levels.clear(pool: pool)
        var energy: UInt128 = 0
        var total: Int64 = 0
        var coveredUpTo: Int64 = 0
        for unsafe sample in unsafe samples {
            let duration = Int64(sample.durationMilliseconds)
            energy &+= NoiseMath.units(millidecibels: sample.levelMillidecibels) &* UInt128(duration)
            total += duration
            levels.add(bin: NoiseMath.bin(millidecibels: sample.levelMillidecibels), milliseconds: UInt64(duration), pool: pool)
            let start = max(Int64(sample.startMilliseconds), coveredUpTo)
            let end = Int64(sample.startMilliseconds) + duration
            if end > start {
                coveredMilliseconds += end - start
                coveredUpTo = end
            }
        }
        self.samples = Int64(samples.count)
        leq = NoiseMath.leq(units: energy, milliseconds: max(1, total))
        percentiles = levels.percentiles()
    }

    /// Insertion sort for what is nearly sorted already, the library's for the rest.
    @inline(__always)
    private func sortIfNeeded(
        _ samples: UnsafeMutableBufferPointer<NoiseSample>, _ isBefore: (NoiseSample, NoiseSample) -> Bool
    ) {
        var moves = 0
        for index in 1..<max(1, samples.count) {
            let sample = unsafe samples[index]
            var hole = index
            while hole > 0, unsafe isBefore(sample, samples[hole - 1]) {
                unsafe samples[hole] = unsafe samples[hole - 1]
                hole -= 1
                moves += 1
            }
            unsafe samples[hole] = sample
            if moves > 32 * 1024 {
                var rest = unsafe samples
                unsafe rest.sort(by: isBefore)
                return
            }
        }
    }
}
