import Glibc
public import Ring
public import Telemetry

/// Bytes in, records in the ring: topic, identity, native payload (the contract's "Native payload"). One thread owns it.
///
/// A message is atomic: where its JSON is damaged the whole of it is one `malformed` rejection and none of its readings
/// is published; in a sound array only the bad elements are refused. An accepted reading of a known device allocates
/// nothing.
@safe
public struct MessageDecoder: ~Copyable {
    private let root: String
    let registry: DeviceRegistry
    var writer: RecordWriter
    let tables: [KindTable]
    // A plan per kind, by raw value; owned here, freed in deinit.
    private let plans: UnsafeMutablePointer<KindTable.Plan>
    private var topics = TopicCache()
    /// The message's device where the registry does not know it yet, or knows no gateway of it.
    var newcomer: (gateway: String, id: String)?
    // The payload with NUL padding behind it (see JSONScanner); owned here, freed in deinit.
    let buffer: UnsafeMutablePointer<UInt8>
    var dropped: [UInt32]
    var hasDropped = false

    public init(
        topicRoot: String = "patrol/v1", producer: consuming RingProducer<Slot>, registry: DeviceRegistry
    ) {
        root = topicRoot
        self.registry = registry
        writer = RecordWriter(producer)
        tables = Kind.allCases.map(KindTable.init)
        unsafe plans = .allocate(capacity: tables.count)
        for (index, table) in tables.enumerated() { unsafe (plans + index).initialize(to: table.plan) }
        unsafe buffer = .allocate(capacity: Limits.payloadBytes + JSONScanner.padding)
        dropped = Array(repeating: 0, count: Kind.allCases.count + 1)
    }

    deinit {
        unsafe buffer.deallocate()
        unsafe plans.deallocate()
    }

    /// One past the last published slot.
    public var publishedSequence: Int { writer.producer.publishedSequence }
    /// Slots claimed and not yet published.
    public var unpublishedSlots: Int { writer.producer.claimedCount }
    /// Nobody reads any more.
    public var isConsumerClosed: Bool { writer.producer.isConsumerClosed }

    /// Says that nothing more comes. What is published is still read.
    public mutating func close() {
        publish()
        writeDropped(waits: true)
        writer.producer.publish()
        writer.producer.finish()
    }

    /// Makes everything decoded visible to the consumer.
    public mutating func publish() {
        writeDropped(waits: false)
        writer.producer.publish()
    }

    /// Says that the wall clock has jumped; what is decoded from now on was received by the new one.
    public mutating func clockStep(milliseconds: Int64) {
        writer.begin(.wait)
        writer.clockStep(milliseconds: milliseconds)
    }

    /// Decodes one message into claimed slots; nothing is visible before ``publish()``.
    /// - Returns: readings in the message, accepted or refused; 1 for a message that cannot be decoded.
    @inline(__always)
    @discardableResult
    public mutating func decode(
        topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, received: Timestamp,
        onFull policy: FullPolicy = .wait
    ) -> Int {
        writer.begin(policy)
        guard payload.count > 0, payload.count <= Limits.payloadBytes, let known = unsafe topics.find(topic) else {
            return unsafe decodeSlowly(topic, payload, received)
        }
        return decode(
            unsafe Message(topic: topic, payload: payload, received: received, kind: known.kind, number: known.number))
    }

    /// What is known of the message at hand.
    @safe
    struct Message: BitwiseCopyable {
        // The caller's bytes, valid during the call.
        let topic: UnsafeRawBufferPointer
        let payload: UnsafeRawBufferPointer
        let received: Timestamp
        let kind: Kind
        var number: UInt32

        init(
            topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, received: Timestamp, kind: Kind, number: UInt32
        ) {
            unsafe self.topic = topic
            unsafe self.payload = payload
            self.received = received
            self.kind = kind
            self.number = number
        }
    }

    @inline(never)
    private mutating func decodeSlowly(
        _ topic: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer, _ received: Timestamp
    ) -> Int {
        let mark = writer.mark
        var kindOfMessage: Kind?
        func refuse(
            _ reason: RejectReason, _ field: String, _ kind: Kind?, _ gateway: String, _ device: String, owner: UInt32? = nil
        ) {
            unsafe writer.rejection(
                reason, kind: kind, owner: owner, gateway: gateway, device: device, field: field, topic: topic, payload: payload,
                received: received)
        }
        switch unsafe TopicName(topic, root: root) {
        case .wrong(let reason, let field, let gateway, let device): refuse(reason, field, nil, gateway, device)
        case .external(let gateway):
            if payload.count == 0 || payload.count > Limits.externalBytes {
                refuse(payload.count == 0 ? .malformed : .tooLarge, "payload", nil, gateway, "")
            } else {
                // As it is: only the engine knows tasks.
                unsafe writer.external(gateway: gateway, payload: payload, received: received)
            }
        case .lead(let gateway):
            return unsafe decodeLead(topic: topic, payload: payload, received: received, gateway: gateway)
        case .reading(let gateway, let kind, let device):
            kindOfMessage = kind
            if payload.count > Limits.payloadBytes {
                refuse(.tooLarge, "payload", kind, gateway, device)
                break
            }
            if payload.count == 0 {
                refuse(.malformed, "payload", kind, gateway, device)
                break
            }
            var message = unsafe Message(topic: topic, payload: payload, received: received, kind: kind, number: 0)
            switch registry.judge(kind: kind, id: device, gateway: gateway) {
            case .refused(let reason, let field): refuse(reason, field, kind, gateway, device)
            case .foreign(let number): refuse(.wrongGateway, "gateway", kind, gateway, device, owner: number)
            case .known(let number):
                message.number = number
                if registry.isUnbound(number) { newcomer = (gateway, device) }
                return decodeNewcomer(message)
            case .new:
                message.number = UInt32(registry.count)
                newcomer = (gateway, device)
                return decodeNewcomer(message)
            }
        }
        if writer.isFull { giveUp(to: mark, kind: kindOfMessage, count: 1) }
        return 1
    }

    /// A topic seen for the first time: the device is registered only if the message brings a good reading.
    private mutating func decodeNewcomer(_ message: Message) -> Int {
        defer { newcomer = nil }
        let mark = writer.mark
        if let (gateway, id) = newcomer {
            writer.newDevice(
                kind: message.kind, number: message.number, gateway: gateway, id: id, received: message.received)
        }
        let first = writer.mark
        let count = decode(message)
        guard hasReading(from: first) else {
            // Only rejections, or all of it dropped: without the device, so that none is made.
            if newcomer != nil {
                let isDropped = writer.mark == first
                writer.rewind(to: mark)
                return isDropped ? count : decode(message)
            }
            return count
        }
        if let (gateway, id) = newcomer {
            if registry.isKnown(message.number) {
                registry.bind(message.number, to: gateway)
            } else {
                _ = registry.register(kind: message.kind, id: id, gateway: gateway)
            }
        }
        unsafe topics.insert(message.topic, kind: message.kind, number: message.number)
        return count
    }

    private func hasReading(from mark: Int) -> Bool {
        var offset = mark
        while offset < writer.mark {
            let slot = unsafe writer.slot(offset)
            if unsafe slot.load(as: Record.self) == .reading { return true }
            offset += unsafe 1 + Int(slot.load(fromByteOffset: 1, as: UInt8.self))
        }
        return false
    }

    /// The payload of a message whose device is settled.
    @inline(__always)
    mutating func decode(_ message: Message) -> Int {
        let count = unsafe message.payload.count
        unsafe memcpy(buffer, message.payload.baseAddress!, count)
        unsafe (UnsafeMutableRawPointer(buffer) + count).initializeMemory(as: UInt8.self, repeating: 0, count: JSONScanner.padding)
        let mark = writer.mark
        var scanner = unsafe JSONScanner(position: UnsafePointer(buffer))
        let decoded: Int
        if unsafe UTF8Check.isValid(buffer, count: count) {
            decoded = unsafe decodeBody(message, &scanner, end: UnsafePointer(buffer) + count)
        } else {
            decoded = -1
        }
        let isTooMuch = writer.isFull && writer.isOverCapacity
        if writer.isFull && !isTooMuch {
            giveUp(to: mark, kind: message.kind, count: max(1, decoded))
            return max(1, decoded)
        }
        if decoded >= 0 && !isTooMuch { return decoded }
        writer.isFull = false
        writer.rewind(to: mark)
        refuseWhole(
            message,
            decoded == -2 || (isTooMuch && decoded >= 0)
                ? .limit : decoded == -3 ? .type : decoded == -4 ? .missing : .malformed)
        if writer.isFull { giveUp(to: mark, kind: message.kind, count: 1) }
        return 1
    }

    /// Readings decoded; −1 damaged, −2 too many, −3 no object nor array, −4 an empty array.
    @inline(__always)
    private mutating func decodeBody(
        _ message: Message, _ scanner: inout JSONScanner, end: UnsafePointer<UInt8>
    ) -> Int {
        let plan = unsafe plans[Int(message.kind.rawValue)]
        scanner.skipSpace()
        if scanner.byte == 0x7B {
            guard element(message, plan, &scanner, depth: 1) else { return -1 }
            scanner.skipSpace()
            return unsafe scanner.position == end ? 1 : -1
        }
        return unsafe decodeRare(message, plan, &scanner, end: end)
    }

    @inline(never)
    private mutating func decodeRare(
        _ message: Message, _ plan: KindTable.Plan, _ scanner: inout JSONScanner, end: UnsafePointer<UInt8>
    ) -> Int {
        guard scanner.byte == 0x5B else {
            guard scanner.skipValue(depth: Limits.nesting) else { return -1 }
            scanner.skipSpace()
            return unsafe scanner.position == end ? -3 : -1
        }
        unsafe scanner.position += 1
        var count = 0
        var isOver = false
        if scanner.take(0x5D) {
            scanner.skipSpace()
            return unsafe scanner.position == end ? -4 : -1
        }
        repeat {
            scanner.skipSpace()
            if isOver || writer.isFull {
                guard scanner.skipValue(depth: Limits.nesting - 1) else { return -1 }
            } else if scanner.byte == 0x7B {
                guard element(message, plan, &scanner, depth: 2) else { return -1 }
            } else {
                let start = unsafe scanner.position
                guard scanner.skipValue(depth: Limits.nesting - 1) else { return -1 }
                unsafe refuse(message, .type, field: "payload", from: start, to: scanner.position)
            }
            count += 1
            isOver = count >= Limits.readingsPerMessage + 1
        } while scanner.take(0x2C)
        guard scanner.take(0x5D) else { return -1 }
        scanner.skipSpace()
        guard unsafe scanner.position == end else { return -1 }
        return isOver ? -2 : count
    }
}
