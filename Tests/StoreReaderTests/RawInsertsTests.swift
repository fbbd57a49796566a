import Telemetry
import Testing

@testable import Store

/// Rows get the numbers that the engine gave them, whichever way they go in.
@Suite struct RawInsertsTests {
    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func rowsKeepTheirNumbers(seed: UInt64) throws {
        var random = Seeded(state: seed)
        let fixture = try StoreFixture()
        try fixture.addDevice(0, .noise, "meter-0")
        var expected: [Int64] = []
        var number: Int64 = 0
        for _ in 0..<60 {
            // Readings of other kinds lie before the batch, or in it.
            if Int.random(in: 0..<3, using: &random) == 0 { number += Int64.random(in: 1...5, using: &random) }
            let isMixed = Int.random(in: 0..<4, using: &random) == 0
            let numbers = (0..<[1, 63, 64, 65, 500].randomElement(using: &random)!).map { _ in
                number += isMixed ? Int64.random(in: 1...2, using: &random) : 1
                return number
            }
            // The newest rows are packed away: the numbers go on where they were.
            if Int.random(in: 0..<6, using: &random) == 0, let first = expected.last.map({ $0 - Int64.random(in: 0...700, using: &random) }) {
                try fixture.commit { _ = try $0.rows("DELETE FROM noise_raw WHERE id > \(first)") }
                expected.removeAll { $0 > first }
            }
            try fixture.add(
                noise: numbers.map { number in
                    var reading = Reading(kind: .noise, periodMilliseconds: 1000)
                    reading.ts = Timestamp(milliseconds: 1_717_768_800_000 + number)
                    reading.received = reading.ts
                    reading.set(NoiseValue.laeq, 50)
                    return reading
                }, numbers: numbers)
            expected += numbers
        }
        let rows = try StoreReader(path: fixture.path).rows("SELECT id, ts - 1717768800000 FROM noise_raw ORDER BY id").rows
        #expect(rows.map { $0[0].integer } == expected)
        #expect(rows.allSatisfy { $0[0].integer == $0[1].integer })
    }
}
