import Glibc

/// A strict scanner of JSON (RFC 8259) over bytes that end with NUL padding. It allocates nothing: it moves a pointer.
///
/// The padding (``padding`` zero bytes behind the text) stands in for bounds checks: NUL is no part of valid JSON, so
/// every loop ends there, and words may be loaded past the end.
@safe
struct JSONScanner {
    static let padding = 64

    // Inside the decoder's padded buffer, which outlives the scanner.
    var position: UnsafePointer<UInt8>

    struct Number {
        var value = 0.0
        /// Written without fraction and exponent, and within `Int64`.
        var isInteger = false
        var integer: Int64 = 0
    }

    @safe
    struct Text {
        var start: UnsafePointer<UInt8>
        var count: Int
        var hasEscapes: Bool
    }

    @inline(__always)
    var byte: UInt8 { unsafe position.pointee }

    @inline(__always)
    mutating func skipSpace() {
        while unsafe position.pointee <= 0x20 {
            let byte = unsafe position.pointee
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            unsafe position += 1
        }
    }

    /// Takes `expected` after white space.
    @inline(__always)
    mutating func take(_ expected: UInt8) -> Bool {
        skipSpace()
        guard unsafe position.pointee == expected else { return false }
        unsafe position += 1
        return true
    }

    /// A string behind its opening quote; the escapes are checked, not decoded.
    @inline(__always)
    mutating func string() -> Text? {
        let start = unsafe position
        var hasEscapes = false
        while true {
            let byte = unsafe position.pointee
            if byte == 0x22 { break }
            if byte < 0x20 { return nil }
            if byte == 0x5C {
                hasEscapes = true
                guard skipEscape() else { return nil }
            } else {
                unsafe position += 1
            }
        }
        let count = unsafe position - start
        unsafe position += 1
        return unsafe Text(start: start, count: count, hasEscapes: hasEscapes)
    }

    private mutating func skipEscape() -> Bool {
        unsafe position += 1
        switch unsafe position.pointee {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74:
            unsafe position += 1
            return true
        case 0x75:
            guard let unit = unsafe JSONScanner.hex4(position + 1) else { return false }
            unsafe position += 5
            if unit & 0xFC00 == 0xDC00 { return false }
            if unit & 0xFC00 != 0xD800 { return true }
            guard unsafe position[0] == 0x5C && position[1] == 0x75,
                let low = unsafe JSONScanner.hex4(position + 2), low & 0xFC00 == 0xDC00
            else { return false }
            unsafe position += 6
            return true
        default: return false
        }
    }

    static func hex4(_ bytes: UnsafePointer<UInt8>) -> UInt32? {
        var value: UInt32 = 0
        for index in 0..<4 {
            let byte = unsafe bytes[index]
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x37
            case 0x61...0x66: digit = byte - 0x57
            default: return nil
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    /// Copies a string to `out` with its escapes decoded; nil when it is longer than `limit` bytes.
    static func decode(_ text: Text, into out: UnsafeMutablePointer<UInt8>, limit: Int) -> Int? {
        if !text.hasEscapes {
            guard text.count <= limit else { return nil }
            unsafe memcpy(out, text.start, text.count)
            return text.count
        }
        var count = 0
        var index = 0
        func put(_ byte: UInt32) {
            if count < limit { unsafe out[count] = UInt8(truncatingIfNeeded: byte) }
            count += 1
        }
        while index < text.count {
            let byte = unsafe text.start[index]
            guard byte == 0x5C else {
                put(UInt32(byte))
                index += 1
                continue
            }
            let kind = unsafe text.start[index + 1]
            index += 2
            switch kind {
            case 0x62: put(8)
            case 0x66: put(12)
            case 0x6E: put(10)
            case 0x72: put(13)
            case 0x74: put(9)
            case 0x75:
                var scalar = unsafe hex4(text.start + index)!
                index += 4
                if scalar & 0xFC00 == 0xD800 {
                    let low = unsafe hex4(text.start + index + 2)!
                    scalar = 0x10000 + (scalar & 0x3FF) << 10 + (low & 0x3FF)
                    index += 6
                }
                switch scalar {
                case 0..<0x80: put(scalar)
                case 0x80..<0x800:
                    put(0xC0 | scalar >> 6)
                    put(0x80 | scalar & 0x3F)
                case 0x800..<0x10000:
                    put(0xE0 | scalar >> 12)
                    put(0x80 | scalar >> 6 & 0x3F)
                    put(0x80 | scalar & 0x3F)
                default:
                    put(0xF0 | scalar >> 18)
                    put(0x80 | scalar >> 12 & 0x3F)
                    put(0x80 | scalar >> 6 & 0x3F)
                    put(0x80 | scalar & 0x3F)
                }
            default: put(UInt32(kind))
            }
        }
        return count <= limit ? count : nil
    }

    /// A number; nil where it is none. The value is the nearest `Double`: exact by Clinger's fast path (a mantissa below
    /// 2^53, a power of ten up to 22), by `strtod` otherwise. Too large a number is infinite.
    @inline(__always)
    mutating func number() -> Number? {
        let start = unsafe position
        var isNegative = false
        if unsafe position.pointee == 0x2D {
            isNegative = true
            unsafe position += 1
        }
        var mantissa: UInt64 = 0
        var digits = 0
        let first = unsafe position.pointee &- 0x30
        guard first < 10 else { return nil }
        if first == 0 {
            unsafe position += 1
            if unsafe position.pointee &- 0x30 < 10 { return nil }
        } else {
            while true {
                let digit = unsafe position.pointee &- 0x30
                guard digit < 10 else { break }
                mantissa = mantissa &* 10 &+ UInt64(digit)
                digits += 1
                unsafe position += 1
            }
        }
        var exponent = 0
        var isInteger = true
        if unsafe position.pointee == 0x2E {
            isInteger = false
            unsafe position += 1
            let fraction = unsafe position
            while true {
                let digit = unsafe position.pointee &- 0x30
                guard digit < 10 else { break }
                mantissa = mantissa &* 10 &+ UInt64(digit)
                digits += 1
                unsafe position += 1
            }
            exponent = unsafe fraction - position
            if exponent == 0 { return nil }
        }
        if unsafe position.pointee | 0x20 == 0x65 {
            isInteger = false
            guard let written = takeExponent() else { return nil }
            exponent += written
        }
        var number = Number()
        if digits <= 19 && mantissa < 1 << 53 && exponent >= -22 && exponent <= 22 {
            let magnitude = Double(mantissa)
            let value = unsafe exponent < 0 ? magnitude / powersOfTen[-exponent] : magnitude * powersOfTen[exponent]
            number.value = isNegative ? -value : value
        } else {
            number.value = unsafe strtod(UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self), nil)
        }
        if isInteger && digits <= 18 {
            number.isInteger = true
            number.integer = isNegative ? -Int64(mantissa) : Int64(mantissa)
        } else if isInteger, digits == 19, mantissa <= UInt64(Int64.max) {
            number.isInteger = true
            number.integer = isNegative ? -Int64(mantissa) : Int64(mantissa)
        }
        return number
    }

    private mutating func takeExponent() -> Int? {
        unsafe position += 1
        var isNegative = false
        if unsafe position.pointee == 0x2B || position.pointee == 0x2D {
            isNegative = unsafe position.pointee == 0x2D
            unsafe position += 1
        }
        let start = unsafe position
        var value = 0
        while unsafe position.pointee &- 0x30 < 10 {
            if value < 100_000 { value = unsafe value * 10 + Int(position.pointee &- 0x30) }
            unsafe position += 1
        }
        guard unsafe position > start else { return nil }
        return isNegative ? -value : value
    }

    /// Takes `word` where it stands.
    mutating func literal(_ word: StaticString) -> Bool {
        guard unsafe strncmp(
            UnsafeRawPointer(position).assumingMemoryBound(to: CChar.self),
            UnsafeRawPointer(word.utf8Start).assumingMemoryBound(to: CChar.self), word.utf8CodeUnitCount) == 0
        else { return false }
        unsafe position += word.utf8CodeUnitCount
        return true
    }

    /// Passes over any value, checking it. False where it is not JSON or nested deeper than `depth`.
    mutating func skipValue(depth: Int) -> Bool {
        skipSpace()
        switch byte {
        case 0x22:
            unsafe position += 1
            return string() != nil
        case 0x7B:
            guard depth > 0 else { return false }
            unsafe position += 1
            if take(0x7D) { return true }
            repeat {
                guard take(0x22), string() != nil, take(0x3A), skipValue(depth: depth - 1) else { return false }
            } while take(0x2C)
            return take(0x7D)
        case 0x5B:
            guard depth > 0 else { return false }
            unsafe position += 1
            if take(0x5D) { return true }
            repeat { guard skipValue(depth: depth - 1) else { return false } } while take(0x2C)
            return take(0x5D)
        case 0x74: return literal("true")
        case 0x66: return literal("false")
        case 0x6E: return literal("null")
        default: return number() != nil
        }
    }
}

/// Powers of ten that a `Double` holds exactly.
private nonisolated(unsafe) let powersOfTen: UnsafeMutablePointer<Double> = {
    let table = UnsafeMutablePointer<Double>.allocate(capacity: 23)
    var power = 1.0
    for index in 0..<23 {
        unsafe table[index] = power
        power *= 10
    }
    return unsafe table
}()

/// UTF-8 (RFC 3629), strictly.
enum UTF8Check {
    /// Whether the bytes are valid; pure ASCII costs a word a step. Reads up to 7 bytes past the end (padded).
    static func isValid(_ bytes: UnsafePointer<UInt8>, count: Int) -> Bool {
        var index = 0
        while index < count {
            let word = unsafe UnsafeRawPointer(bytes + index).loadUnaligned(as: UInt64.self)
            if word & 0x8080_8080_8080_8080 == 0 {
                index += 8
                continue
            }
            return unsafe isValidSlowly(bytes + index, count: count - index)
        }
        return true
    }

    private static func isValidSlowly(_ bytes: UnsafePointer<UInt8>, count: Int) -> Bool {
        var index = 0
        func continues(_ offset: Int, _ range: ClosedRange<UInt8> = 0x80...0xBF) -> Bool {
            unsafe index + offset < count && range.contains(bytes[index + offset])
        }
        while index < count {
            switch unsafe bytes[index] {
            case 0..<0x80: index += 1
            case 0xC2...0xDF:
                guard continues(1) else { return false }
                index += 2
            case 0xE0...0xEF:
                let lead = unsafe bytes[index]
                let second: ClosedRange<UInt8> = lead == 0xE0 ? 0xA0...0xBF : lead == 0xED ? 0x80...0x9F : 0x80...0xBF
                guard continues(1, second), continues(2) else { return false }
                index += 3
            case 0xF0...0xF4:
                let lead = unsafe bytes[index]
                let second: ClosedRange<UInt8> = lead == 0xF0 ? 0x90...0xBF : lead == 0xF4 ? 0x80...0x8F : 0x80...0xBF
                guard continues(1, second), continues(2), continues(3) else { return false }
                index += 4
            default: return false
            }
        }
        return true
    }
}
