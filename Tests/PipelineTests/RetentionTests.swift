import Foundation
import Store
import Telemetry
import Testing

@testable import Pipeline

@Suite struct RetentionTests {
    private static let start: Int64 = 1_717_768_800_000
    private static let day: Int64 = 86_400_000
    private static let count = 20_000

    /// Forty days of two meters, a reading a minute and a few late ones among them.
    private static func readings() -> [Script] {
        (0..<count).map { index in
            let ts = start + Int64(index) * (40 * day / Int64(count))
            // Every thousandth is three hours late.
            return Script(
                device: UInt32(index % 2), ts: index % 1000 == 7 ? ts - 3 * 3_600_000 : ts, level: 40 + Double(index % 300) / 10,
                received: ts + 1000)
        }
    }

    private func sweep(_ rig: Rig) throws {
        let store = try StoreWriter(path: rig.path)
        let engine = try Engine(store: store, options: rig.options)
        var sweeper = Sweeper()
        for step in 0..<200 { sweeper.step(engine, monotonicNanoseconds: Int64(step) * Sweeper.idleNanoseconds) }
        store.close()
    }

    @Test func oldRowsGoAndNothingElseDoes() throws {
        let rig = try Rig(rules: [])
        rig.options.backfillAllowanceMilliseconds = .max / 4
        let readings = Self.readings()
        try rig.run(readings, batches: Array(repeating: 500, count: 50))
        let minutes = try rig.lines("SELECT * FROM noise_1m ORDER BY bucket, device")
        let sizeBefore = try #require(try FileManager.default.attributesOfItem(atPath: rig.path)[.size] as? Int)

        rig.options.retention = Retention(Retention.Ages(rawMilliseconds: 4 * Self.day, historyMilliseconds: 0))
        try sweep(rig)

        let cutoff = Self.start + 40 * Self.day - (6 * Self.day)
        let left = try rig.lines("SELECT count(*), min(ts) FROM noise")[0].split(separator: " ").compactMap { Int64($0) }
        let young = try rig.lines("SELECT count(*) FROM noise WHERE ts >= \(cutoff)")[0]
        #expect(left[0] < Int64(Self.count) - 16_000, "\(left)")
        #expect(young == String(readings.filter { $0.ts >= cutoff }.count))
        #expect(try rig.lines("SELECT * FROM noise_1m ORDER BY bucket, device") == minutes)
        #expect(try StoreReader(path: rig.path).imbalances() == [])
        #expect(try rig.lines("SELECT deleted FROM retention") == ["\(Int64(Self.count) - left[0])"])
        let size = try #require(try FileManager.default.attributesOfItem(atPath: rig.path)[.size] as? Int)
        #expect(size <= sizeBefore)

        // What is still within retention is recognised, what is older is refused, and a late one finds its whole minute.
        let last = readings[Self.count - 1]
        let late = Script(device: last.device, ts: last.ts - 20_000, level: 90, received: last.received)
        try rig.run([last, Script(ts: Self.start, level: 50, received: last.received), late])
        #expect(try rig.lines("SELECT duplicate, rejected FROM message_count WHERE kind = 'noise'") == ["1 1"])
        #expect(try rig.lines("SELECT reason FROM reject") == ["too_old"])
        #expect(try StoreReader(path: rig.path).imbalances() == [])
    }

    @Test func aStartNeedsItsRows() throws {
        let rig = try Rig(rules: [])
        rig.options.backfillAllowanceMilliseconds = .max / 4
        // Killed: everything since the last checkpoint is read again, however old it is.
        try rig.run(Self.readings(), batches: Array(repeating: 500, count: 50), killed: true)
        rig.options.retention = Retention(Retention.Ages(rawMilliseconds: 4 * Self.day, historyMilliseconds: 0))
        try sweep(rig)
        #expect(try rig.lines("SELECT count(*) FROM noise") == ["\(Self.count)"])
    }

    @Test func muchFreeSpaceGoesBackToTheDisk() throws {
        let rig = try Rig(rules: [])
        try rig.run([Script(ts: Self.start, level: 50)])
        try rig.execute("CREATE TABLE x (a); INSERT INTO x SELECT zeroblob(8000) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) SELECT i FROM n); DROP TABLE x")
        let before = try #require(Int64(try rig.lines("PRAGMA freelist_count")[0]))
        rig.options.retention = Retention(Retention.Ages(rawMilliseconds: 4 * Self.day, historyMilliseconds: 0))
        try sweep(rig)
        let after = try #require(Int64(try rig.lines("PRAGMA freelist_count")[0]))
        #expect(before > 4000 && after <= 1024, "\(before) \(after)")
    }
}
