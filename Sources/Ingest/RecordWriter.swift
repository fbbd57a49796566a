import Glibc
import Ring
import Telemetry

/// What happens when the ring is full.
public enum FullPolicy: Sendable {
    /// The socket is not read until there is room, so that TCP holds the broker back.
    case wait
    /// The message is let go and counted; for QoS 0 only.
    case drop
}

/// Writes records into claimed slots of the ring. A record that does not fit into its first slot goes on in the next.
@safe
struct RecordWriter: ~Copyable {
    var producer: RingProducer<Slot>
    var policy = FullPolicy.wait
    /// Set when a claim failed under `.drop`, or the consumer is gone: the message is to be given up.
    var isFull = false

    init(_ producer: consuming RingProducer<Slot>) { self.producer = producer }

    /// Where the next record will lie, for ``rewind(to:)``.
    @inline(__always)
    var mark: Int { producer.claimedCount }

    /// Gives back everything claimed since `mark`.
    mutating func rewind(to mark: Int) { producer.unclaim(from: mark) }

    /// Claims a record of 1 + `tail` slots; its offset among the claimed ones, −1 where there is no room.
    @inline(__always)
    mutating func claim(tail: Int) -> Int {
        let offset = producer.claimedCount
        if !producer.claim(1 + tail), !claimSlowly(1 + tail) { return -1 }
        return offset
    }

    private mutating func claimSlowly(_ count: Int) -> Bool {
        // Nothing of this message is published, so that waiting could be for ever if it alone filled the ring:
        // `Limits.relationsHold` bounds a message to half of it.
        if policy == .wait, producer.claimWaiting(count) { return true }
        isFull = true
        return false
    }

    @inline(__always)
    func slot(_ offset: Int) -> UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(producer.claimedSlot(offset)) }

    /// Copies bytes into the tail of the record at `offset`, `position` bytes into it.
    func write(_ bytes: UnsafeRawBufferPointer, toTailOf offset: Int, at position: Int) {
        var done = 0
        while done < bytes.count {
            let place = position + done
            let count = min(bytes.count - done, Slot.bytes - place % Slot.bytes)
            unsafe memcpy(
                slot(offset + 1 + place / Slot.bytes) + place % Slot.bytes, bytes.baseAddress! + done, count)
            done += count
        }
    }

    static func slots(forBytes count: Int) -> Int { (count + Slot.bytes - 1) / Slot.bytes }

    mutating func newDevice(kind: Kind, number: UInt32, gateway: String, id: String, received: Timestamp) {
        var record = NewDevice(kind: kind, device: number, received: received)
        let bytes = Array(gateway.utf8) + Array(id.utf8)
        record.tail = UInt8(RecordWriter.slots(forBytes: bytes.count))
        record.gatewayBytes = UInt8(gateway.utf8.count)
        record.idBytes = UInt8(id.utf8.count)
        let offset = claim(tail: Int(record.tail))
        guard offset >= 0 else { return }
        unsafe slot(offset).storeBytes(of: record, as: NewDevice.self)
        unsafe bytes.withUnsafeBytes { unsafe write($0, toTailOf: offset, at: 0) }
    }

    mutating func dropped(kind: UInt8, count: UInt32) -> Bool {
        guard producer.claim(1) else { return false }
        unsafe slot(producer.claimedCount - 1).storeBytes(of: Dropped(kind: kind, count: count), as: Dropped.self)
        return true
    }

    mutating func rejection(
        _ reason: RejectReason, kind: Kind?, gateway: String, device: String, field: String,
        topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, received: Timestamp
    ) {
        let topicPart = unsafe topic.count > Limits.topicBytes ? UnsafeRawBufferPointer(rebasing: topic[..<Limits.topicBytes]) : topic
        let excerpt = unsafe RecordWriter.excerpt(payload)
        let names = Array(gateway.utf8.prefix(Limits.idBytes)) + Array(device.utf8.prefix(Limits.idBytes))
            + Array(field.utf8.prefix(Limits.idBytes))
        var record = Rejection(reason: reason, received: received)
        record.kind = kind?.rawValue ?? 255
        record.gatewayBytes = UInt16(min(gateway.utf8.count, Limits.idBytes))
        record.deviceBytes = UInt16(min(device.utf8.count, Limits.idBytes))
        record.fieldBytes = UInt16(min(field.utf8.count, Limits.idBytes))
        record.topicBytes = UInt16(topicPart.count)
        record.payloadBytes = UInt16(excerpt.count)
        record.tail = UInt8(RecordWriter.slots(forBytes: names.count + topicPart.count + excerpt.count))
        let offset = claim(tail: Int(record.tail))
        guard offset >= 0 else { return }
        unsafe slot(offset).storeBytes(of: record, as: Rejection.self)
        unsafe names.withUnsafeBytes { unsafe write($0, toTailOf: offset, at: 0) }
        unsafe write(topicPart, toTailOf: offset, at: names.count)
        unsafe write(excerpt, toTailOf: offset, at: names.count + topicPart.count)
    }

    /// The beginning of a payload, cut between two characters where it is UTF-8.
    private static func excerpt(_ payload: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard payload.count > Limits.rejectExcerptBytes else { return unsafe payload }
        var count = Limits.rejectExcerptBytes
        while count > Limits.rejectExcerptBytes - 4, unsafe payload[count] & 0xC0 == 0x80 { count -= 1 }
        return unsafe UnsafeRawBufferPointer(rebasing: payload[..<count])
    }
}
