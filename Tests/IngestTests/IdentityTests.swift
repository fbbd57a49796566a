import Telemetry
import Testing

@testable import Ingest

@Suite struct Identity {
    static let good = #"{"ts":1717768800000,"laeq":62.4}"#

    @Test func aNewDeviceComesBeforeItsFirstReading() {
        var harness = Harness()
        let first = harness.send(Identity.good)
        guard case .newDevice(0, .noise, "gw", "m") = first.first else { return #expect(Bool(false), "\(first)") }
        #expect(first.count == 2 && first[1].reading?.device == 0)
        #expect(harness.send(Identity.good).count == 1)
        guard case .newDevice(1, .vehicle, "gw", "m") = harness.send(
            #"{"ts":1717768800000,"lat":1,"lon":2}"#, topic: "patrol/v1/in/gw/vehicle/m"
        ).first else { return #expect(Bool(false), "the same id of another kind is another device") }
        let count = harness.registry.count
        #expect(count == 2)
    }

    @Test func withoutAGoodReadingNoDeviceIsMade() {
        var harness = Harness()
        for payload in ["", "{", "[]", "[1,2]", #"[{"ts":1}]"#, #"{"ts":1717768800000}"#, "[\(Identity.good),{]"] {
            let records = harness.send(payload)
            #expect(records.allSatisfy { $0.refused?.device == "m" && $0.refused?.gateway == "gw" })
        }
        let none = harness.registry.count
        #expect(none == 0)
        #expect(verdicts(harness.send("[1,\(Identity.good)]")) == ["type payload", "ok"])
        let one = harness.registry.count
        #expect(one == 1)
    }

    @Test func anothersDevice() {
        var harness = Harness()
        _ = harness.send(Identity.good)
        let records = harness.send(Identity.good, topic: "patrol/v1/in/other/noise/m")
        #expect(verdicts(records) == ["wrong_gateway gateway"])
        #expect(records[0].refused?.gateway == "other" && records[0].refused?.device == "m" && records[0].refused?.owner == 0)
        #expect(harness.send("{").last?.refused?.owner == Rejection.noOwner)
    }

    @Test func idsAreBytes() {
        var harness = Harness()
        _ = harness.send(Identity.good, topic: "patrol/v1/in/gw/noise/\u{E9}")
        _ = harness.send(Identity.good, topic: "patrol/v1/in/gw/noise/e\u{301}")
        let count = harness.registry.count
        #expect(count == 2, "two compositions of one character are two ids")
        _ = harness.send(Identity.good, topic: "patrol/v1/in/\u{E9}/noise/x")
        #expect(verdicts(harness.send(Identity.good, topic: "patrol/v1/in/e\u{301}/noise/x")) == ["wrong_gateway gateway"])
    }

    @Test func devicesFile() {
        var harness = Harness(requiresKnown: true)
        harness.registry.add(number: 0, kind: .noise, id: "m", gateway: "")
        #expect(verdicts(harness.send(Identity.good, topic: "patrol/v1/in/gw/noise/n")) == ["unknown_device device"])
        #expect(verdicts(harness.send("{")) == ["malformed payload"])
        #expect(verdicts(harness.send(Identity.good, topic: "patrol/v1/in/first/noise/m")) == ["ok"], "binds to the first")
        #expect(verdicts(harness.send(Identity.good)) == ["wrong_gateway gateway"])
        #expect(verdicts(harness.send(Identity.good, topic: "patrol/v1/in/first/noise/m")) == ["ok"])
    }

    @Test func aMillionIdsOfOneGateway() {
        var harness = Harness()
        var accepted = 0
        var limited = 0
        for index in 0..<1_000_000 {
            _ = harness.feed(Array(Identity.good.utf8), topic: Array("patrol/v1/in/gw/noise/n\(index)".utf8))
            if index % 4096 == 4095 || index == 999_999 {
                for verdict in verdicts(harness.drain()) {
                    if verdict == "ok" { accepted += 1 } else if verdict == "limit device" { limited += 1 }
                }
            }
        }
        let count = harness.registry.count
        #expect(accepted == Limits.devicesPerGateway && count == accepted && limited == 1_000_000 - accepted)
        #expect(verdicts(harness.send(Identity.good, topic: "patrol/v1/in/gw/noise/n7")) == ["ok"], "known ones go on")
        #expect(verdicts(harness.send(Identity.good, topic: "patrol/v1/in/gw2/noise/m")) == ["ok"], "so do other gateways")
    }

    @Test func devicesInAll() {
        var harness = Harness()
        for number in 0..<Limits.devices {
            harness.registry.add(number: UInt32(number), kind: .noise, id: "d\(number)", gateway: "g\(number % 100)")
        }
        #expect(verdicts(harness.send(Identity.good)) == ["limit device"])
        #expect(verdicts(harness.send(Identity.good, topic: "patrol/v1/in/g7/noise/d107")) == ["ok"])
    }
}

@Suite struct FullRing {
    static let good = Array(#"{"ts":1717768800000,"laeq":62.4}"#.utf8)
    static func array(_ count: Int) -> [UInt8] {
        Array("[".utf8) + Array(Array(repeating: FullRing.good, count: count).joined(separator: Array(",".utf8))) + Array("]".utf8)
    }

    @Test func whatFindsNoRoomIsCounted() {
        var harness = Harness(slots: 32)
        #expect(verdicts(harness.send(String(decoding: FullRing.good, as: UTF8.self))) == ["ok"])
        var fed = 0
        for size in [10, 3, 10, 10, 5, 1, 7, 1, 1] { fed += harness.feed(FullRing.array(size), onFull: .drop) }
        #expect(fed == 48)
        // What is let go is told once there is room.
        let seen = harness.readAll() + harness.drain() + harness.drain()
        var stored = 0
        var dropped = 0
        for record in seen {
            switch record {
            case .reading: stored += 1
            case .dropped(let kind, let count):
                #expect(kind == 0)
                dropped += count
            case .rejection, .newDevice, .lead, .external: #expect(Bool(false), "\(record)")
            }
        }
        #expect(stored + dropped == fed && dropped > 0 && stored > 0)
    }

    @Test func aDroppedMessageMakesNoDevice() {
        for already in 0...6 {
            var harness = Harness(slots: 32)
            _ = harness.send(String(decoding: FullRing.good, as: UTF8.self))
            while true {
                let before = harness.decoder.publishedSequence + harness.decoder.unpublishedSlots
                if before >= 33 - already { break }
                _ = harness.feed(FullRing.good, onFull: .drop)
            }
            _ = harness.feed(FullRing.array(3), topic: Array("patrol/v1/in/gw/noise/new".utf8), onFull: .drop)
            let records = harness.readAll() + harness.drain() + harness.drain()
            var announced: Set<UInt32> = [0]
            for record in records {
                if case .newDevice(let number, _, _, _) = record { announced.insert(number) }
                if let reading = record.reading { #expect(announced.contains(reading.device)) }
            }
            let count = harness.registry.count
            #expect(count == announced.count, "the registry knows exactly what was announced (\(already))")
        }
    }

    @Test func aRefusedMessageCanBeDroppedToo() {
        var harness = Harness(slots: 32)
        for _ in 0..<40 { _ = harness.feed(Array("{".utf8), onFull: .drop) }
        let records = harness.readAll() + harness.drain() + harness.drain()
        let refused = records.filter { $0.refused != nil }.count
        let dropped = records.reduce(0) { if case .dropped(_, let count) = $1 { $0 + count } else { $0 } }
        #expect(refused + dropped == 40 && dropped > 0)
    }

    @Test func aMessageThatNoRingOfThisSizeHoldsIsRefused() {
        var harness = Harness(slots: 64)
        _ = harness.feed(FullRing.array(200))
        #expect(verdicts(harness.drain()) == ["limit payload"])
        #expect(verdicts(harness.send(String(decoding: FullRing.good, as: UTF8.self))) == ["ok"])
    }

    @Test func bigMessagesWithoutPublicationDoNotWaitForThemselves() {
        // Four of these are more than the ring; each is published in time for the consumer to make room.
        var harness = Harness(slots: 1 << 16)
        var seen = 0
        for _ in 0..<12 {
            #expect(harness.feed(FullRing.array(10_000)) == 10_000)
            seen += verdicts(harness.readAll()).count
        }
        seen += verdicts(harness.drain()).count
        #expect(seen == 120_000)
    }
}
