/// JSON as it stands in Swift source: members keep the order in which they are written, so documents are the same bytes
/// each time.
public indirect enum JSONTree: Sendable, ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
    ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    case text(String)
    case number(Double)
    case flag(Bool)
    case list([JSONTree])
    case object([(key: String, value: JSONTree)])
    /// JSON already.
    case raw(String)

    public init(stringLiteral value: String) { self = .text(value) }
    public init(integerLiteral value: Int) { self = .number(Double(value)) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(booleanLiteral value: Bool) { self = .flag(value) }
    public init(arrayLiteral elements: JSONTree...) { self = .list(elements) }
    public init(dictionaryLiteral elements: (String, JSONTree)...) { self = .object(elements.map { ($0.0, $0.1) }) }

    public var json: String {
        switch self {
        case .text(let text): JSONObject.quoted(text)
        case .number(let number): Int64(exactly: number).map(String.init) ?? "\(number)"
        case .flag(let flag): flag ? "true" : "false"
        case .list(let list): "[" + list.map(\.json).joined(separator: ",") + "]"
        case .object(let members): "{" + members.map { "\(JSONObject.quoted($0.key)):\($0.value.json)" }.joined(separator: ",") + "}"
        case .raw(let json): json
        }
    }

    /// With more members behind its own; only of an object.
    public func adding(_ more: [(key: String, value: JSONTree)]) -> JSONTree {
        guard case .object(let members) = self else { preconditionFailure("only an object has members") }
        return .object(members + more)
    }
}
