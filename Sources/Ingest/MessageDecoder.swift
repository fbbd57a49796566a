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
    // The payload with NUL padding behind it (see JSONScanner); owned here, freed in deinit.
    private let buffer: UnsafeMutablePointer<UInt8>
    private var dropped: [UInt32]

    public init(
        topicRoot: String = "patrol/v1", producer: consuming RingProducer<Slot>, registry: DeviceRegistry
    ) {
        root = topicRoot
        self.registry = registry
        writer = RecordWriter(producer)
        tables = Kind.allCases.map(KindTable.init)
        unsafe buffer = .allocate(capacity: Limits.payloadBytes + JSONScanner.padding)
        dropped = Array(repeating: 0, count: Kind.allCases.count + 1)
    }

    deinit { unsafe buffer.deallocate() }

    /// One past the last published slot.
    public var publishedSequence: Int { writer.producer.publishedSequence }
    /// Slots claimed and not yet published.
    public var unpublishedSlots: Int { writer.producer.claimedCount }
    /// Nobody reads any more.
    public var isConsumerClosed: Bool { writer.producer.isConsumerClosed }

    /// Makes everything decoded visible to the consumer.
    public mutating func publish() {
        if dropped.contains(where: { $0 > 0 }) { writeDropped() }
        writer.producer.publish()
    }

    /// Decodes one message into claimed slots; nothing is visible before ``publish()``.
    /// - Returns: readings in the message, accepted or refused; 1 for a message that cannot be decoded.
    @inline(__always)
    @discardableResult
    public mutating func decode(
        topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, received: Timestamp,
        onFull policy: FullPolicy = .wait
    ) -> Int {
        writer.policy = policy
        guard payload.count > 0, payload.count <= Limits.payloadBytes, let known = unsafe registry.cached(topic) else {
            return unsafe decodeSlowly(topic, payload, received)
        }
        var message = unsafe Message(topic: topic, payload: payload, received: received, kind: known.kind, number: known.number)
        return decode(&message)
    }

    /// What is known of the message at hand.
    @safe
    struct Message {
        // The caller's bytes, valid during the call.
        let topic: UnsafeRawBufferPointer
        let payload: UnsafeRawBufferPointer
        let received: Timestamp
        let kind: Kind
        var number: UInt32
        /// A device that the registry does not know yet, or that has no gateway yet.
        var newcomer: (gateway: String, id: String)?

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
        func refuse(_ reason: RejectReason, _ field: String, _ kind: Kind?, _ gateway: String, _ device: String) {
            unsafe writer.rejection(
                reason, kind: kind, gateway: gateway, device: device, field: field, topic: topic, payload: payload,
                received: received)
        }
        switch unsafe TopicName(topic, root: root) {
        case .wrong(let reason, let field, let gateway, let device): refuse(reason, field, nil, gateway, device)
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
            case .known(let number):
                message.number = number
                if registry.isUnbound(number) { message.newcomer = (gateway, device) }
                return decodeNewcomer(&message)
            case .new:
                message.number = UInt32(registry.count)
                message.newcomer = (gateway, device)
                return decodeNewcomer(&message)
            }
        }
        if writer.isFull { giveUp(to: mark, kind: kindOfMessage, count: 1) }
        return 1
    }

    /// A topic seen for the first time: the device is registered only if the message brings a good reading.
    private mutating func decodeNewcomer(_ message: inout Message) -> Int {
        let mark = writer.mark
        if let (gateway, id) = message.newcomer {
            writer.newDevice(
                kind: message.kind, number: message.number, gateway: gateway, id: id, received: message.received)
        }
        let first = writer.mark
        let count = decode(&message)
        guard hasReading(from: first) else {
            // Only rejections: again without the device, so that none is made.
            guard message.newcomer != nil, writer.mark > first else { return count }
            writer.rewind(to: mark)
            return decode(&message)
        }
        if let (gateway, id) = message.newcomer {
            if registry.isKnown(message.number) {
                registry.bind(message.number, to: gateway)
            } else {
                _ = registry.register(kind: message.kind, id: id, gateway: gateway)
            }
        }
        unsafe registry.remember(message.topic, kind: message.kind, number: message.number)
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
    mutating func decode(_ message: inout Message) -> Int {
        let count = unsafe message.payload.count
        unsafe memcpy(buffer, message.payload.baseAddress!, count)
        unsafe (UnsafeMutableRawPointer(buffer) + count).initializeMemory(as: UInt8.self, repeating: 0, count: JSONScanner.padding)
        let mark = writer.mark
        var scanner = unsafe JSONScanner(position: UnsafePointer(buffer))
        let decoded: Int
        if unsafe UTF8Check.isValid(buffer, count: count) {
            decoded = unsafe decodeBody(&message, &scanner, end: UnsafePointer(buffer) + count)
        } else {
            decoded = -1
        }
        if writer.isFull {
            giveUp(to: mark, kind: message.kind, count: max(1, decoded))
            return max(1, decoded)
        }
        if decoded >= 0 { return decoded }
        writer.rewind(to: mark)
        refuseWhole(message, decoded == -2 ? .limit : decoded == -3 ? .type : decoded == -4 ? .missing : .malformed)
        if writer.isFull { giveUp(to: mark, kind: message.kind, count: 1) }
        return 1
    }

    /// Readings decoded; −1 damaged, −2 too many, −3 no object nor array, −4 an empty array.
    @inline(__always)
    private mutating func decodeBody(
        _ message: inout Message, _ scanner: inout JSONScanner, end: UnsafePointer<UInt8>
    ) -> Int {
        let table = tables[Int(message.kind.rawValue)]
        scanner.skipSpace()
        if scanner.byte == 0x7B {
            guard element(message, table, &scanner) else { return -1 }
            scanner.skipSpace()
            return unsafe scanner.position == end ? 1 : -1
        }
        return unsafe decodeRare(message, table, &scanner, end: end)
    }

    @inline(never)
    private mutating func decodeRare(
        _ message: Message, _ table: KindTable, _ scanner: inout JSONScanner, end: UnsafePointer<UInt8>
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
                guard element(message, table, &scanner) else { return -1 }
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

    // MARK: Refusals

    @inline(never)
    func names(of message: Message) -> (gateway: String, device: String) {
        if let newcomer = message.newcomer { return (newcomer.gateway, newcomer.id) }
        let known = registry.devices[Int(message.number)]
        return (known.gateway, known.id)
    }

    @inline(never)
    mutating func refuse(
        _ message: Message, _ reason: RejectReason, field: String, from start: UnsafePointer<UInt8>,
        to end: UnsafePointer<UInt8>
    ) {
        let (gateway, device) = names(of: message)
        unsafe writer.rejection(
            reason, kind: message.kind, gateway: gateway, device: device, field: field, topic: message.topic,
            payload: UnsafeRawBufferPointer(start: start, count: end - start), received: message.received)
    }

    @inline(never)
    private mutating func refuseWhole(_ message: Message, _ reason: RejectReason) {
        let (gateway, device) = names(of: message)
        unsafe writer.rejection(
            reason, kind: message.kind, gateway: gateway, device: device, field: "payload", topic: message.topic,
            payload: message.payload, received: message.received)
    }

    private mutating func giveUp(to mark: Int, kind: Kind?, count: Int) {
        writer.rewind(to: mark)
        writer.isFull = false
        dropped[kind.map { Int($0.rawValue) } ?? Kind.allCases.count] += UInt32(count)
    }

    private mutating func writeDropped() {
        for index in dropped.indices where dropped[index] > 0 {
            let kind = index < Kind.allCases.count ? UInt8(index) : 255
            if writer.dropped(kind: kind, count: dropped[index]) { dropped[index] = 0 }
        }
    }
}
