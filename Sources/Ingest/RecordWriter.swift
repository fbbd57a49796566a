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
    /// Set when a claim failed: the message is to be given up.
    var isFull = false
    /// Set besides `isFull` when waiting would not help: the message alone is too much for the ring.
    var isOverCapacity = false
    /// The ring's slots, as far as they were free when the writer was made.
    let capacity: Int
    /// Rejections written for the message at hand.
    private var rejections = 0

    /// Rejections of one message that carry topic and payload. The others name gateway, device and field only, so that
    /// the largest message stays within half the ring: see ``relationsHold``.
    static let detailedRejections = 100

    /// What bounds one message and what may lie unpublished before it.
    static var relationsHold: Bool {
        let full = 1 + Limits.tailSlots
        let brief = 1 + slots(forBytes: 3 * Limits.idBytes)
        return detailedRejections * full + Limits.readingsPerMessage * brief + 3 <= Limits.ringSlots / 4 * 3
    }

    init(_ producer: consuming RingProducer<Slot>) {
        var producer = producer
        var count = 0
        while producer.claim(max(1, count)) { count += max(1, count) }
        producer.unclaim(from: 0)
        capacity = count
        self.producer = producer
    }

    /// Begins a message. Much that is unpublished is published first: a message waits only for room that the consumer
    /// can make.
    @inline(__always)
    mutating func begin(_ policy: FullPolicy) {
        self.policy = policy
        rejections = 0
        if producer.claimedCount > capacity / 4 { producer.publish() }
    }

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
        // What is claimed and unpublished makes no room while we wait for it.
        isOverCapacity = producer.claimedCount + count > capacity
        if !isOverCapacity, policy == .wait, producer.claimWaiting(count) { return true }
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

    mutating func external(gateway: String, payload: UnsafeRawBufferPointer, received: Timestamp) {
        var record = ExternalRecord(received: received)
        let name = Array(gateway.utf8)
        record.tail = UInt8(RecordWriter.slots(forBytes: name.count + payload.count))
        record.gatewayBytes = UInt8(name.count)
        record.payloadBytes = UInt16(payload.count)
        let offset = claim(tail: Int(record.tail))
        guard offset >= 0 else { return }
        unsafe slot(offset).storeBytes(of: record, as: ExternalRecord.self)
        unsafe name.withUnsafeBytes { unsafe write($0, toTailOf: offset, at: 0) }
        unsafe write(payload, toTailOf: offset, at: name.count)
    }

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

    mutating func dropped(kind: UInt8, count: UInt32, waits: Bool) -> Bool {
        guard waits && producer.claimedCount < capacity ? producer.claimWaiting(1) : producer.claim(1) else { return false }
        unsafe slot(producer.claimedCount - 1).storeBytes(of: Dropped(kind: kind, count: count), as: Dropped.self)
        return true
    }

    mutating func clockStep(milliseconds: Int64) {
        let offset = claim(tail: 0)
        guard offset >= 0 else { return }
        unsafe slot(offset).storeBytes(of: ClockStep(milliseconds: milliseconds), as: ClockStep.self)
    }

    /// - Parameter texts: in the order of ``LeadText``.
    mutating func lead(gateway: String, texts: [[UInt8]], lat: Double?, lon: Double?, received: Timestamp) {
        var record = LeadRecord(received: received)
        let bytes = Array(gateway.utf8) + texts.joined()
        record.tail = UInt8(RecordWriter.slots(forBytes: bytes.count))
        record.gatewayBytes = UInt8(gateway.utf8.count)
        for (index, text) in texts.enumerated() { record.textBytes[index] = UInt16(text.count) }
        if let lat, let lon { (record.hasPosition, record.lat, record.lon) = (true, lat, lon) }
        let offset = claim(tail: Int(record.tail))
        guard offset >= 0 else { return }
        unsafe slot(offset).storeBytes(of: record, as: LeadRecord.self)
        unsafe bytes.withUnsafeBytes { unsafe write($0, toTailOf: offset, at: 0) }
    }

    mutating func rejection(
        _ reason: RejectReason, kind: Kind?, isLead: Bool = false, owner: UInt32? = nil, gateway: String, device: String, field: String,
        topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, received: Timestamp
    ) {
        rejections += 1
        let none = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        let isBrief = rejections > RecordWriter.detailedRejections
        let topicPart = unsafe isBrief ? none
            : topic.count > Limits.topicBytes ? UnsafeRawBufferPointer(rebasing: topic[..<Limits.topicBytes]) : topic
        let excerpt = unsafe isBrief ? none : RecordWriter.excerpt(payload)
        let names = Array(gateway.utf8.prefix(Limits.idBytes)) + Array(device.utf8.prefix(Limits.idBytes))
            + Array(field.utf8.prefix(Limits.idBytes))
        var record = Rejection(reason: reason, received: received)
        record.kind = kind?.rawValue ?? (isLead ? CountRow.lead : 255)
        record.owner = owner ?? Rejection.noOwner
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
