import Glibc

/// What a scanned string says.
extension JSONScanner {
    /// Whether UTF-8 holds a control character: U+0000 to U+001F, U+007F to U+009F.
    static func hasControl(_ bytes: UnsafePointer<UInt8>, count: Int) -> Bool {
        var previous: UInt8 = 0
        for index in 0..<count {
            let byte = unsafe bytes[index]
            if byte < 0x20 || byte == 0x7F || (previous == 0xC2 && byte < 0xA0) { return true }
            previous = byte
        }
        return false
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
}
