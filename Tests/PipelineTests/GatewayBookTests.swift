import Delivery
import Foundation
import Telemetry
import Testing

@testable import Pipeline

@Suite struct GatewayBookTests {
    private let start = Timestamp(milliseconds: 1_717_768_800_000)
    private let table = DeviceTable()

    private func book() -> GatewayBook {
        let book = GatewayBook(since: start)
        for (number, gateway) in ["gw-a", "gw-a", "gw-b"].enumerated() {
            table.append(Device(number: UInt32(number), kind: .noise, id: "d\(number)", gateway: gateway))
            book.add(device: UInt32(number), gateway: gateway)
        }
        return book
    }

    private func reading(_ device: UInt32, seq: Int64?, second: Int64 = 0, late: Int64 = 100) -> Reading {
        var reading = Reading(kind: .noise, periodMilliseconds: 1000)
        reading.device = device
        reading.ts = start + second * 1000
        reading.received = reading.end + late
        if let seq { reading.seq = seq }
        return reading
    }

    private func told(_ book: GatewayBook, at milliseconds: Int64 = 0) -> [GatewayStatus] {
        book.due(table: table, now: start + milliseconds, monotonicMilliseconds: milliseconds)
    }

    @Test func saysWhatCameWhatIsMissingAndWhatWasRefused() throws {
        let book = book()
        for seq in [1, 2, 5, 6] as [Int64] { book.stored(reading(0, seq: seq, second: seq, late: seq == 6 ? -2500 : 300)) }
        book.stored(reading(2, seq: nil))
        book.duplicate(device: 0)
        book.rejected(gateway: "gw-a", reason: .range)
        book.rejected(gateway: "gw-a", reason: .range)
        book.rejected(gateway: "gw-new", reason: .malformed)
        let all = told(book)
        #expect(all.map(\.gateway) == ["gw-a", "gw-b", "gw-new"])
        #expect(
            all[0].payload == """
                {"gateway":"gw-a","at":1717768800000,"since":1717768800000,"stored":4,"duplicate":1,"rejected":{"range":2},\
                "last":{"kind":"noise","device":"d0","ts":1717768806000,"received":1717768804500},"missing":2,\
                "last_gap":{"device":"d0","after":2,"before":5},"clock_offset_ms":-2500}
                """)
        #expect(
            all[2].payload == """
                {"gateway":"gw-new","at":1717768800000,"since":1717768800000,"stored":0,"duplicate":0,\
                "rejected":{"malformed":1},"missing":0}
                """)
    }

    /// The runs of sequence numbers of a device, and how many readings are missing behind them.
    @Test(arguments: [
        ([1, 2, 3], 0), ([5], 0), ([1, 4], 2), ([1, 4, 2], 1), ([1, 4, 2, 3], 0), ([1, 4, 2, 3, 5], 0),
        ([5000, 1, 2], 0), ([5000, 3000, 3001], 0), ([100, 1, 2], 0), ([1, 9_000_000, 9_000_001], 0),
        ([Int64.max - 1, Int64.max], 0), ([-5, -3], 1),
    ] as [([Int64], Int64)])
    func gaps(seqs: [Int64], missing: Int64) {
        let book = book()
        for seq in seqs { book.stored(reading(0, seq: seq)) }
        #expect(told(book)[0].missing == missing, "\(seqs)")
    }

    @Test func aGatewayIsToldEveryTenSecondsAndOnlyWhenSomethingChanged() {
        let book = book()
        book.stored(reading(0, seq: 1))
        #expect(told(book).count == 1)
        #expect(told(book, at: 20_000).isEmpty)
        book.stored(reading(0, seq: 2))
        #expect(told(book, at: 21_000).count == 1)
        book.stored(reading(0, seq: 3))
        #expect(told(book, at: 30_999).isEmpty)
        #expect(told(book, at: 32_000).count == 1)
    }

    /// The offset is of the last minute or two, so that a clock that was set right is seen to be right.
    @Test func anOldOffsetIsForgotten() {
        let book = book()
        book.stored(reading(0, seq: 1, late: -60_000))
        #expect(told(book)[0].clockOffsetMilliseconds == -60_000)
        for step in 1...20 { book.stored(reading(0, seq: Int64(step) + 1, late: 50)); _ = told(book, at: Int64(step) * 11_000) }
        book.stored(reading(0, seq: 30, late: 70))
        #expect(told(book, at: 300_000)[0].clockOffsetMilliseconds == 50)
    }

    @Test func manyAreToldInPortions() {
        let book = GatewayBook(since: start)
        for number in 0..<250 { book.rejected(gateway: "gw-\(number)", reason: .type) }
        #expect(told(book).count == 200)
        #expect(told(book, at: 1000).count == 50)
        for number in 0..<GatewayBook.limit + 50 { book.rejected(gateway: "x-\(number)", reason: .type) }
        var count = 0
        for second in 2..<80 { count += told(book, at: Int64(second) * 1000).count }
        #expect(count == GatewayBook.limit - 250)
    }
}
