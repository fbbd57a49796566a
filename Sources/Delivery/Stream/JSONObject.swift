/// A JSON object written in the order in which members are added.
public struct JSONObject: ExpressibleByDictionaryLiteral {
    private var members: [String] = []

    public init() {}

    public init(dictionaryLiteral elements: (String, String)...) {
        for (key, value) in elements { add(key, value) }
    }

    init(_ members: KeyValuePairs<String, String>) { for (key, value) in members { add(key, value) } }

    public mutating func add(_ key: String, _ text: String) { members.append("\(Self.quoted(key)):\(Self.quoted(text))") }

    /// - Parameter json: JSON already.
    public mutating func add(_ key: String, raw json: String) { members.append("\(Self.quoted(key)):\(json)") }

    public var text: String { "{\(members.joined(separator: ","))}" }

    /// A JSON string (RFC 8259 §7).
    public static func quoted(_ text: String) -> String {
        // Nearly all texts: as they are.
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C }) { return "\"\(text)\"" }
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
