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
    /// Problems kept in words; the others are counted.
    public var problemsKept = 20

    public init() {}
}

/// A recording that cannot be read at all, or not to its end: `path: what; what to do`.
public struct RecordingError: Error, CustomStringConvertible, Sendable {
    public let description: String
}

/// A recording of messages: lines as `mosquitto_sub -v` prints them (topic, space, payload), as
/// `mosquitto_sub -F '%U %t %x'` does (seconds with fraction, topic, payload in hex), or CSV with a header, or JSON
/// lines as `patrol db export` writes them; plain or gzip'd. CSV rows become native payloads, so that all go the same way. One thread owns it.
///
/// Lines are found and handed over where they lie in the block that was read: nothing is copied or allocated for one.
@safe
public final class Recording {
    /// One message; its bytes are valid during the call only. `received` is nil where the recording does not say when
    /// it arrived.
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

    enum Format: BitwiseCopyable { case unknown, messages, hexMessages, csv, json }

    /// A line may hold the largest payload in hex, its topic and its time, and is refused from here on.
    static let lineBytes = 4 << 20
    /// What is read at a time: it stays in the second-level cache until it is decoded.
    static let readBytes = 256 << 10

    let path: String
    let options: RecordingOptions
    private let source: RecordingSource
    var format = Format.unknown
    var csv: CSVRow
    /// Of the line that is handed over; the first is 1.
    public private(set) var lineNumber = 0
    /// Whether each line is one reading: CSV and JSON lines.
    public var isOneReadingALine: Bool { format == .csv || format == .json }
    /// Lines that are no messages, as `path:line: message`; at most `RecordingOptions.problemsKept`.
    public private(set) var problems: [String] = []
    public private(set) var problemCount = 0
    /// Bytes read so far, decompressed.
    public private(set) var bytesRead = 0

    public init(path: String, options: RecordingOptions) throws(RecordingError) {
        self.path = path
        self.options = options
        csv = CSVRow(options)
        source = try RecordingSource(path: path)
    }

    /// The file's size, nil for a pipe; and how much of it is read. Both as it lies on the disk, so compressed.
    public var totalBytes: Int? { source.totalBytes }
    public var bytesDone: Int { source.position }

    /// Reads to the end and hands over each message; `body` returns false to stop. Lines that are no messages are
    /// passed over and told in ``problems``.
    /// - Throws: ``RecordingError``, and what `body` throws.
    public func forEach(_ body: (Message) throws -> Bool) throws {
        let block = UnsafeMutableRawPointer.allocate(byteCount: Recording.lineBytes + 1, alignment: 64)
        defer { unsafe block.deallocate() }
        var held = 0
        // Bytes of the first held line in which no end was found: not searched again.
        var searched = 0
        var isTooLong = false
        while true {
            let count = try unsafe source.read(block + held, min(Recording.readBytes, Recording.lineBytes - held))
            bytesRead += count
            held += count
            if count == 0 {
                // The last line may lack its end.
                if held == 0 || isTooLong { break }
                unsafe (block + held).storeBytes(of: 0x0A, as: UInt8.self)
                held += 1
            }
            var start = 0
            while let end = unsafe memchr(block + start + searched, 0x0A, held - start - searched) {
                let length = unsafe end - (block + start)
                lineNumber += 1
                searched = 0
                if isTooLong {
                    isTooLong = false
                } else if try unsafe !line(block + start, length, body) {
                    return
                }
                start += length + 1
            }
            if count == 0 { break }
            unsafe memmove(block, block + start, held - start)
            held -= start
            searched = held
            if held == Recording.lineBytes || isTooLong {
                if !isTooLong { problem("a line of more than \(Recording.lineBytes >> 20) MiB", line: lineNumber + 1) }
                isTooLong = true
                held = 0
                searched = 0
            }
        }
        if lineNumber == 0 && problemCount == 0 { problem("the file is empty") }
    }

    func problem(_ text: String, line: Int? = nil) {
        problemCount += 1
        if problems.count < options.problemsKept { problems.append("\(path):\(max(1, line ?? lineNumber)): \(text)") }
    }
}
