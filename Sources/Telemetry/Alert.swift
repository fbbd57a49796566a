/// An alert as it stands: a row of the table `alert`.
public struct Alert: Sendable, Equatable {
    public var id: String, rule: String, device: String, kind: Kind
    public var deviceNumber: UInt32
    public var site: String?
    public var area: String, severity: String, state: String
    public var startedAt: Timestamp
    public var firedAt: Timestamp?, resolvedAt: Timestamp?
    public var value: Double

    public init(
        id: String, rule: String, device: String, kind: Kind, deviceNumber: UInt32, site: String?, area: String,
        severity: String, state: String, startedAt: Timestamp, firedAt: Timestamp?, resolvedAt: Timestamp?, value: Double
    ) {
        self.id = id
        self.rule = rule
        self.device = device
        self.kind = kind
        self.deviceNumber = deviceNumber
        self.site = site
        self.area = area
        self.severity = severity
        self.state = state
        self.startedAt = startedAt
        self.firedAt = firedAt
        self.resolvedAt = resolvedAt
        self.value = value
    }
}

/// Ids that follow from what they name, so that the same recording gives the same ids however it is cut.
public enum Identifier {
    /// FNV-1a, 64 bit (Fowler, Noll, Vo; IETF draft-eastlake-fnv).
    @inlinable
    public static func fnv1a(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// `a` and 16 hex digits: FNV-1a of rule, kind, device and start in ms, a line feed between each.
    public static func alert(rule: String, kind: Kind, device: String, startedAt: Timestamp) -> String {
        "a" + hex(fnv1a("\(rule)\n\(kind.name)\n\(device)\n\(startedAt.milliseconds)".utf8))
    }

    /// `t` and 16 hex digits: FNV-1a of a lead's kind and its reference, a line feed between.
    public static func lead(kind: String, reference: String) -> String { "t" + hex(fnv1a("\(kind)\n\(reference)".utf8)) }

    /// `t` and the digits of the alert that the task answers.
    public static func task(alert: String) -> String { "t" + alert.dropFirst() }
}
