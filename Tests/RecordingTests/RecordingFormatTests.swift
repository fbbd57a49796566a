import Foundation
import Telemetry
import Testing

@testable import Ingest

/// What a recording gave.
struct Reader {
    struct Line: Equatable {
        var topic: String
        var payload: String
        var received: Int64?

        init(_ topic: String, _ payload: String, _ received: Int64? = nil) {
            self.topic = topic
            self.payload = payload
            self.received = received
        }
    }

    var lines: [Line] = []
    var problems: [String] = []
    var problemCount = 0

    init(_ bytes: Data, gzip: Bool = false, _ change: (inout RecordingOptions) -> Void = { _ in }) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // A name that a shell would take apart.
        var file = folder.appendingPathComponent("a 'quoted' $name.txt")
        try bytes.write(to: file)
        if gzip {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/gzip")
            process.arguments = [file.path]
            try process.run()
            process.waitUntilExit()
            file = file.appendingPathExtension("gz")
        }
        var options = RecordingOptions()
        change(&options)
        let recording = try Recording(path: file.path, options: options)
        try recording.forEach { message in
            unsafe lines.append(
                Line(
                    String(decoding: message.topic, as: UTF8.self), String(decoding: message.payload, as: UTF8.self),
                    message.received?.milliseconds))
            return true
        }
        problems = recording.problems.map { $0.replacingOccurrences(of: file.path, with: "FILE") }
        problemCount = recording.problemCount
    }

    init(_ text: String, gzip: Bool = false, _ change: (inout RecordingOptions) -> Void = { _ in }) throws {
        try self.init(Data(text.utf8), gzip: gzip, change)
    }
}

@Suite struct RecordingFormatTests {
    @Test func linesOfVerboseSubscribers() throws {
        let text = """
            patrol/v1/in/g/noise/m {"ts": 1, "laeq": 50}
            patrol/v1/in/g/noise/m (null)

            patrol/v1/in/g/noise/m a payload with  spaces\r
            patrol/v1/in/g/noise/m\u{20}
            other/topic x
            """
        let expected = [
            Reader.Line("patrol/v1/in/g/noise/m", #"{"ts": 1, "laeq": 50}"#), Reader.Line("patrol/v1/in/g/noise/m", ""),
            Reader.Line("patrol/v1/in/g/noise/m", "a payload with  spaces"), Reader.Line("patrol/v1/in/g/noise/m", ""),
            Reader.Line("other/topic", "x"),
        ]
        #expect(try Reader(text).lines == expected)
        #expect(try Reader(text + "\n").lines == expected)
        #expect(try Reader(text, gzip: true).lines == expected)
        #expect(try Reader(text, gzip: true).problems.isEmpty)
    }

    @Test func aLineThatIsNoMessageIsToldAndPassedOver() throws {
        let reader = try Reader("a/b {}\nnonsense\n lacks a topic\na/c {}\n")
        #expect(reader.lines == [Reader.Line("a/b", "{}"), Reader.Line("a/c", "{}")])
        #expect(reader.problems == ["FILE:2: no topic, space, payload", "FILE:3: no topic, space, payload"])
        let many = try Reader("a/b {}\n" + String(repeating: "nonsense\n", count: 100))
        #expect(many.problemCount == 100 && many.problems.count == 20)
    }

    @Test func hexLinesHaveTimesAndAnyBytes() throws {
        let reader = try Reader(
            """
            1528380000.123456789 a/b 7b7D
            1528380000 a/b 0a
            1528380000.5 a topic/with spaces 00
            1528380001.9 a/b\u{20}
            1528380002 a/b 7b7
            1528380003 a/b 7g
            1528380004 a/b
            x a/b 7b
            1528380005.000000001 a/b 2020
            """)
        #expect(
            reader.lines == [
                Reader.Line("a/b", "{}", 1_528_380_000_123), Reader.Line("a/b", "\n", 1_528_380_000_000),
                Reader.Line("a topic/with spaces", "\0", 1_528_380_000_500), Reader.Line("a/b", "", 1_528_380_001_900),
                Reader.Line("a/b", "  ", 1_528_380_005_000),
            ])
        #expect(
            reader.problems == [
                "FILE:5: the payload is not in hex", "FILE:6: the payload is not in hex", "FILE:7: no 'seconds topic hex'",
                "FILE:8: no 'seconds topic hex'",
            ])
    }

    @Test func everyByteComesThroughHex() throws {
        let hex = (0..<256).map { String(format: "%02x", $0) }.joined()
        for text in [hex, hex.uppercased()] {
            let reader = try Reader("1.0 a/b \(text)")
            #expect(reader.lines.count == 1 && reader.problems.isEmpty)
        }
    }

    @Test func linesLieAcrossBlocksAndTooLongOnesArePassedOver() throws {
        // Lengths that move every line's end over the ends of the blocks that are read.
        var text = ""
        var expected: [Reader.Line] = []
        for index in 0..<300 {
            let payload = String(repeating: "x", count: index * 37 % 9001 + 1)
            text += "t/\(index) \(payload)\n"
            expected.append(Reader.Line("t/\(index)", payload))
        }
        #expect(try Reader(text).lines == expected)
        #expect(try Reader(text, gzip: true).lines == expected)
        let long = String(repeating: "y", count: Recording.lineBytes + 5)
        let reader = try Reader("t/a 1\nt/b \(long)\nt/c 3\n")
        #expect(reader.lines == [Reader.Line("t/a", "1"), Reader.Line("t/c", "3")])
        #expect(reader.problems == ["FILE:2: a line of more than 4 MiB"])
        #expect(try Reader("t/a 1\nt/b \(long)").lines == [Reader.Line("t/a", "1")])
        let longest = String(repeating: "ab", count: Limits.payloadBytes)
        #expect(try Reader("1.0 t/a \(longest)\n1.0 t/b 7b").lines.map(\.topic) == ["t/a", "t/b"])
    }

    @Test func whatIsNoRecordingIsSaidAtOnce() throws {
        for text in ["hello", "a;b;c\n1;2;3", "{\"ts\": 1}", "device,laeq\nm,1"] {
            let error = #expect(throws: RecordingError.self) { try Reader(text) }
            #expect(error?.description.contains(":1: no recording that Patrol knows") == true)
        }
        let missing = #expect(throws: RecordingError.self) { try Recording(path: "/nowhere/x", options: RecordingOptions()) }
        #expect(missing?.description.hasPrefix("/nowhere/x: No such file or directory") == true)
        #expect(throws: RecordingError.self) { try Recording(path: "/tmp", options: RecordingOptions()) }
        #expect(try Reader("").problems == ["FILE:1: the file is empty"])
        #expect(try Reader("", gzip: true).problems == ["FILE:1: the file is empty"])
    }

    @Test func aDamagedGzipIsAnErrorAfterWhatItGave() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).gz")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]).write(to: file)
        let recording = try Recording(path: file.path, options: RecordingOptions())
        let error = #expect(throws: RecordingError.self) { try recording.forEach { _ in true } }
        #expect(error?.description.contains("gzip could not decompress all of it") == true)
    }

    @Test func theReaderMayStopAndProgressIsKnown() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).txt")
        defer { try? FileManager.default.removeItem(at: file) }
        let text = String(repeating: "a/b {}\n", count: 100_000)
        try Data(text.utf8).write(to: file)
        var count = 0
        let stopped = try Recording(path: file.path, options: RecordingOptions())
        try stopped.forEach { _ in
            count += 1
            return count < 10
        }
        #expect(count == 10)
        let whole = try Recording(path: file.path, options: RecordingOptions())
        try whole.forEach { _ in true }
        #expect(whole.totalBytes == text.utf8.count && whole.bytesDone == text.utf8.count && whole.bytesRead == text.utf8.count)
    }
}
