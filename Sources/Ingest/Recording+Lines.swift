import Glibc
import Telemetry

/// From a line to a message.
extension Recording {
    /// Hands over the message of a line, if it is one; what `body` returns.
    @inline(__always)
    func line(_ start: UnsafeMutableRawPointer, _ length: Int, _ body: (Message) throws -> Bool) throws -> Bool {
        var count = length
        if count > 0, unsafe start.load(fromByteOffset: count - 1, as: UInt8.self) == 0x0D { count -= 1 }
        if count == 0 { return true }
        switch format {
        case .messages: return try unsafe messageLine(UnsafeRawBufferPointer(start: start, count: count), body)
        case .hexMessages: return try unsafe hexLine(start, count, body)
        case .csv: return try unsafe csvLine(UnsafeRawBufferPointer(start: start, count: count), body)
        case .json: return try unsafe jsonLine(UnsafeRawBufferPointer(start: start, count: count), body)
        case .unknown:
            format = try unsafe detect(UnsafeRawBufferPointer(start: start, count: count))
            return try unsafe format == .csv || line(start, length, body)
        }
    }

    /// Which format a first line belongs to.
    private func detect(_ line: UnsafeRawBufferPointer) throws(RecordingError) -> Format {
        let text = unsafe String(decoding: line.prefix(Limits.payloadBytes), as: UTF8.self)
        if text.hasPrefix("{") && text.contains("\"device\"") { return .json }
        let words = text.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        if words.count == 3, words[1].contains("/"), unsafe Self.moment(line[..<words[0].utf8.count]) != nil {
            return .hexMessages
        }
        if words.count >= 2, words[0].contains("/") { return .messages }
        do throws(CSVHeaderError) {
            if try csv.take(header: text) { return .csv }
        } catch {
            throw RecordingError(description: "\(path):\(lineNumber): \(error.description)")
        }
        throw RecordingError(
            description: """
                \(path):\(lineNumber): no recording that Patrol knows; it reads lines of 'mosquitto_sub -v', of \
                "mosquitto_sub -F '%U %t %x'", CSV with commas whose header has the columns device and ts, and JSON lines
                """)
    }

    /// `topic payload`. A topic with a space in it cannot be told from its payload: such are recorded in hex.
    @inline(__always)
    private func messageLine(_ line: UnsafeRawBufferPointer, _ body: (Message) throws -> Bool) throws -> Bool {
        let start = line.baseAddress!
        guard let space = unsafe memchr(start, 0x20, line.count), unsafe UnsafeRawPointer(space) > start else {
            problem("no topic, space, payload")
            return true
        }
        let split = unsafe UnsafeRawPointer(space) - start
        var payload = unsafe UnsafeRawBufferPointer(start: start + split + 1, count: line.count - split - 1)
        // So mosquitto_sub writes an empty payload.
        if payload.count == 6, unsafe memcmp(payload.baseAddress!, "(null)", 6) == 0 {
            unsafe payload = UnsafeRawBufferPointer(start: payload.baseAddress, count: 0)
        }
        return try unsafe body(Message(UnsafeRawBufferPointer(start: start, count: split), payload, nil))
    }

    /// `seconds.fraction topic hex`. The topic ends at the last space; the payload is decoded where it lies.
    private func hexLine(_ start: UnsafeMutableRawPointer, _ count: Int, _ body: (Message) throws -> Bool) throws -> Bool {
        let line = unsafe UnsafeRawBufferPointer(start: start, count: count)
        guard let first = unsafe memchr(start, 0x20, count), let last = unsafe Self.lastSpace(first, start + count),
            unsafe first + 1 < last, let received = unsafe Self.moment(line[..<(first - start)])
        else {
            problem("no 'seconds topic hex'")
            return true
        }
        let digits = unsafe last + 1
        let digitCount = unsafe start + count - digits
        guard digitCount & 1 == 0, unsafe Self.decodeHex(digits.assumingMemoryBound(to: UInt8.self), digitCount) else {
            problem("the payload is not in hex")
            return true
        }
        return try unsafe body(
            Message(
                UnsafeRawBufferPointer(start: first + 1, count: last - first - 1),
                UnsafeRawBufferPointer(start: digits, count: digitCount / 2), received))
    }

    /// The last space behind `first` and before `end`.
    private static func lastSpace(_ first: UnsafeMutableRawPointer, _ end: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        var last: UnsafeMutableRawPointer?
        var next = unsafe first + 1
        while let space = unsafe memchr(next, 0x20, end - next) {
            unsafe last = space
            unsafe next = space + 1
        }
        return unsafe last
    }

    private static func decodeHex(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Bool {
        var index = 0
        var wrong: UInt8 = 0
        while index < count {
            let high = unsafe hexDigit(bytes[index])
            let low = unsafe hexDigit(bytes[index + 1])
            wrong |= high | low
            unsafe bytes[index >> 1] = high << 4 | low & 0xF
            index += 2
        }
        return wrong < 16
    }

    /// 0 to 15, or 16 and more where it is no digit.
    @inline(__always)
    private static func hexDigit(_ byte: UInt8) -> UInt8 {
        let digit = byte &- 0x30
        let letter = (byte | 0x20) &- 0x61
        return digit < 10 ? digit : letter < 6 ? letter + 10 : 0xFF
    }

    /// Seconds since 1970 with a fraction, cut to the millisecond.
    static func moment(_ digits: Slice<UnsafeRawBufferPointer>) -> Timestamp? {
        var milliseconds: Int64 = 0
        var scale: Int64 = 0
        var hasDigits = false
        for unsafe byte in unsafe digits {
            if byte == 0x2E && scale == 0 && hasDigits {
                scale = 100
                milliseconds *= 1000
                continue
            }
            guard byte &- 0x30 < 10, milliseconds < 1 << 53 else { return nil }
            hasDigits = true
            if scale > 0 {
                milliseconds += Int64(byte &- 0x30) * scale
                scale = scale == 1 ? -1 : scale / 10
            } else if scale == 0 {
                milliseconds = milliseconds * 10 + Int64(byte &- 0x30)
            }
        }
        return hasDigits ? Timestamp(milliseconds: scale == 0 ? milliseconds * 1000 : milliseconds) : nil
    }

    private func csvLine(_ line: UnsafeRawBufferPointer, _ body: (Message) throws -> Bool) throws -> Bool {
        guard unsafe csv.fill(line) else {
            problem(csv.problem)
            return true
        }
        // Taken as if it had no arrival time, and told.
        if !csv.problem.isEmpty { problem(csv.problem) }
        let received = csv.received
        return unsafe try csv.topic.withUnsafeBytes { topic in
            unsafe try csv.payload.withUnsafeBytes { unsafe try body(Message(topic, $0, received)) }
        }
    }
}
