/// What passes through the ring: 128 bytes, of which the first says which record it is. A record whose variable part
/// does not fit goes on in `tail` slots of raw bytes behind it.
@frozen
public struct Slot: BitwiseCopyable, Sendable {
    public var words: InlineArray<16, UInt64>
    @inlinable
    public init() { words = .init(repeating: 0) }

    public static let bytes = 128
}

/// Which record a slot holds; the first byte of each.
@frozen
public enum Record: UInt8, BitwiseCopyable, Sendable {
    /// A ``Reading``.
    case reading
    /// A ``Rejection``: a reading or a message that was refused.
    case rejection
    /// An ``ExternalRecord``: another system says where it has a task.
    case external
    /// A ``NewDevice``: precedes the device's first reading.
    case newDevice
    /// A ``Dropped``: readings that a declared policy let go.
    case dropped
    /// A ``ClockStep``: the wall clock has jumped.
    case clockStep
    /// A ``LeadRecord``: a person or another system reports a matter.
    case lead
}

/// One reading as decoded: all that was measured, exactly.
@frozen
public struct Reading: BitwiseCopyable, Sendable {
    public var record = Record.reading
    /// Slots behind this one that hold `officer` and then `boot`.
    public var tail: UInt8 = 0
    public var kind: Kind
    public var officerBytes: UInt8 = 0
    public var bootBytes: UInt8 = 0
    /// Set by the engine: older than the allowance, raises no live alert.
    public var isBackfill = false
    /// Which of `values` were sent, a bit each.
    public var present: UInt16 = 0
    /// Booleans and flags, and which of the booleans were sent; bits as the kind's description says.
    public var bits: UInt16 = 0
    public var bitsPresent: UInt16 = 0
    /// The device's number: its index in the registry.
    public var device: UInt32 = 0
    /// How long the reading holds, from `ts` on.
    public var periodMilliseconds: UInt32
    /// Start of the measured period, as the device says.
    public var ts = Timestamp(milliseconds: 0)
    /// When the message arrived, by the server's clock or as recorded.
    public var received = Timestamp(milliseconds: 0)
    /// The sender's sequence number, ``noSeq`` where there is none.
    public var seq: Int64 = Reading.noSeq
    public var values: InlineArray<10, Double> = .init(repeating: 0)

    public static let noSeq = Int64.min

    @inlinable
    public init(kind: Kind, periodMilliseconds: UInt32) {
        self.kind = kind
        self.periodMilliseconds = periodMilliseconds
    }

    /// The value at an index, nil where it was not sent.
    @inlinable
    public func value(_ index: Int) -> Double? { present >> UInt16(index) & 1 == 1 ? values[index] : nil }

    @inlinable
    public mutating func set(_ index: Int, _ value: Double) {
        values[index] = value
        present |= 1 << UInt16(index)
    }

    @inlinable
    public mutating func setBit(_ bit: Int, _ on: Bool) {
        bitsPresent |= 1 << UInt16(bit)
        if on { bits |= 1 << UInt16(bit) } else { bits &= ~(1 << UInt16(bit)) }
    }

    @inlinable
    public func bit(_ bit: Int) -> Bool? { bitsPresent >> UInt16(bit) & 1 == 1 ? bits >> UInt16(bit) & 1 == 1 : nil }

    /// The end of the measured period.
    @inlinable
    public var end: Timestamp { ts + Int64(periodMilliseconds) }
}

/// A refused reading or message. Its tail holds, in this order, gateway, device, field, topic and an excerpt of the
/// payload, as bytes.
@frozen
public struct Rejection: BitwiseCopyable, Sendable {
    public var record = Record.rejection
    public var tail: UInt8 = 0
    /// ``Kind`` raw value, or 255 where the kind is not known.
    public var kind: UInt8 = 255
    public var reason: RejectReason
    public var gatewayBytes: UInt16 = 0
    public var deviceBytes: UInt16 = 0
    public var fieldBytes: UInt16 = 0
    public var topicBytes: UInt16 = 0
    public var payloadBytes: UInt16 = 0
    /// The device whose id another gateway has used, else ``noOwner``.
    public var owner = Rejection.noOwner
    public var received: Timestamp
    private var reserved: InlineArray<12, UInt64> = .init(repeating: 0)

    public static let noOwner = UInt32.max

    public init(reason: RejectReason, received: Timestamp) {
        self.reason = reason
        self.received = received
    }
}

/// A device seen for the first time. Its tail holds gateway and id, as bytes.
@frozen
public struct NewDevice: BitwiseCopyable, Sendable {
    public var record = Record.newDevice
    public var tail: UInt8 = 0
    public var kind: Kind
    public var gatewayBytes: UInt8 = 0
    public var idBytes: UInt8 = 0
    public var device: UInt32
    public var received: Timestamp
    private var reserved: InlineArray<13, UInt64> = .init(repeating: 0)

    public init(kind: Kind, device: UInt32, received: Timestamp) {
        self.kind = kind
        self.device = device
        self.received = received
    }
}

/// Readings that were let go by a declared policy (QoS 0 and a full ring only).
@frozen
public struct Dropped: BitwiseCopyable, Sendable {
    public var record = Record.dropped
    public var tail: UInt8 = 0
    /// ``Kind`` raw value, or 255 where the kind is not known.
    public var kind: UInt8
    public var count: UInt32
    private var reserved: InlineArray<15, UInt64> = .init(repeating: 0)

    public init(kind: UInt8, count: UInt32) {
        self.kind = kind
        self.count = count
    }
}

/// What another system says of a task, as it came. Its tail holds the gateway and then the payload.
@frozen
public struct ExternalRecord: BitwiseCopyable, Sendable {
    public var record = Record.external
    public var tail: UInt8 = 0
    public var gatewayBytes: UInt8 = 0
    public var payloadBytes: UInt16 = 0
    public var received: Timestamp
    private var reserved: InlineArray<14, UInt64> = .init(repeating: 0)

    public init(received: Timestamp) { self.received = received }
}

/// The wall clock has jumped: `received` of what follows is by the new one.
@frozen
public struct ClockStep: BitwiseCopyable, Sendable {
    public var record = Record.clockStep
    public var tail: UInt8 = 0
    /// Forward where positive.
    public var milliseconds: Int64
    private var reserved: InlineArray<14, UInt64> = .init(repeating: 0)

    public init(milliseconds: Int64) { self.milliseconds = milliseconds }
}

/// A matter that a person or another system reports. Its tail holds the gateway and then the texts in the order of
/// ``LeadText``, as bytes.
@frozen
public struct LeadRecord: BitwiseCopyable, Sendable {
    public var record = Record.lead
    public var tail: UInt8 = 0
    public var hasPosition = false
    public var gatewayBytes: UInt8 = 0
    /// By ``LeadText`` raw value; 0 where absent.
    public var textBytes: InlineArray<8, UInt16> = .init(repeating: 0)
    public var received: Timestamp
    /// Degrees WGS-84.
    public var lat = 0.0, lon = 0.0
    private var reserved: InlineArray<10, UInt64> = .init(repeating: 0)

    public init(received: Timestamp) { self.received = received }
}

/// The texts of a lead.
@frozen
public enum LeadText: UInt8, CaseIterable, Sendable {
    case matter, text, site, area, source, picture, severity

    public var name: String {
        switch self {
        case .matter: "matter"
        case .text: "text"
        case .site: "site"
        case .area: "area"
        case .source: "source"
        case .picture: "picture"
        case .severity: "severity"
        }
    }

    public init?(name: String) {
        guard let text = LeadText.allCases.first(where: { $0.name == name }) else { return nil }
        self = text
    }

    /// Bytes at most.
    public var bytes: Int {
        switch self {
        case .text: Limits.leadTextBytes
        case .picture: Limits.leadPictureBytes
        case .matter, .site, .area, .source, .severity: Limits.idBytes
        }
    }

    /// Codes and numbers may be written without quotes.
    public var mayBeNumber: Bool { self == .area || self == .source }
}

/// What counts as a kind in the accounting besides the kinds themselves, by the byte of a record.
public enum CountRow {
    /// A ``Kind`` raw value of a rejection that was a lead.
    public static let lead: UInt8 = 254
    /// Rows of the table `message_count`: the kinds, `unknown`, `lead`.
    public static let names = Kind.allCases.map(\.name) + ["unknown", "lead"]
    public static let leadIndex = Kind.allCases.count + 1

    public static func index(_ kind: UInt8) -> Int {
        kind == lead ? leadIndex : min(Int(kind), Kind.allCases.count)
    }
}

extension Reading {
    /// Whether all measured values are equal, texts aside: the contract's equality of readings.
    @inlinable
    public func hasSameValues(as other: borrowing Reading) -> Bool {
        guard present == other.present, bits == other.bits, bitsPresent == other.bitsPresent,
            periodMilliseconds == other.periodMilliseconds
        else { return false }
        for index in 0..<values.count where present >> UInt16(index) & 1 == 1 {
            if values[index] != other.values[index] { return false }
        }
        return true
    }
}
