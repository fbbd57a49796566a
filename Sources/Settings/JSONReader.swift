/// A JSON value with its place in the text.
struct JSONNode {
    enum Value {
        case object([(key: String, offset: Int, value: JSONNode)])
        case array([JSONNode])
        case string(String)
        case number(Double)
        case bool(Bool)
        case null
    }

    var value: Value
    /// Bytes before it.
    var offset: Int

    /// The member of an object, nil where there is none.
    subscript(key: String) -> JSONNode? {
        guard case .object(let members) = value else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// Text, or a number as it is written by people (codes are often numbers).
    var text: String? {
        switch value {
        case .string(let text): text
        case .number(let number) where number == number.rounded() && abs(number) < 1e15: String(Int64(number))
        case .number(let number): String(number)
        default: nil
        }
    }

    var isNull: Bool {
        if case .null = value { return true }
        return false
    }
}

/// Reads JSON (RFC 8259) strictly, keeping the place of each value: duplicate keys are told, nesting is bounded.
struct JSONReader {
    struct Fault: Error {
        var offset: Int
        var message: String
    }

    static let deepest = 32
    private let bytes: [UInt8]
    private var next = 0

    private init(_ text: String) { bytes = Array(text.utf8) }

    /// - Throws: the first fault; JSON gives no way to go on after one.
    static func read(_ text: String) throws(Fault) -> JSONNode {
        var reader = JSONReader(text)
        if reader.bytes.starts(with: [0xEF, 0xBB, 0xBF]) { reader.next = 3 }
        let node = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.next == reader.bytes.count else { throw reader.fault("something stands behind the end of the document") }
        return node
    }

    private func fault(_ message: String, _ offset: Int? = nil) -> Fault { Fault(offset: offset ?? next, message: message) }

    private mutating func skipSpace() {
        while next < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[next]) { next += 1 }
    }

    private mutating func expect(_ byte: Character) throws(Fault) {
        skipSpace()
        guard next < bytes.count, bytes[next] == byte.asciiValue else {
            throw fault(next < bytes.count ? "not JSON: '\(byte)' is missing here" : "not JSON: the document ends before '\(byte)'")
        }
        next += 1
    }

    /// Whether the byte comes next; it is then passed.
    private mutating func skip(_ byte: Character) -> Bool {
        skipSpace()
        guard next < bytes.count, bytes[next] == byte.asciiValue else { return false }
        next += 1
        return true
    }

    private mutating func value(depth: Int) throws(Fault) -> JSONNode {
        skipSpace()
        let start = next
        guard depth < JSONReader.deepest else { throw fault("nested deeper than \(JSONReader.deepest)") }
        guard next < bytes.count else { throw fault("not JSON: the document ends where a value should stand") }
        switch bytes[next] {
        case UInt8(ascii: "{"): return JSONNode(value: .object(try object(depth)), offset: start)
        case UInt8(ascii: "["): return JSONNode(value: .array(try array(depth)), offset: start)
        case UInt8(ascii: "\""): return JSONNode(value: .string(try string()), offset: start)
        case UInt8(ascii: "t"): return JSONNode(value: .bool(try word("true", true)), offset: start)
        case UInt8(ascii: "f"): return JSONNode(value: .bool(try word("false", false)), offset: start)
        case UInt8(ascii: "n"):
            _ = try word("null", true)
            return JSONNode(value: .null, offset: start)
        default: return JSONNode(value: .number(try number()), offset: start)
        }
    }

    private mutating func word(_ word: String, _ value: Bool) throws(Fault) -> Bool {
        guard bytes[next...].starts(with: word.utf8) else { throw fault("not JSON: no value begins so") }
        next += word.utf8.count
        return value
    }

    private mutating func object(_ depth: Int) throws(Fault) -> [(key: String, offset: Int, value: JSONNode)] {
        next += 1
        var members: [(key: String, offset: Int, value: JSONNode)] = []
        if skip("}") { return members }
        repeat {
            skipSpace()
            let offset = next
            guard next < bytes.count, bytes[next] == UInt8(ascii: "\"") else { throw fault("not JSON: a key in quotes is missing here") }
            let key = try string()
            if members.contains(where: { $0.key == key }) { throw fault("the key '\(key)' stands in its object twice", offset) }
            guard members.count < 1000 else { throw fault("an object has at most 1000 keys") }
            try expect(":")
            members.append((key, offset, try value(depth: depth + 1)))
        } while skip(",")
        try expect("}")
        return members
    }

    private mutating func array(_ depth: Int) throws(Fault) -> [JSONNode] {
        next += 1
        var elements: [JSONNode] = []
        if skip("]") { return elements }
        repeat { elements.append(try value(depth: depth + 1)) } while skip(",")
        try expect("]")
        return elements
    }

    private mutating func number() throws(Fault) -> Double {
        let start = next
        func isDigit(_ index: Int) -> Bool { index < bytes.count && (0x30...0x39).contains(bytes[index]) }
        if bytes[next] == UInt8(ascii: "-") { next += 1 }
        guard isDigit(next) else { throw fault("not JSON: no value begins so", start) }
        if bytes[next] == UInt8(ascii: "0"), isDigit(next + 1) { throw fault("not JSON: a number begins with 0", start) }
        while isDigit(next) { next += 1 }
        if next < bytes.count, bytes[next] == UInt8(ascii: ".") {
            next += 1
            guard isDigit(next) else { throw fault("not JSON: digits are missing after '.'") }
            while isDigit(next) { next += 1 }
        }
        if next < bytes.count, bytes[next] | 0x20 == UInt8(ascii: "e") {
            next += 1
            if next < bytes.count, bytes[next] == UInt8(ascii: "+") || bytes[next] == UInt8(ascii: "-") { next += 1 }
            guard isDigit(next) else { throw fault("not JSON: digits are missing in the exponent") }
            while isDigit(next) { next += 1 }
        }
        guard let value = Double(String(decoding: bytes[start..<next], as: UTF8.self)), value.isFinite else {
            throw fault("the number is too large", start)
        }
        return value
    }

    private mutating func string() throws(Fault) -> String {
        let start = next
        next += 1
        var text: [UInt8] = []
        while next < bytes.count {
            let byte = bytes[next]
            next += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text += try escape()
            case 0..<0x20: throw fault("not JSON: a control character in a text", next - 1)
            default: text.append(byte)
            }
        }
        throw fault("not JSON: this quote is never closed", start)
    }

    private mutating func escape() throws(Fault) -> [UInt8] {
        guard next < bytes.count else { throw fault("not JSON: the document ends in a text") }
        let byte = bytes[next]
        next += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            let first = try fourDigits()
            if (0xD800..<0xDC00).contains(first), next + 1 < bytes.count, bytes[next] == 0x5C, bytes[next + 1] == UInt8(ascii: "u") {
                next += 2
                let second = try fourDigits()
                if let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second &- 0xDC00)), (0xDC00..<0xE000).contains(second) {
                    return Array(String(Character(scalar)).utf8)
                }
            } else if let scalar = Unicode.Scalar(first) {
                return Array(String(Character(scalar)).utf8)
            }
            throw fault("not JSON: half of a surrogate pair")
        default: throw fault("not JSON: no escape begins so", next - 2)
        }
    }

    private mutating func fourDigits() throws(Fault) -> UInt32 {
        guard next + 4 <= bytes.count, let value = UInt32(String(decoding: bytes[next..<next + 4], as: UTF8.self), radix: 16),
            bytes[next] != UInt8(ascii: "+"), bytes[next] != UInt8(ascii: "-")
        else { throw fault("not JSON: four hexadecimal digits are missing") }
        next += 4
        return value
    }
}
