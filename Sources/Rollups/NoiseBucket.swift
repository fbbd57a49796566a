import Glibc
public import Telemetry

/// The part of a reading that falls into a one-minute bucket: 8 bytes.
@frozen
public struct NoiseSample: BitwiseCopyable, Sendable, Equatable {
    /// Offset of its start in the bucket, and its length there; both in ms, ≤ 60,000.
    public var startMilliseconds: UInt16
    public var durationMilliseconds: UInt16
    /// LAeq in thousandths of a decibel.
    public var levelMillidecibels: Int32

    @inlinable
    public init(startMilliseconds: UInt16, durationMilliseconds: UInt16, levelMillidecibels: Int32) {
        self.startMilliseconds = startMilliseconds
        self.durationMilliseconds = durationMilliseconds
        self.levelMillidecibels = levelMillidecibels
    }
}

/// One row of `noise_1m`.
public struct NoiseMinuteRow: Sendable, Equatable {
    public var device: UInt32
    public var bucket: Timestamp
    /// Levels in dB(A). `l90` is the level exceeded 90 % of the time: quiet; `l10` is loud.
    public var leq, lmax, lmin, l5, l10, l50, l90, l95: Double
    /// Covered part of the minute, 0…1: time that two readings cover counts once.
    public var coverage: Double
    /// Readings that touch the minute.
    public var samples: Int
}

enum NoiseMath {
    /// Σ tᵢ·10^(0.1·Lᵢ) needs 10^(0.1·L): from a table where L is a whole tenth, else computed.
    static let energyOfTenth: [Double] = (-200...2000).map { pow(10, Double($0) / 100) }

    @inline(__always)
    static func energy(millidecibels: Int32) -> Double {
        let (tenth, rest) = millidecibels.quotientAndRemainder(dividingBy: 100)
        if rest == 0 && tenth >= -200 && tenth <= 2000 { return energyOfTenth[Int(tenth) + 200] }
        return pow(10, Double(millidecibels) / 10_000)
    }

    /// The 0.1 dB bin of a level, half away from zero.
    @inline(__always)
    static func bin(millidecibels level: Int32) -> Int32 { (level + (level < 0 ? -50 : 50)) / 100 }
}

extension NoiseMinuteRow {
    /// Computes a row from all samples of its minute. The samples are reordered; their order on entry does not matter:
    /// sums are taken in a canonical order, so that the row is the same bytes for any arrival order.
    ///
    /// Leq = 10·lg(Σ tᵢ·10^(0.1·Lᵢ) / Σ tᵢ), each reading weighted by its own duration (HJ 906-2017; domain §1).
    /// O(n log n), no allocation.
    static func compute(
        device: UInt32, bucket: Timestamp, samples: UnsafeMutableBufferPointer<NoiseSample>, lmax: Double, lmin: Double
    ) -> NoiseMinuteRow {
        unsafe sortIfNeeded(samples) {
            ($0.startMilliseconds, $0.durationMilliseconds, $0.levelMillidecibels)
                < ($1.startMilliseconds, $1.durationMilliseconds, $1.levelMillidecibels)
        }
        var energy = 0.0
        var total: Int64 = 0
        var covered: Int64 = 0
        var coveredUpTo: Int64 = 0
        for unsafe sample in unsafe samples {
            let duration = Int64(sample.durationMilliseconds)
            energy += Double(duration) * NoiseMath.energy(millidecibels: sample.levelMillidecibels)
            total += duration
            let start = max(Int64(sample.startMilliseconds), coveredUpTo)
            let end = Int64(sample.startMilliseconds) + duration
            if end > start {
                covered += end - start
                coveredUpTo = end
            }
        }
        unsafe sortIfNeeded(samples) { $0.levelMillidecibels > $1.levelMillidecibels }
        var row = NoiseMinuteRow(
            device: device, bucket: bucket, leq: 10 * log10(energy / Double(max(1, total))), lmax: lmax, lmin: lmin,
            l5: 0, l10: 0, l50: 0, l90: 0, l95: 0, coverage: Double(covered) / 60_000, samples: samples.count)
        var accumulated: Int64 = 0
        for unsafe sample in unsafe samples {
            let before = accumulated
            accumulated += Int64(sample.durationMilliseconds)
            let level = Double(NoiseMath.bin(millidecibels: sample.levelMillidecibels)) / 10
            // Nearest rank, weighted: L_N is the level at which the time from the loudest down first reaches N %.
            func reaches(_ percent: Int64) -> Bool { before * 100 < percent * total && accumulated * 100 >= percent * total }
            if reaches(5) { row.l5 = level }
            if reaches(10) { row.l10 = level }
            if reaches(50) { row.l50 = level }
            if reaches(90) { row.l90 = level }
            if reaches(95) { row.l95 = level }
        }
        return row
    }

    /// Insertion sort for what is nearly sorted already, the library's for the rest.
    @inline(__always)
    private static func sortIfNeeded(
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
