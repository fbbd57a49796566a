import Foundation
import Store
import Telemetry

/// A store in a folder of its own, written as the pipeline writes it.
final class StoreFixture {
    let folder: String
    let path: String
    let writer: StoreWriter
    private var input: Int64 = 0

    init() throws {
        folder = NSTemporaryDirectory() + "patrol-reader-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        path = folder + "/patrol.db"
        writer = try StoreWriter(path: path)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// A batch in a transaction of its own.
    func commit(_ body: (StoreWriter) throws -> Void) throws {
        try writer.begin()
        try body(writer)
        try writer.commit()
    }

    func addDevice(_ number: UInt32, _ kind: Kind, _ id: String, name: String? = nil, lat: Double? = nil, lon: Double? = nil) throws {
        try commit {
            try $0.write(
                device: Device(number: number, kind: kind, id: id, gateway: "gw", name: name, lat: lat, lon: lon),
                registeredAt: Timestamp(milliseconds: 0))
        }
    }

    /// Noise readings of a second each from `start` on, with their counts.
    func addNoise(device: UInt32, from start: Int64, levels: [Double]) throws {
        try add(
            noise: levels.enumerated().map { index, level in
                var reading = Reading(kind: .noise, periodMilliseconds: 1000)
                reading.device = device
                reading.ts = Timestamp(milliseconds: start + Int64(index) * 1000)
                reading.received = reading.ts + 20
                reading.seq = Int64(index)
                reading.set(NoiseValue.laeq, level)
                return reading
            })
    }

    /// Readings in a batch, with their counts.
    /// - Parameters:
    ///   - stored: is told of them and has its full segments written.
    ///   - numbers: the number of each; one after the other where nil.
    func add(noise readings: [Reading], to stored: StoredReadings? = nil, numbers: [Int64]? = nil) throws {
        var readings = readings
        let batch = writer.batches[Int(Kind.noise.rawValue)]
        // The rows point into `readings` until the batch is inserted.
        try unsafe readings.withUnsafeMutableBufferPointer { buffer in
            for index in buffer.indices {
                input = numbers?[index] ?? input + 1
                unsafe batch.append(
                    BatchRow(reading: UnsafePointer(buffer.baseAddress! + index), text: nil, id: input, previous: -1))
            }
            try commit {
                if let stored { try $0.writeSegments(into: stored) }
                try $0.insertReadings()
                var count = MessageCount()
                count.received = Int64(buffer.count)
                count.stored = count.received
                try $0.add(count: count, kind: "noise")
            }
        }
        batch.removeAll()
    }
}
