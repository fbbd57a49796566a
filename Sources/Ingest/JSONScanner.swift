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
            // Eight at a time: times have thirteen. Beyond 19 digits the mantissa has no meaning and is not used.
            while let eight = unsafe JSONScanner.eightDigits(position) {
                mantissa = mantissa &* 100_000_000 &+ eight
                digits += 8
                unsafe position += 8
            }
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
            let value = exponent < 0 ? magnitude / powersOfTen[-exponent] : magnitude * powersOfTen[exponent]
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

    /// The value of eight digits, nil where one of the bytes is none. Pairs, then fours, then all eight are put together
    /// within one word.
    @inline(__always)
    private static func eightDigits(_ bytes: UnsafePointer<UInt8>) -> UInt64? {
        let text = unsafe UInt64(littleEndian: UnsafeRawPointer(bytes).loadUnaligned(as: UInt64.self))
        let over = text &+ 0x4646_4646_4646_4646
        let digits = text &- 0x3030_3030_3030_3030
        guard (over | digits) & 0x8080_8080_8080_8080 == 0 else { return nil }
        let pairs = (digits &* 10) &+ (digits >> 8)
        let fours = (pairs & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
        let rest = (pairs >> 16 & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
        return (fours &+ rest) >> 32
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
private let powersOfTen: InlineArray<23, Double> = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
]
