import Glibc
public import Telemetry

/// What a recording cannot say of itself.
public struct RecordingOptions: Sendable {
    public var topicRoot = "patrol/v1"
    /// For rows of a CSV: all are of this kind and come through this gateway.
    public var kind = Kind.noise
    public var gateway = "recording"
    /// Period of readings that do not state one, in seconds as it is to stand in the payload; nil leaves the default.
    public var period: String?

    public init() {}
}

public struct RecordingError: Error, CustomStringConvertible, Sendable {
    public let description: String
}

/// A recording of messages: lines as `mosquitto_sub -v` prints them (topic, space, payload), as
/// `mosquitto_sub -F '%U %t %x'` does (seconds with fraction, topic, payload in hex), or CSV with a header; plain or
/// gzip'd. CSV rows become native payloads, so that all three go the same way.
@safe
public final class Recording {
    /// One message. `received` is nil where the recording does not say when it arrived.
    @safe
    public struct Message {
        public let topic: UnsafeRawBufferPointer
        public let payload: UnsafeRawBufferPointer
        public let received: Timestamp?

        init(_ topic: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer, _ received: Timestamp?) {
            unsafe self.topic = topic
            unsafe self.payload = payload
            self.received = received
        }
    }

    enum Format {
        case messages
        case hexMessages
        case csv(CSVColumns)
    }

    private let path: String
    private let options: RecordingOptions
    // Opened in init, closed in deinit.
    private let file: UnsafeMutablePointer<FILE>
    private let isPipe: Bool
    private var format: Format?
    private var lineNumber = 0
    /// Lines that are no messages, as `path:line: message`; at most 20 are kept.
    public private(set) var problems: [String] = []
    public private(set) var problemCount = 0
    /// Bytes read so far, decompressed.
    public private(set) var bytesRead = 0
    private var hex = [UInt8]()
    private var csv = CSVRow()

    public init(path: String, options: RecordingOptions) throws(RecordingError) {
        self.path = path
        self.options = options
        var magic: [UInt8] = [0, 0]
        guard let plain = unsafe fopen(path, "r") else {
            throw RecordingError(description: "\(path): \(unsafe String(cString: strerror(errno))); give a file that can be read")
        }
        let count = unsafe fread(&magic, 1, 2, plain)
        if count == 2 && magic == [0x1F, 0x8B] {
            unsafe fclose(plain)
            let quoted = "'" + path.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
            guard let pipe = unsafe popen("exec gzip -dc -- \(quoted)", "r") else {
                throw RecordingError(description: "\(path): gzip could not be started")
            }
            unsafe file = pipe
            isPipe = true
        } else {
            unsafe rewind(plain)
            unsafe file = plain
            isPipe = false
        }
    }

    deinit { if isPipe { unsafe pclose(file) } else { unsafe fclose(file) } }

    /// Reads to the end and hands over each message; `body` returns false to stop. Lines that are no messages are
    /// passed over and told in ``problems``.
    public func forEach(_ body: (Message) throws -> Bool) throws {
        let capacity = 4 << 20
        let block = UnsafeMutableRawPointer.allocate(byteCount: capacity + 64, alignment: 64)
        defer { unsafe block.deallocate() }
        var held = 0
        var isOver = false
        while !isOver {
            let count = unsafe fread(block + held, 1, capacity - held, file)
            bytesRead += count
            held += count
            if count == 0 {
                isOver = true
                if held == 0 { break }
                unsafe (block + held).storeBytes(of: 0x0A, as: UInt8.self)
                held += 1
            }
            var start = 0
            while let end = unsafe memchr(block + start, 0x0A, held - start) {
                let length = unsafe end - (block + start)
                lineNumber += 1
                guard try unsafe line(UnsafeRawBufferPointer(start: block + start, count: length), body) else { return }
                start += length + 1
            }
            if start == 0 && held == capacity {
                throw RecordingError(description: "\(path):\(lineNumber + 1): a line of more than \(capacity) bytes")
            }
            unsafe memmove(block, block + start, held - start)
            held -= start
        }
        if lineNumber == 0 { problem("the file is empty") }
    }

    private func problem(_ text: String) {
        problemCount += 1
        if problems.count < 20 { problems.append("\(path):\(max(1, lineNumber)): \(text)") }
    }

    @inline(__always)
    private func line(_ raw: UnsafeRawBufferPointer, _ body: (Message) throws -> Bool) throws -> Bool {
        var line = unsafe raw
        if unsafe line.last == 0x0D { unsafe line = UnsafeRawBufferPointer(rebasing: line.dropLast()) }
        if unsafe line.isEmpty { return true }
        guard let format else {
            let detected = unsafe try detect(line)
            self.format = detected
            if case .csv = detected { return true }
            return try unsafe self.line(raw, body)
        }
        switch format {
        case .messages:
            guard let space = unsafe memchr(line.baseAddress!, 0x20, line.count) else {
                problem("no space between topic and payload")
                return true
            }
            let split = unsafe space - UnsafeMutableRawPointer(mutating: line.baseAddress!)
            return try unsafe body(
                Message(
                    UnsafeRawBufferPointer(rebasing: line[..<split]),
                    UnsafeRawBufferPointer(rebasing: line[(split + 1)...]), nil))
        case .hexMessages: return try unsafe hexLine(line, body)
        case .csv(let columns):
            guard let received = unsafe csv.fill(line, columns, options) else {
                problem(csv.problem)
                return true
            }
            return unsafe try csv.topic.withUnsafeBytes { topic in
                unsafe try csv.payload.withUnsafeBytes { unsafe try body(Message(topic, $0, received.moment)) }
            }
        }
    }

    private func detect(_ line: UnsafeRawBufferPointer) throws(RecordingError) -> Format {
        let text = unsafe String(decoding: line, as: UTF8.self)
        let words = text.split(separator: " ", maxSplits: 2)
        if words.count >= 2, Double(words[0]) != nil, words[1].contains("/") { return .hexMessages }
        if let first = words.first, words.count >= 2, first.contains("/") { return .messages }
        if let columns = CSVColumns(header: text, kind: options.kind) { return .csv(columns) }
        throw RecordingError(
            description: """
                \(path):1: no recording that Patrol knows; it reads lines of 'mosquitto_sub -v', of \
                "mosquitto_sub -F '%U %t %x'", and CSV whose header has the columns device and ts
                """)
    }

    /// `seconds.fraction topic hex`.
    private func hexLine(_ line: UnsafeRawBufferPointer, _ body: (Message) throws -> Bool) throws -> Bool {
        guard let first = unsafe line.firstIndex(of: 0x20), let second = unsafe line[(first + 1)...].firstIndex(of: 0x20),
            let received = unsafe moment(line[..<first])
        else {
            problem("not 'seconds topic hex'")
            return true
        }
        hex.removeAll(keepingCapacity: true)
        var high: UInt8?
        for index in second + 1..<line.count {
            let byte = unsafe line[index]
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x61...0x66: digit = byte - 0x57
            case 0x41...0x46: digit = byte - 0x37
            default:
                problem("the payload is not in hex")
                return true
            }
            if let upper = high {
                hex.append(upper << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return unsafe try hex.withUnsafeBytes { payload in
            unsafe try body(Message(UnsafeRawBufferPointer(rebasing: line[(first + 1)..<second]), payload, received))
        }
    }

    /// Seconds with a fraction, cut to the millisecond.
    private func moment(_ digits: Slice<UnsafeRawBufferPointer>) -> Timestamp? {
        let text = unsafe String(decoding: digits, as: UTF8.self)
        let parts = text.split(separator: ".", maxSplits: 1)
        guard let first = parts.first, let seconds = Int64(first) else { return nil }
        let fraction = parts.count > 1 ? Int64((parts[1] + "000").prefix(3)) ?? 0 : 0
        return Timestamp(milliseconds: seconds * 1000 + fraction)
    }
}
