import Foundation
import Telemetry
import Testing

@testable import Ingest

/// Recordings of real devices; they lie beside the repository, or where PATROL_DATA says. With CI=true they must be there.
private enum Recorded {
    static let folder: URL = {
        if let path = ProcessInfo.processInfo.environment["PATROL_DATA"] { return URL(fileURLWithPath: path) }
        var root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        for _ in 0..<3 { root.deleteLastPathComponent() }
        return root.deletingLastPathComponent().appendingPathComponent("shared/data")
    }()

    static var isMust: Bool { ProcessInfo.processInfo.environment["CI"] == "true" }
    static var isThere: Bool { FileManager.default.fileExists(atPath: folder.path) }

    /// The rows as cells, read without any of Patrol's code.
    static func rows(_ name: String, limit: Int = .max) throws -> [[String]] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/gzip")
        process.arguments = ["-dc", folder.appendingPathComponent(name).path]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return data.split(separator: 0x0A).prefix(limit).dropFirst().map { line in
            line.split(separator: 0x2C, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Every message of the recording; all are counted, the first `limit` are kept.
    static func messages(_ name: String, _ kind: Kind, limit: Int = .max) throws -> (count: Int, lines: [Reader.Line]) {
        var options = RecordingOptions()
        options.kind = kind
        let recording = try Recording(path: folder.appendingPathComponent(name).path, options: options)
        var count = 0
        var lines: [Reader.Line] = []
        try recording.forEach { message in
            count += 1
            if lines.count < limit {
                unsafe lines.append(
                    Reader.Line(
                        String(decoding: message.topic, as: UTF8.self), String(decoding: message.payload, as: UTF8.self),
                        message.received?.milliseconds))
            }
            return true
        }
        #expect(recording.problems.isEmpty)
        return (count, lines)
    }

    /// `"name":cell`, nothing where the cell is empty.
    static func member(_ name: String, _ cell: String) -> String { cell.isEmpty ? "" : ",\"\(name)\":\(cell)" }
}

@Suite(.enabled(if: Recorded.isThere || Recorded.isMust, "the recordings are not here; PATROL_DATA names their folder"))
struct RecordedDataTests {
    @Test func streetNoise() throws {
        let kept = 20_000
        let (count, lines) = try Recorded.messages("noise_tallinn_kesklinn.csv.gz", .noise, limit: kept)
        #expect(count == 728_347)
        for (line, row) in zip(lines, try Recorded.rows("noise_tallinn_kesklinn.csv.gz", limit: kept + 1)) {
            guard line == Reader.Line("patrol/v1/in/recording/noise/\(row[0])", "{\"ts\":\"\(row[1])\",\"laeq\":\(row[2])}") else {
                Issue.record("\(row) became \(line)")
                return
            }
        }
    }

    @Test func busesOfAustin() throws {
        let kept = 20_000
        let (count, lines) = try Recorded.messages("gps_capmetro_austin.csv.gz", .vehicle, limit: kept)
        #expect(count == 115_088)
        for (line, row) in zip(lines, try Recorded.rows("gps_capmetro_austin.csv.gz", limit: kept + 1)) {
            let values = Recorded.member("lat", row[2]) + Recorded.member("lon", row[3]) + Recorded.member("speed_kmh", row[4])
                + Recorded.member("heading", row[5])
            guard line == Reader.Line("patrol/v1/in/recording/vehicle/\(row[0])", "{\"ts\":\"\(row[1])\"\(values)}") else {
                Issue.record("\(row) became \(line)")
                return
            }
        }
    }

    @Test func lateTrucksKeepTheirTimeOfReceipt() throws {
        let (count, lines) = try Recorded.messages("gps_fleet_latearrival.csv.gz", .vehicle)
        let rows = try Recorded.rows("gps_fleet_latearrival.csv.gz")
        #expect(count == 3_566 && rows.count == count)
        #expect(lines.count { $0.received == nil } == 5)
        let format = ISO8601DateFormatter()
        for (line, row) in zip(lines, rows) {
            guard let received = line.received else {
                #expect(row[6].isEmpty)
                continue
            }
            let seconds = row[6].split(separator: ".")[0].split(separator: "Z")[0]
            let date = try #require(format.date(from: "\(seconds)Z"))
            guard received / 1000 == Int64(date.timeIntervalSince1970) else {
                Issue.record("\(row[6]) became \(received)")
                return
            }
        }
    }

    @Test func phonesShutDownAndReboot() throws {
        let (count, lines) = try Recorded.messages("heartbeat_phones.csv.gz", .bodycam)
        let rows = try Recorded.rows("heartbeat_phones.csv.gz")
        #expect(count == 14_107 && rows.count == count)
        let charging = ["2": "true", "5": "true", "3": "false", "4": "false"]
        for (line, row) in zip(lines, rows) {
            let values = Recorded.member("battery", row[2]) + Recorded.member("charging", charging[row[3]] ?? "")
                + Recorded.member("rssi", row[5]) + Recorded.member("lat", row[7]) + Recorded.member("lon", row[8])
            guard line.payload == "{\"ts\":\"\(row[1])\"\(values)}" else {
                Issue.record("\(row) became \(line)")
                return
            }
        }
    }
}
