import Telemetry
import Testing

@testable import Rollups

@Suite struct NoiseHistogramTests {
    /// Against a dictionary, through what a bucket's row keeps of it: any order, one by one, many at once and from another
    /// histogram, times beyond 32 bits.
    @Test(arguments: UInt64(1)...20) func sameAsADictionary(seed: UInt64) {
        var random = Steps(seed)
        let pool = NoisePool()
        var histogram = NoiseHistogram()
        var other = NoiseHistogram()
        var expected: [Int32: UInt64] = [:]
        var ofOther: [Int32: UInt64] = [:]
        for round in 0..<random.below(400) {
            let bin = Int32(random.below(40)) * 55 - 200
            let milliseconds = [1, 1000, 1 << 20, 3_000_000_000][random.below(seed % 2 == 0 ? 4 : 2)] + UInt64(random.below(3))
            if random.below(4) == 0 {
                other.add(bin: bin, milliseconds: milliseconds, pool: pool)
                ofOther[bin, default: 0] += milliseconds
            } else {
                histogram.add(bin: bin, milliseconds: milliseconds, pool: pool)
                expected[bin, default: 0] += milliseconds
            }
            if round % 50 == 49 {
                let base = random.below(2000) - 200
                let times = (0..<random.below(seed % 3 == 0 ? 9 : 30)).map { _ in
                    NoiseTime(bin: Int16(base + random.below(200)), milliseconds: UInt16(random.below(60_001)))
                }
                var gain = NoiseGain()
                for time in times { gain.add(millidecibels: Int32(time.bin) * 100, milliseconds: time.milliseconds) }
                histogram.add(gain, pool: pool)
                for time in times where time.milliseconds > 0 { expected[Int32(time.bin), default: 0] += UInt64(time.milliseconds) }
            }
            if round % 100 == 99 {
                histogram.add(other, pool: pool)
                expected.merge(ofOther, uniquingKeysWith: +)
                other.removeAll(pool: pool)
                ofOther = [:]
            }
        }
        other.removeAll(pool: pool)
        func content(_ histogram: NoiseHistogram) -> [Int32: UInt64] {
            var content: [Int32: UInt64] = [:]
            var last: Int32 = .min
            histogram.forEach { bin, milliseconds in
                #expect(bin > last, "ascending, each once")
                last = bin
                content[bin] = milliseconds
            }
            return content
        }
        #expect(content(histogram) == expected)
        var writer = NoiseStateWriter()
        writer.begin()
        writer.histogram(histogram)
        var reader = NoiseStateReader(writer.bytes)
        var restored = NoiseHistogram()
        reader.histogram(into: &restored, pool: pool)
        #expect(!reader.isDamaged && reader.isAtEnd)
        #expect(content(restored) == expected)
        histogram.removeAll(pool: pool)
        restored.removeAll(pool: pool)
        #expect(pool.bytesOut == 0)
    }

    @Test func aStateWithImpossibleTimesIsDamaged() {
        for (time, unit) in [(UInt64(1) << 48, UInt64(1) << 48), (1 << 41, 1), (1, 1 << 41)] {
            var writer = NoiseStateWriter()
            writer.begin()
            for number in [1, unit, 100, time] { writer.number(number) }
            var reader = NoiseStateReader(writer.bytes)
            var histogram = NoiseHistogram()
            reader.histogram(into: &histogram, pool: NoisePool())
            #expect(reader.isDamaged)
        }
    }

    /// Any bytes end soon, and what is not found out is well formed.
    @Test(arguments: UInt64(1)...40) func anyStateEndsSoon(seed: UInt64) {
        var random = Steps(seed)
        let pool = NoisePool()
        var histogram = NoiseHistogram()
        for bin in Int32(300)..<500 { histogram.add(bin: bin, milliseconds: UInt64(random.below(1 << 33)), pool: pool) }
        var spans = TimeSpans()
        for hour in Int64(0)..<20 { spans.insert(Timestamp(milliseconds: hour * 7_200_000), Timestamp(milliseconds: hour * 7_200_000 + 3_600_000)) }
        var writer = NoiseStateWriter()
        writer.begin()
        writer.sums(NoiseSums())
        writer.spans(spans, from: Timestamp(milliseconds: 0))
        writer.histogram(histogram)
        for round in 0..<300 {
            var bytes = writer.bytes
            for _ in 0...random.below(3) { bytes[1 + random.below(bytes.count - 1)] = UInt8(random.below(256)) }
            if round % 3 == 0 { bytes.removeLast(random.below(bytes.count)) }
            if round % 5 == 0 { bytes = [NoiseStateWriter.version] + (0..<random.below(40)).map { _ in UInt8(128 + random.below(128)) } }
            var reader = NoiseStateReader(bytes)
            var restored = NoiseHistogram()
            _ = reader.sums(from: Timestamp(milliseconds: 0))
            reader.histogram(into: &restored, pool: pool)
            var last: Int32 = -201
            restored.forEach { bin, milliseconds in
                #expect(bin > last && bin <= 2000 && milliseconds < 1 << 52)
                last = bin
            }
            restored.removeAll(pool: pool)
        }
        histogram.removeAll(pool: pool)
        #expect(pool.bytesOut == 0)
    }

    /// Pieces never overlap while they are out, and what came back serves any size again.
    @Test(arguments: UInt64(1)...10) func piecesOfThePoolAreApart(seed: UInt64) {
        var random = Steps(seed)
        let pool = NoisePool()
        var out: [(piece: UnsafeMutableRawPointer, bytes: Int, mark: UInt8)] = unsafe []
        func giveBack(_ index: Int) {
            let (piece, bytes, mark) = unsafe out.remove(at: index)
            #expect(unsafe UnsafeRawBufferPointer(start: piece, count: bytes).allSatisfy { $0 == mark })
            unsafe pool.give(piece, bytes)
        }
        for step in 0..<2000 {
            if random.below(5) < 3 {
                let bytes = NoisePool.size(for: 1 << random.below(19))
                let piece = unsafe pool.take(bytes)
                let mark = UInt8(truncatingIfNeeded: step)
                unsafe piece.initializeMemory(as: UInt8.self, repeating: mark, count: bytes)
                unsafe out.append((piece, bytes, mark))
            } else if unsafe !out.isEmpty {
                giveBack(random.below(unsafe out.count))
            }
        }
        while unsafe !out.isEmpty { giveBack(unsafe out.count - 1) }
        #expect(pool.bytesOut == 0)
    }

    /// What small pieces have left joins again: as many large ones fit as before.
    @Test func outgrownPiecesBecomeLargerOnes() {
        let pool = NoisePool()
        let small = unsafe (0..<4032).map { _ in unsafe pool.take(64) }
        #expect(pool.slabCount == 1)
        for unsafe piece in unsafe small { unsafe pool.give(piece, 64) }
        _ = unsafe pool.take(1 << 17)
        #expect(pool.slabCount == 1)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed.
private struct Steps {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func below(_ limit: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ mixed >> 31) % UInt64(limit))
    }
}
