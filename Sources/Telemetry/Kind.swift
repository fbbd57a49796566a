/// A kind of device. This list and ``Kind/description`` are the one place where kinds are named; each has one file
/// in `Kinds/`.
@frozen
public enum Kind: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    case noise, vehicle, bodycam

    /// What the kind measures.
    public var description: KindDescription {
        switch self {
        case .noise: .noise
        case .vehicle: .vehicle
        case .bodycam: .bodycam
        }
    }

    /// The name in topics, rule files, tables and devices files.
    public var name: String { description.name }

    public init?(name: some StringProtocol) {
        guard let kind = Kind.allCases.first(where: { $0.name == name }) else { return nil }
        self = kind
    }
}

/// The vocabulary of a kind: every concern that depends on the kind (decoding, ranges, rule metrics, columns) reads it
/// from here.
public struct KindDescription: Sendable {
    public let name: String
    /// What is sent besides `ts` and `seq`, in the order of the raw table's columns.
    public let fields: [Field]
    /// How long a reading holds where the payload does not say.
    public let defaultPeriodMilliseconds: UInt32
    /// Whether one of the fields must be there, whichever.
    public let needsAnyField: Bool

    /// The field of a name, nil where the kind has none.
    public func field(named name: some StringProtocol) -> Field? { fields.first { $0.name == name } }
}

/// One value of a payload.
public struct Field: Sendable {
    public enum Storage: Sendable, Equatable {
        /// `Reading.values[index]`; whole numbers only where `integer`.
        case number(index: Int, range: ClosedRange<Double>, integer: Bool)
        /// Bit `bit` of `Reading.bits`.
        case bool(bit: Int)
        /// An array of names, each a bit of `Reading.bits` from `firstBit` on.
        case flags(firstBit: Int, names: [String])
        /// A moment, as milliseconds in `Reading.values[index]`.
        case time(index: Int)
        /// Text (or an integer written as text) of at most ``Limits/textBytes`` bytes in the reading's tail.
        case text(TextField)
        /// The measured period in seconds, `Reading.periodMilliseconds`.
        case period
    }

    public enum TextField: UInt8, Sendable { case officer, boot }

    /// The payload's key and the table's column.
    public let name: String
    public let storage: Storage
    public let required: Bool
    /// For people: `dB(A)`, `km/h`, `%`, empty where there is none.
    public let unit: String

    init(_ name: String, _ storage: Storage, unit: String = "", required: Bool = false) {
        self.name = name
        self.storage = storage
        self.unit = unit
        self.required = required
    }

    static func number(
        _ name: String, _ index: Int, _ range: ClosedRange<Double>, unit: String = "", required: Bool = false,
        integer: Bool = false
    ) -> Field {
        Field(name, .number(index: index, range: range, integer: integer), unit: unit, required: required)
    }
}
