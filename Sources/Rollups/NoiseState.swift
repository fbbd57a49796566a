import Telemetry

/// How a bucket's sums and histogram are written beside its row: version 1, then LEB128 numbers. Sums: energy, total,
/// covered by short readings, by both, and the spans of long readings as (start − last end, length) pairs from the bucket's
/// start on. Then the number of parts, each the same, and the histogram: number of bins, the time unit in ms that all
/// times are whole multiples of, and (bin − last bin, time / unit) pairs; bins counted from −20.1 dB.
struct NoiseStateWriter {
    static let version: UInt8 = 1
    private(set) var bytes: [UInt8] = []

    /// What was written, for as long as `body` takes.
    func withBytes(_ body: (Span<UInt8>) throws -> Void) rethrows { try body(bytes.span) }

    mutating func begin() {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(NoiseStateWriter.version)
    }

    mutating func number(_ value: UInt64) {
        var left = value
        while left >= 128 {
            bytes.append(UInt8(truncatingIfNeeded: left) | 128)
            left >>= 7
        }
        bytes.append(UInt8(left))
    }

    mutating func number(_ value: Int64) { number(UInt64(value)) }

    /// Followed by ``spans(_:from:)``, or by a 0 where there are none.
    mutating func sums(_ sums: NoiseSums) {
        var left = sums.energy
        while left >= 128 {
            bytes.append(UInt8(truncatingIfNeeded: left) | 128)
            left >>= 7
        }
        bytes.append(UInt8(left))
        number(sums.total)
        number(sums.coveredByShort)
        number(sums.coveredByBoth)
    }

    /// The spans of long readings.
    mutating func spans(_ long: TimeSpans, from bucket: Timestamp) {
        number(Int64(long.spans.count))
        var last = bucket
        for span in long.spans {
            number(span.start - last)
            number(span.end - span.start)
            last = span.end
        }
    }

    mutating func histogram(_ histogram: NoiseHistogram) {
        var unit: UInt64 = 0
        var bins: UInt64 = 0
        histogram.forEach {
            unit = NoiseStateWriter.commonDivisor($1, unit)
            bins += 1
        }
        number(bins)
        number(max(1, unit))
        var last: Int32 = -201
        histogram.forEach { bin, milliseconds in
            number(Int64(bin - last))
            number(milliseconds / max(1, unit))
            last = bin
        }
    }

    private static func commonDivisor(_ a: UInt64, _ b: UInt64) -> UInt64 {
        var (a, b) = (a, b)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }
}

/// Reads what ``NoiseStateWriter`` wrote; `isDamaged` where it is something else.
struct NoiseStateReader {
    private let bytes: [UInt8]
    private var next = 1
    private(set) var isDamaged: Bool

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        isDamaged = bytes.first != NoiseStateWriter.version
    }

    var isAtEnd: Bool { next == bytes.count }

    mutating func wide() -> UInt128 {
        var value: UInt128 = 0
        var shift: UInt128 = 0
        while next < bytes.count, shift < 128 {
            let byte = bytes[next]
            next += 1
            value |= UInt128(byte & 127) << shift
            if byte < 128 { return value }
            shift += 7
        }
        isDamaged = true
        return 0
    }

    /// At most 2⁴⁸: more than any time or number of readings.
    mutating func number() -> Int64 {
        let value = wide()
        if value > 1 << 48 { isDamaged = true }
        return isDamaged ? 0 : Int64(value)
    }

    /// How many of something follow, each of which takes two bytes at least.
    private mutating func count() -> Int64 {
        let value = number()
        if value > (bytes.count - next) / 2 { isDamaged = true }
        return isDamaged ? 0 : value
    }

    mutating func sums(from bucket: Timestamp) -> (NoiseSums, TimeSpans) {
        var sums = NoiseSums()
        sums.energy = wide()
        sums.total = number()
        sums.coveredByShort = number()
        sums.coveredByBoth = number()
        var long = TimeSpans()
        var last = bucket
        for _ in 0..<count() where !isDamaged {
            let start = last + number()
            last = start + number()
            long.insert(start, last)
        }
        sums.coveredByLong = long.milliseconds
        return (sums, long)
    }

    mutating func histogram(into histogram: inout NoiseHistogram, pool: NoisePool) {
        let bins = count()
        let unit = number()
        var bin: Int64 = -201
        for _ in 0..<bins where !isDamaged {
            let last = bin
            bin += number()
            let (milliseconds, isOverflow) = number().multipliedReportingOverflow(by: unit)
            // No bucket has more than 2⁴⁰ ms in a bin: 34 years.
            guard (-200...2000).contains(bin), bin > last, !isOverflow, milliseconds <= 1 << 40 else { return isDamaged = true }
            histogram.add(bin: Int32(bin), milliseconds: UInt64(milliseconds), pool: pool)
        }
    }
}
