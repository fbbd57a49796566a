import GRDB

/// A value of a row.
public enum StoreValue: Sendable, Equatable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)

    init(_ value: DatabaseValue) {
        self =
            switch value.storage {
            case .null: .null
            case .int64(let number): .integer(number)
            case .double(let number): .real(number)
            case .string(let text): .text(text)
            case .blob: .text(String.fromDatabaseValue(value) ?? "")
            }
    }

    var databaseValue: (any DatabaseValueConvertible)? {
        switch self {
        case .null: nil
        case .integer(let number): number
        case .real(let number): number
        case .text(let text): text
        }
    }

    /// 0 where it is no integer.
    public var integer: Int64 { if case .integer(let number) = self { number } else { 0 } }

    /// 0 where it is no number.
    public var double: Double {
        switch self {
        case .integer(let number): Double(number)
        case .real(let number): number
        case .null, .text: 0
        }
    }

    /// Empty where it is no text.
    public var text: String { if case .text(let text) = self { text } else { "" } }
}
