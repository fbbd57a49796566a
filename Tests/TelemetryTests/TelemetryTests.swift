import Telemetry
import Testing

@Suite struct Layout {
    @Test func everyRecordIsOneSlot() {
        #expect(MemoryLayout<Slot>.stride == 128)
        #expect(MemoryLayout<Reading>.stride == 128)
        #expect(MemoryLayout<Rejection>.stride == 128)
        #expect(MemoryLayout<NewDevice>.stride == 128)
        #expect(MemoryLayout<Dropped>.stride == 128)
    }

    @Test func limitsFitTogether() { #expect(Limits.relationsHold) }

    @Test func valuesOfAKindDoNotOverlap() {
        for kind in Kind.allCases {
            var indexes: [Int] = []
            var bits: [Int] = []
            for field in kind.description.fields {
                switch field.storage {
                case .number(let index, _, _), .time(let index): indexes.append(index)
                case .bool(let bit): bits.append(bit)
                case .flags(let first, let names): bits.append(contentsOf: first..<first + names.count)
                case .text, .period: break
                }
            }
            #expect(Set(indexes).count == indexes.count && indexes.allSatisfy { (0..<10).contains($0) })
            #expect(Set(bits).count == bits.count && bits.allSatisfy { (0..<16).contains($0) })
        }
    }
}

@Suite struct Timestamps {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2024-06-07T22:00:00.250+08:00", 1_717_768_800_250),
        ("2024-02-29T23:59:59.999Z", 1_709_251_199_999), ("2024-06-07t14:00:00z", 1_717_768_800_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000), ("1969-12-31T23:59:59.5-00:00", -500),
        ("2024-06-07T14:00:00.123456Z", 1_717_768_800_123),
    ])
    func readsRFC3339(text: String, milliseconds: Int64) {
        #expect(Timestamp(rfc3339: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "2024-06-07", "2024-06-07T22:00:00", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z",
        "2024-06-07T24:00:00Z", "2024-06-07T22:60:00Z", "2024-06-07T22:00:00.Z", "2024-06-07T22:00:00+0800",
        "2024-06-07T22:00:00Zx", "20240607T220000Z",
    ])
    func refusesTheRest(text: String) { #expect(Timestamp(rfc3339: text) == nil) }

    @Test func writesWhatItReads() {
        var state: UInt64 = 42
        for _ in 0..<2000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let moment = Timestamp(milliseconds: Int64(state >> 20) % 4_102_444_800_000)
            #expect(Timestamp(rfc3339: moment.rfc3339()) == moment)
            #expect(Timestamp(rfc3339: moment.rfc3339(offsetMinutes: 480)) == moment)
            #expect(Timestamp(rfc3339: moment.rfc3339(offsetMinutes: -210)) == moment)
        }
    }

    @Test func bucketsGoDownBefore1970() {
        #expect(Timestamp(milliseconds: -1).bucketStart(widthMilliseconds: 60_000).milliseconds == -60_000)
        #expect(Timestamp(milliseconds: 60_000).bucketStart(widthMilliseconds: 60_000).milliseconds == 60_000)
    }
}

@Suite struct Identifiers {
    @Test func alertAndTaskShareTheirDigits() {
        let id = Identifier.alert(
            rule: "noise-over-70", kind: .noise, device: "n1", startedAt: Timestamp(milliseconds: 1_717_768_800_000))
        // python3: h=0xcbf29ce484222325; for b in b"noise-over-70\nnoise\nn1\n1717768800000": h=((h^b)*0x100000001b3)%2**64
        #expect(id == "aea0019ce085d56d0")
        #expect(Identifier.task(alert: id) == "t" + id.dropFirst())
    }
}
