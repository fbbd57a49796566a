import Telemetry

/// A CSV's cell as a value of JSON.
enum CSVCell {
    static let `true` = Array("true".utf8)
    static let `false` = Array("false".utf8)

    /// The parts of a decimal number as CSV writes it: JSON's, and a leading `+`, leading zeros, no digit before or
    /// behind the point.
    private struct Number {
        var isNegative = false
        var whole = 0..<0
        var fraction = 0..<0
        /// From the `e` on.
        var exponent = 0..<0

        init?(_ cell: UnsafeRawBufferPointer) {
            var index = 0
            func digits() -> Range<Int> {
                let start = index
                while unsafe index < cell.count && cell[index] &- 0x30 < 10 { index += 1 }
                return start..<index
            }
            if let sign = unsafe cell.first, sign == 0x2D || sign == 0x2B {
                isNegative = sign == 0x2D
                index = 1
            }
            whole = digits()
            if unsafe index < cell.count && cell[index] == 0x2E {
                index += 1
                fraction = digits()
            }
            if whole.isEmpty && fraction.isEmpty { return nil }
            if unsafe index < cell.count && cell[index] | 0x20 == 0x65 {
                let start = index
                index += 1
                if unsafe index < cell.count && (cell[index] == 0x2D || cell[index] == 0x2B) { index += 1 }
                if digits().isEmpty { return nil }
                exponent = start..<index
            }
            if index < cell.count { return nil }
            while whole.count > 1, unsafe cell[whole.lowerBound] == 0x30 { whole = whole.lowerBound + 1..<whole.upperBound }
        }
    }

    /// The same digits as JSON writes them. `5.0` is whole: tables with empty cells are often written so.
    static func appendNumber(_ cell: UnsafeRawBufferPointer, isInteger: Bool, to json: inout [UInt8]) {
        guard let number = unsafe Number(cell) else { return unsafe appendText(cell, to: &json) }
        if number.isNegative { json.append(0x2D) }
        if number.whole.isEmpty { json.append(0x30) } else { unsafe json.append(contentsOf: cell[number.whole]) }
        let isWhole = unsafe isInteger && number.exponent.isEmpty && cell[number.fraction].allSatisfy { $0 == 0x30 }
        if !number.fraction.isEmpty && !isWhole {
            json.append(0x2E)
            unsafe json.append(contentsOf: cell[number.fraction])
        }
        unsafe json.append(contentsOf: cell[number.exponent])
    }

    /// `true` or `1`, `false` or `0`, in any case of letters.
    static func appendBool(_ cell: UnsafeRawBufferPointer, to json: inout [UInt8]) {
        if unsafe equals(cell, CSVCell.true) || equals(cell, [0x31]) {
            json.append(contentsOf: CSVCell.true)
        } else if unsafe equals(cell, CSVCell.false) || equals(cell, [0x30]) {
            json.append(contentsOf: CSVCell.false)
        } else {
            unsafe appendText(cell, to: &json)
        }
    }

    private static func equals(_ cell: UnsafeRawBufferPointer, _ word: [UInt8]) -> Bool {
        guard cell.count == word.count else { return false }
        for index in word.indices where unsafe cell[index] | 0x20 != word[index] | 0x20 { return false }
        return true
    }

    /// Names between spaces, `|`, `;`, or as a JSON array has them.
    static func appendFlags(_ cell: UnsafeRawBufferPointer, to json: inout [UInt8]) {
        json.append(0x5B)
        var start = 0
        var isFirst = true
        for index in 0...cell.count {
            if index < cell.count {
                switch unsafe cell[index] {
                case 0x20, 0x7C, 0x3B, 0x2C, 0x5B, 0x5D, 0x22: break
                default: continue
                }
            }
            if index > start {
                if !isFirst { json.append(0x2C) }
                isFirst = false
                unsafe appendText(UnsafeRawBufferPointer(rebasing: cell[start..<index]), to: &json)
            }
            start = index + 1
        }
        json.append(0x5D)
    }

    static func appendText(_ cell: UnsafeRawBufferPointer, to json: inout [UInt8]) {
        let digits: StaticString = "0123456789abcdef"
        json.append(0x22)
        for unsafe byte in unsafe cell {
            if byte < 0x20 {
                json.append(contentsOf: [0x5C, 0x75, 0x30, 0x30, 0x30 + (byte >> 4)])
                unsafe json.append(digits.utf8Start[Int(byte & 0xF)])
                continue
            }
            if byte == 0x22 || byte == 0x5C { json.append(0x5C) }
            json.append(byte)
        }
        json.append(0x22)
    }

    /// RFC 3339, or milliseconds since 1970; nil where it is neither or no time that a reading can have.
    static func moment(_ cell: UnsafeRawBufferPointer) -> Timestamp? {
        let moment: Timestamp?
        if let number = unsafe Number(cell) {
            guard !number.isNegative, number.exponent.isEmpty, number.whole.count <= 15 else { return nil }
            var milliseconds: Int64 = 0
            for index in number.whole { milliseconds = unsafe milliseconds * 10 + Int64(cell[index] - 0x30) }
            moment = Timestamp(milliseconds: milliseconds)
        } else {
            moment = unsafe Timestamp(rfc3339: cell)
        }
        guard let moment, moment >= .firstAccepted, moment <= .lastAccepted else { return nil }
        return moment
    }

    /// Android's battery status: 2 and 5 are true, 3 and 4 false; nil for all else.
    static func isCharging(_ cell: UnsafeRawBufferPointer) -> Bool? {
        guard let number = unsafe Number(cell), !number.isNegative, number.exponent.isEmpty, number.whole.count == 1,
            unsafe cell[number.fraction].allSatisfy({ $0 == 0x30 })
        else { return nil }
        switch unsafe cell[number.whole.lowerBound] {
        case 0x32, 0x35: return true
        case 0x33, 0x34: return false
        default: return nil
        }
    }
}
