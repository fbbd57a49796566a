import Foundation
import Ring
import Telemetry
import Testing

@testable import Ingest

/// From the recording to the ring: what CSV cells become once decoded.
@Suite struct RecordedReadingsTests {
    private func records(_ text: String, kind: Kind) throws -> (readings: [Reading], rejected: [String]) {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).csv")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(text.utf8).write(to: file)
        let ring = Ring<Slot>(capacity: Limits.ringSlots)
        var decoder = MessageDecoder(producer: ring.makeProducer(), registry: DeviceRegistry())
        var consumer = ring.makeConsumer()
        var options = RecordingOptions()
        options.kind = kind
        try Recording(path: file.path, options: options).forEach { message in
            unsafe decoder.decode(
                topic: message.topic, payload: message.payload, received: message.received ?? .distantPast)
            return true
        }
        decoder.publish()
        var readings: [Reading] = []
        var rejected: [String] = []
        let count = consumer.available()
        var offset = 0
        while offset < count {
            let slot = unsafe UnsafeRawPointer(consumer.slot(offset))
            let tail = unsafe Int(slot.load(fromByteOffset: 1, as: UInt8.self))
            switch unsafe slot.load(as: Record.self) {
            case .reading: unsafe readings.append(slot.load(as: Reading.self))
            case .rejection:
                let record = unsafe slot.load(as: Rejection.self)
                let names = unsafe UnsafeRawBufferPointer(start: consumer.slot(offset + 1), count: Slot.bytes)
                let start = Int(record.gatewayBytes) + Int(record.deviceBytes)
                let field = unsafe String(decoding: names[start..<start + Int(record.fieldBytes)], as: UTF8.self)
                rejected.append("\(record.reason.name) \(field)")
            default: break
            }
            offset += 1 + tail
        }
        return (readings, rejected)
    }

    @Test func numbersAreTheNearestDoubles() throws {
        let cells = ["46", "70.1", "0.30000000000000004", "+55.5", ".5", "64.99999999999999", "1e1", "123456789e-7"]
        let (readings, rejected) = try records(
            "device,ts,laeq\n" + cells.enumerated().map { "m,\(1_717_768_800_000 + $0 * 1000),\($1)\n" }.joined(), kind: .noise)
        #expect(rejected.isEmpty)
        #expect(readings.map { $0.values[NoiseValue.laeq] } == cells.map { strtod($0, nil) })
    }

    @Test func aWrongCellIsRejectedWithItsField() throws {
        let (readings, rejected) = try records(
            """
            device,ts,lat,lon,sat,ignition
            v,1717768800000,30,120,7,true
            v,1717768801000,north,120,7,true
            v,1717768802000,30,999,7,true
            v,1717768803000,30,120,7.5,true
            v,1717768804000,30,120,7,perhaps
            v,1717768805000,,120,7,true
            v,2024-06-07 22:00,30,120,7,true
            v,1717768807000,30,120,,
            """, kind: .vehicle)
        #expect(readings.count == 2)
        #expect(rejected == ["type lat", "range lon", "type sat", "type ignition", "missing lat", "type ts"])
    }

    @Test func arrivalsReachTheReading() throws {
        let (readings, _) = try records(
            "device,ts,battery,received_ts\nc,1717768800000,50,1717768899123\nc,1717768801000,50,\n", kind: .bodycam)
        #expect(readings.map(\.received) == [Timestamp(milliseconds: 1_717_768_899_123), .distantPast])
    }
}
