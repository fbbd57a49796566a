import Telemetry

/// What is refused, and what is let go by policy.
extension MessageDecoder {
    @inline(never)
    func names(of message: Message) -> (gateway: String, device: String) {
        if let newcomer { return (newcomer.gateway, newcomer.id) }
        let known = registry.devices[Int(message.number)]
        return (known.gateway, known.id)
    }

    /// The name of an entry, for a reject.
    func name(_ kind: Kind, _ entry: Int) -> String { tables[Int(kind.rawValue)].names[entry] }

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
    mutating func refuseWhole(_ message: Message, _ reason: RejectReason) {
        let (gateway, device) = names(of: message)
        unsafe writer.rejection(
            reason, kind: message.kind, gateway: gateway, device: device, field: "payload", topic: message.topic,
            payload: message.payload, received: message.received)
    }

    mutating func giveUp(to mark: Int, kind: Kind?, count: Int) {
        writer.rewind(to: mark)
        writer.isFull = false
        dropped[kind.map { Int($0.rawValue) } ?? Kind.allCases.count] += UInt32(count)
        hasDropped = true
    }

    @inline(__always)
    mutating func writeDropped(waits: Bool) {
        if hasDropped { writeDroppedSlowly(waits: waits) }
    }

    mutating func writeDroppedSlowly(waits: Bool) {
        hasDropped = false
        for index in dropped.indices where dropped[index] > 0 {
            let kind = index < Kind.allCases.count ? UInt8(index) : 255
            if writer.dropped(kind: kind, count: dropped[index], waits: waits) {
                dropped[index] = 0
            } else {
                hasDropped = true
            }
        }
    }
}
