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
