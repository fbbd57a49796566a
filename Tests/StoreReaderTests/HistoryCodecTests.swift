import Telemetry
import Testing

@testable import Store

/// Numbers from a seed (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

@Suite struct HistoryCodecTests {
    /// What meters, vehicles and cameras send, and what they never should.
    static func readings(seed: UInt64, kind: Kind, count: Int, isWild: Bool) -> [StoredReadings.Stored] {
        var random = Seeded(state: seed)
        var ts: Int64 = 1_717_768_800_000
        var input: Int64 = 0
        return (0..<count).map { index in
            input += isWild ? Int64.random(in: 1...1_000_000, using: &random) : Int64.random(in: 90...110, using: &random)
            ts += isWild ? Int64.random(in: -5_000_000...5_000_000, using: &random) : 1000
            if index % 50 == 7 { ts += 60_000 * Int64.random(in: 1...900, using: &random) }
            var reading = Reading(kind: kind, periodMilliseconds: isWild && index % 3 == 0 ? UInt32(index) : 1000)
            reading.device = 4711
            reading.ts = Timestamp(milliseconds: ts)
            reading.received = reading.ts + (isWild ? Int64.random(in: -9_999...999_999, using: &random) : 35)
            if index % 2 == 0 || !isWild { reading.seq = isWild ? Int64(truncatingIfNeeded: random.next()) : Int64(index) }
            reading.isBackfill = isWild && Bool.random(using: &random)
            for value in 0..<10 where !isWild || Bool.random(using: &random) {
                let number = Double.random(in: -180...180, using: &random)
                switch (isWild, random.next() % 6) {
                case (true, 0): reading.set(value, number)
                case (true, 1): reading.set(value, Double(Float(number)))
                case (true, 2): reading.set(value, [-0.0, .infinity, 1e300, .leastNonzeroMagnitude, -1e15, 0.1 + 0.2][Int(random.next() % 6)])
                default: reading.set(value, (number * 10).rounded() / 10)
                }
            }
            if isWild {
                reading.bits = UInt16(truncatingIfNeeded: random.next())
                reading.bitsPresent = UInt16(truncatingIfNeeded: random.next())
            }
            let texts = isWild ? ["", "王警官", "b", String(repeating: "x", count: 64)] : ["a"]
            return StoredReadings.Stored(
                reading: reading, input: input, officer: texts.randomElement(using: &random)!, boot: texts.randomElement(using: &random)!)
        }
    }

    private func packed(_ readings: [StoredReadings.Stored]) -> HistoryBlock {
        var encoder = BlockEncoder()
        for reading in readings { encoder.add(reading) }
        return encoder.finish(device: 4711, day: 0)
    }

    private func bits(_ stored: StoredReadings.Stored) -> [UInt64] {
        let reading = stored.reading
        return [
            UInt64(bitPattern: stored.input), UInt64(bitPattern: reading.ts.milliseconds), UInt64(bitPattern: reading.received.milliseconds),
            UInt64(bitPattern: reading.seq), UInt64(reading.periodMilliseconds), UInt64(reading.present), UInt64(reading.bits),
            UInt64(reading.bitsPresent), reading.isBackfill ? 1 : 0, UInt64(reading.device), UInt64(reading.kind.rawValue),
        ] + (0..<10).map { reading.value($0)?.bitPattern ?? 0 }
    }

    @Test(arguments: 1...60) func everyReadingComesBackToTheBit(seed: Int) throws {
        let kind = Kind.allCases[seed % 3]
        let readings = Self.readings(seed: UInt64(seed), kind: kind, count: seed * 13 % 400 + 1, isWild: seed % 2 == 0)
        let block = packed(readings)
        #expect(packed(readings).bytes == block.bytes, "seed \(seed)")
        var decoder = BlockDecoder(block, kind: kind)
        for expected in readings {
            let stored = try #require(try decoder.next(), "seed \(seed)")
            #expect(bits(stored) == bits(expected), "seed \(seed)")
            #expect(stored.officer == expected.officer && stored.boot == expected.boot, "seed \(seed)")
        }
        #expect(try decoder.next() == nil)
    }

    @Test func extremesOfWholeNumbersComeBack() throws {
        let values: [Int64] = [0, .max, .min, -1, .max, 60_000, .min + 1, 1, 59_999, 1 << 40, -(1 << 62)]
        var column = NumberColumn(.steady)
        var writer = BitWriter()
        for value in values { column.write(value, &writer) }
        var reader = BitReader(writer.finish())
        var back = NumberColumn(.steady)
        for value in values { #expect(try back.read(&reader) == value) }
    }

    @Test func anyChangedBitIsNoticed() throws {
        let block = packed(Self.readings(seed: 5, kind: .vehicle, count: 30, isWild: true))
        for position in 0..<block.bytes.count * 8 - 8 {
            var bytes = block.bytes
            bytes[position / 8] ^= 1 << UInt8(position % 8)
            let decoder = BlockDecoder(kind: .vehicle, device: 4711, rows: block.rows, hash: block.hash, bytes: bytes)
            #expect(!decoder.isWell, "bit \(position)")
        }
        for length in 0..<block.bytes.count - 1 {
            let decoder = BlockDecoder(
                kind: .vehicle, device: 4711, rows: block.rows, hash: block.hash, bytes: Array(block.bytes.prefix(length)))
            #expect(!decoder.isWell, "\(length) bytes")
        }
    }

    @Test(arguments: 1...20) func anyBytesAreRead(seed: Int) {
        var random = Seeded(state: UInt64(seed))
        for _ in 0..<200 {
            let bytes = (0..<Int.random(in: 0...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            let decoder = BlockDecoder(kind: .noise, device: 1, rows: Int.random(in: 0...5000, using: &random) + 1, hash: 1, bytes: bytes)
            #expect(!decoder.isWell, "seed \(seed)")
        }
    }

    @Test func aQuietMeterTakesTwoBytesAReading() {
        var random = Seeded(state: 9)
        let readings = (0..<3600).map { index in
            var reading = Reading(kind: .noise, periodMilliseconds: 1000)
            reading.ts = Timestamp(milliseconds: 1_717_768_800_000 + Int64(index) * 1000)
            reading.received = reading.ts + Int64.random(in: 20...60, using: &random)
            reading.seq = Int64(index)
            reading.set(NoiseValue.laeq, (Double.random(in: 450...560, using: &random)).rounded() / 10)
            return StoredReadings.Stored(reading: reading, input: Int64(index) * 50 + Int64.random(in: 0...3, using: &random), officer: "", boot: "")
        }
        let bytes = Double(packed(readings).bytes.count) / 3600
        #expect(bytes < 3.2, "\(bytes)")
    }

    /// A block as it was written before formats had numbers: nine fixes of a vehicle, a speed of 0.1 + 0.2 among them.
    @Test func blocksOfTheFirstFormatAreRead() throws {
        let hex = """
            8003800000000000138840000000000000128000000C7F97FE4F7000000000000017700000000000000007FFBFFEFFFBFFEF\
            FFBFFEFFF8CF378A19FFE0FE1FFEF74FFF40887FFBFFE80002002A337FFDFFF7FFDFFF40000BFFE1FE999999999999A00000\
            0000026E5600005FFF0FF4CCCCCCCCCCCD00000000005A70000013E403FFDFFF403E8000000184E40000BFFE1FE999999999\
            999A0000F9E00000016DDC00017FFC3FD33333333333340001F40000000608E00005FFF0FF4CCCCCCCCCCCD0000000000001\
            277880005FFF0FF4CCCCCCCCCCCD0000000000005C78400017FFC3FD33333333333340
            """
        let bytes = stride(from: 0, to: hex.utf8.count, by: 2).map { UInt8(hex.dropFirst($0).prefix(2), radix: 16)! }
        var decoder = BlockDecoder(kind: .vehicle, device: 591, rows: 9, hash: 4485416138354208409, bytes: bytes)
        var last: StoredReadings.Stored?
        for _ in 0..<9 { last = try #require(try decoder.next()) }
        #expect(try decoder.next() == nil)
        #expect(last?.reading.ts.rfc3339() == "2024-06-07T14:08:00.750Z")
        #expect(last?.reading.seq == 8)
        #expect(last?.reading.value(VehicleValue.lat) == 30.299541)
        #expect(last?.reading.value(VehicleValue.speed) == 0.1 + 0.2)
    }

    @Test func aFormatThatIsNotKnownIsDamage() {
        for byte in [0, 2, 0x7F] as [UInt8] {
            #expect(!BlockDecoder(kind: .noise, device: 1, rows: 1, hash: 0, bytes: [byte] + [UInt8](repeating: 0, count: 64)).isWell)
        }
    }
}
