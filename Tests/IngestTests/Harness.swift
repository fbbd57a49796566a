import Ring
import Telemetry

@testable import Ingest

/// A decoded record, read back from the ring.
enum Decoded {
    case reading(Reading, officer: String, boot: String)
    case rejection(Refused)
    case external(gateway: String, payload: String)
    case newDevice(number: UInt32, kind: Kind, gateway: String, id: String)
    case dropped(kind: UInt8, count: Int)
    case lead(gateway: String, [String: String], place: [Double])

    var reading: Reading? { if case .reading(let reading, _, _) = self { reading } else { nil } }
    var refused: Refused? { if case .rejection(let refused) = self { refused } else { nil } }
}

/// A rejection's content.
struct Refused {
    var reason: RejectReason
    var kind: UInt8
    var gateway: String, device: String, field: String, topic: String
    var payload: [UInt8]
    var received: Timestamp
    var owner: UInt32
}

/// A ring with a decoder before it, all on one thread.
struct Harness: ~Copyable {
    var decoder: MessageDecoder
    private var consumer: RingConsumer<Slot>
    let registry: DeviceRegistry
    static let received = Timestamp(milliseconds: 1_717_768_801_000)

    init(slots: Int = 1 << 16, requiresKnown: Bool = false) {
        let ring = Ring<Slot>(capacity: slots)
        registry = DeviceRegistry(requiresKnown: requiresKnown)
        decoder = MessageDecoder(producer: ring.makeProducer(), registry: registry)
        consumer = ring.makeConsumer()
    }

    /// Decodes without publishing.
    mutating func feed(
        _ payload: [UInt8], topic: [UInt8] = Array("patrol/v1/in/gw/noise/m".utf8), onFull policy: FullPolicy = .wait
    ) -> Int {
        // Blocks of exactly the right size, so that a sanitizer sees a byte read too many.
        let blocks = (UnsafeMutableRawBufferPointer.allocate(byteCount: topic.count, alignment: 1),
            UnsafeMutableRawBufferPointer.allocate(byteCount: payload.count, alignment: 1))
        defer {
            blocks.0.deallocate()
            blocks.1.deallocate()
        }
        blocks.0.copyBytes(from: topic)
        blocks.1.copyBytes(from: payload)
        return decoder.decode(
            topic: UnsafeRawBufferPointer(blocks.0), payload: UnsafeRawBufferPointer(blocks.1),
            received: Harness.received, onFull: policy)
    }

    /// Publishes and reads everything.
    mutating func drain() -> [Decoded] {
        decoder.publish()
        return readAll()
    }

    mutating func readAll() -> [Decoded] {
        var records: [Decoded] = []
        var next = consumer.firstSequence
        let limit = consumer.available()
        while next < limit {
            let slot = UnsafeMutableRawPointer(consumer.slot(next))
            let tail = Int(slot.load(fromByteOffset: 1, as: UInt8.self))
            precondition(next + 1 + tail <= limit, "a record's tail lies behind the published end")
            var bytes: [UInt8] = []
            for offset in 0..<tail {
                bytes += UnsafeRawBufferPointer(start: consumer.slot(next + 1 + offset), count: Slot.bytes)
            }
            var rest = bytes[...]
            func take(_ count: some BinaryInteger) -> String {
                defer { rest = rest.dropFirst(Int(count)) }
                return String(decoding: rest.prefix(Int(count)), as: UTF8.self)
            }
            switch slot.load(as: Record.self) {
            case .reading:
                let reading = slot.load(as: Reading.self)
                let officer = take(reading.officerBytes)
                records.append(.reading(reading, officer: officer, boot: take(reading.bootBytes)))
            case .external:
                let record = slot.load(as: ExternalRecord.self)
                let gateway = take(record.gatewayBytes)
                records.append(.external(gateway: gateway, payload: take(record.payloadBytes)))
            case .rejection:
                let record = slot.load(as: Rejection.self)
                var refused = Refused(
                    reason: record.reason, kind: record.kind, gateway: take(record.gatewayBytes),
                    device: take(record.deviceBytes), field: take(record.fieldBytes), topic: take(record.topicBytes),
                    payload: [], received: record.received, owner: record.owner)
                refused.payload = Array(rest.prefix(Int(record.payloadBytes)))
                records.append(.rejection(refused))
            case .newDevice:
                let record = slot.load(as: NewDevice.self)
                let gateway = take(record.gatewayBytes)
                records.append(
                    .newDevice(number: record.device, kind: record.kind, gateway: gateway, id: take(record.idBytes)))
            case .clockStep: break
            case .lead:
                let record = slot.load(as: LeadRecord.self)
                let gateway = take(record.gatewayBytes)
                var fields: [String: String] = [:]
                for text in LeadText.allCases { fields[text.name] = take(record.textBytes[Int(text.rawValue)]) }
                records.append(.lead(gateway: gateway, fields.filter { $1 != "" }, place: record.hasPosition ? [record.lat, record.lon] : []))
            case .dropped:
                let record = slot.load(as: Dropped.self)
                records.append(.dropped(kind: record.kind, count: Int(record.count)))
            }
            next += 1 + tail
        }
        consumer.release(upTo: limit)
        return records
    }

    mutating func send(_ payload: String, topic: String = "patrol/v1/in/gw/noise/m") -> [Decoded] {
        _ = feed(Array(payload.utf8), topic: Array(topic.utf8))
        return drain()
    }
}

/// What one message on a fresh decoder gives.
func decode(_ payload: String, _ topic: String = "patrol/v1/in/gw/noise/m") -> [Decoded] {
    var harness = Harness(slots: 1 << 12)
    return harness.send(payload, topic: topic)
}

/// `reason field` of each rejection, `ok` for each reading.
func verdicts(_ records: [Decoded]) -> [String] {
    records.compactMap {
        switch $0 {
        case .reading: "ok"
        case .external: "external"
        case .rejection(let refused): "\(refused.reason.name) \(refused.field)"
        case .lead: "lead"
        case .newDevice, .dropped: nil
        }
    }
}

/// A generator that a seed fixes (SplitMix64; Steele, Lea, Flood 2014).
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
