import Foundation
import Ingest
import Mosquitto
import Telemetry
import Testing

@testable import Simulation

/// A real broker on a free port of the loopback; it ends with the object.
private final class Broker {
    static let binary = "/usr/sbin/mosquitto"
    static let client = "/usr/bin/mosquitto_sub"
    static var isThere: Bool { [binary, client].allSatisfy(FileManager.default.isExecutableFile) }

    let port: Int
    private let process = Process()
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)

    init() throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        port = try Broker.freePort()
        let configuration = folder.appendingPathComponent("mosquitto.conf")
        try """
            listener \(port) 127.0.0.1
            allow_anonymous true
            max_inflight_messages 20000
            max_queued_messages 1000000
            log_type none
            """.write(to: configuration, atomically: true, encoding: .utf8)
        process.executableURL = URL(fileURLWithPath: Broker.binary)
        process.arguments = ["-c", configuration.path]
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }

    private static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try #require(bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0)
            }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    func feeder() throws -> Feeder {
        let address = BrokerAddress(host: "127.0.0.1", port: Int32(port))
        let feeder = try Feeder(connection: ConnectionOptions(address: address, clientID: "feeder-test"))
        try #require(feeder.waitUntilConnected(seconds: 20), "mosquitto does not answer on port \(port)")
        return feeder
    }

    /// What a stock client prints. With `count` nil it only leaves its subscription with the broker.
    func subscriber(count: Int?) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Broker.client)
        process.arguments = ["-p", "\(port)", "-c", "-i", "listener", "-q", "1", "-t", "#", "-W", "30"]
            + (count.map { ["-v", "-C", "\($0)"] } ?? ["-E"])
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let text = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: text, as: UTF8.self)
    }
}

@Suite(
    .serialized,
    .enabled(
        if: Broker.isThere || ProcessInfo.processInfo.environment["CI"] == "true", "there is no mosquitto on this machine"))
struct FeederTests {
    @Test func aRecordingArrivesAsItIsAndInOrder() throws {
        let broker = try Broker()
        let feeder = try broker.feeder()
        _ = try broker.subscriber(count: nil)
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).txt")
        defer { try? FileManager.default.removeItem(at: file) }
        let lines = (0..<5000).map { "patrol/v1/in/g/noise/m\($0 % 7) {\"ts\":\($0),\"laeq\":50}" }
        try (lines.joined(separator: "\n") + "\nnonsense\nwild/# x\n").write(to: file, atomically: true, encoding: .utf8)
        let counts = try Simulate.recording(path: file.path, options: RecordingOptions(), feeder: feeder)
        #expect(counts.published == 5000 && counts.refused == 1 && counts.unacknowledged == 0 && counts.problemCount == 1)
        #expect(try broker.subscriber(count: 5000).split(separator: "\n").map(String.init) == lines)
    }

    @Test func rowsArriveAsNativePayloads() throws {
        let broker = try Broker()
        let feeder = try broker.feeder()
        _ = try broker.subscriber(count: nil)
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).csv")
        defer { try? FileManager.default.removeItem(at: file) }
        try "device,ts,laeq_db\nm,2022-07-31T21:00:00Z,46\n".write(to: file, atomically: true, encoding: .utf8)
        var options = RecordingOptions()
        options.period = "60"
        #expect(try Simulate.recording(path: file.path, options: options, feeder: feeder).published == 1)
        #expect(
            try broker.subscriber(count: 1)
                == "patrol/v1/in/recording/noise/m {\"ts\":\"2022-07-31T21:00:00Z\",\"laeq\":46,\"period_s\":60}\n")
    }

    @Test func theDistrictGoesAsFastAsTheBroker() throws {
        let broker = try Broker()
        let feeder = try broker.feeder()
        let counts = Simulate.district(seed: 1, speed: .max, durationMilliseconds: 20_000, feeder: feeder)
        #expect((4000...4600).contains(counts.published) && counts.refused == 0 && counts.unacknowledged == 0)
    }
}
