import Foundation
import Telemetry
import Testing

@testable import Pipeline
@testable import Store

/// Compact history: what has been packed is found like rows, and nothing that ends early loses or doubles a reading.
@Suite struct HistoryTests {
    private static let start: Int64 = 1_717_768_800_000
    private static let day: Int64 = 86_400_000
    private static let count = 40_000

    /// Sixty days of a meter and a camera, a few readings late.
    private static func readings() -> [Script] {
        (0..<count).map { index in
            let ts = start + Int64(index) * (60 * day / Int64(count))
            var script = Script(
                device: UInt32(index % 2), kind: index % 2 == 0 ? .noise : .bodycam,
                ts: index % 1000 == 7 ? ts - 3 * 3_600_000 : ts, level: 40 + Double(index % 300) / 10, received: ts + Int64(index % 77))
            if index % 2 == 1 {
                script.officer = index % 9000 < 4500 ? "王警官" : "li"
                script.boot = "b\(index / 7000)"
                script.bits = [(0, index % 5 == 0), (1, true)]
                script.values = [(BodycamValue.lat, 30.27 + Double(index) / 1e6), (BodycamValue.lon, 119.99)]
            } else {
                script.flags = index % 500 == 0 ? 1 : 0
                script.seq = Int64(index)
            }
            return script
        }
    }

    /// The store before anything is packed; made once, copied for each test.
    // Only read once it is made.
    private nonisolated(unsafe) static let prepared: Result<Rig, any Error> = Result {
        let rig = try Rig(rules: [])
        rig.kind = { $0 == 0 ? .noise : .bodycam }
        rig.options.backfillAllowanceMilliseconds = .max / 4
        try rig.run(readings(), batches: Array(repeating: 500, count: 90))
        return rig
    }

    private static func rig() throws -> Rig {
        let base = try prepared.get()
        let rig = try Rig(rules: [])
        rig.kind = base.kind
        rig.options = base.options
        rig.options.retention = Retention(Retention.Ages(rawMilliseconds: day, historyMilliseconds: nil))
        try FileManager.default.copyItem(atPath: base.path, toPath: rig.path)
        return rig
    }

    /// All readings in their order as one number.
    private func digest(_ rig: Rig) throws -> UInt64 {
        var hash = HistoryHash()
        var number: Int64 = 0
        try ReadingRun(path: rig.path).forEach { reading, text in
            number += 1
            hash.add(StoredReadings.Stored(reading: copy reading, input: number, officer: String(decoding: text, as: UTF8.self), boot: ""))
        }
        #expect(number == Int64(Self.count))
        return hash.value
    }

    /// Readings of both kinds that lie in full segments.
    private static let packed = "32842"

    /// Steps of a sweeper until nothing is left to do, or `steps` of them.
    private func sweep(_ rig: Rig, steps: Int = 24, before: (StoreWriter, Int) throws -> Void = { _, _ in }) throws {
        let store = try StoreWriter(path: rig.path)
        let engine = try Engine(store: store, options: rig.options)
        var sweeper = Sweeper()
        for step in 0..<steps {
            try before(store, step)
            sweeper.step(engine, monotonicNanoseconds: Int64(step) * Sweeper.distrustNanoseconds)
            sweeper.join(cancels: false)
        }
        #expect(sweeper.takeProblem() == nil)
    }

    /// All readings as `patrol query readings` shows them.
    private func pages(_ rig: Rig, _ kind: Kind, device: String? = nil, since: Int64? = nil, until: Int64? = nil) throws -> [[StoreValue]] {
        let reader = try StoreReader(path: rig.path)
        var query = PageQuery(
            .readings, kind: kind, device: device, since: since.map(Timestamp.init(milliseconds:)),
            until: until.map(Timestamp.init(milliseconds:)), limit: 1000)
        var rows: [[StoreValue]] = []
        repeat {
            let page = try reader.page(query)
            rows += page.rows
            query.cursor = page.next
        } while query.cursor != nil
        return rows
    }

    @Test func packedReadingsAreFoundLikeRows() throws {
        let rig = try Self.rig()
        let noise = try pages(rig, .noise)
        let digest = try digest(rig)
        let rollups = try rig.everything().dropFirst(noise.count)
        let some = try pages(rig, .noise, device: "d0", since: Self.start + 9 * Self.day, until: Self.start + 12 * Self.day)

        try sweep(rig)

        let left = try rig.lines("SELECT (SELECT count(*) FROM noise), (SELECT count(*) FROM bodycam)")
        #expect(left == ["3579 3579"])
        #expect(try pages(rig, .noise) == noise)
        #expect(try pages(rig, .noise, device: "d0", since: Self.start + 9 * Self.day, until: Self.start + 12 * Self.day) == some)
        #expect(try self.digest(rig) == digest)
        let reader = try StoreReader(path: rig.path)
        #expect(try reader.imbalances() == [] && reader.historyDamage() == [])
        #expect(try rig.lines("SELECT sum(rows) FROM history") == [Self.packed])

        // Repaired from blocks as from rows.
        let copy = rig.path + "-copy"
        try reader.backup(to: copy)
        let result = try RollupRepair.run(storePath: copy, from: nil)
        #expect(try StoreReader(path: copy).rollupDifferences(from: rig.path, since: result.from) == [])
        #expect(try StoreReader(path: copy).imbalances() == [])
        _ = try RollupRepair.run(storePath: rig.path, from: nil)
        #expect(Array(try rig.everything().dropFirst(noise.count)) == Array(rollups))
        #expect(try rig.lines("SELECT count(*) FROM noise") == ["20000"])
        #expect(try pages(rig, .noise) == noise)

        // What is packed is past its time for late readings, whatever the settings say later.
        try sweep(rig)
        rig.options.retention.forEveryKind { $0.rawMilliseconds = nil }
        let last = Self.readings().last!
        try rig.run([Script(device: 0, ts: Self.start, level: 50, received: last.received)])
        #expect(try rig.lines("SELECT reason FROM reject") == ["too_old"])
    }

    @Test func packedAtRestTheFewOthersStayAsRows() throws {
        let rig = try Self.rig()
        let digest = try digest(rig)
        let packed = try HistoryAtRest.pack(storePath: rig.path, before: Timestamp(milliseconds: Self.start + 90 * Self.day))
        #expect("\(packed)" == Self.packed)
        #expect(try self.digest(rig) == digest)
        #expect(try rig.lines("SELECT (SELECT count(*) FROM noise), (SELECT count(*) FROM bodycam)") == ["3579 3579"])
    }

    @Test func rowsReadAheadAreThoseOfTheTable() throws {
        let rig = try Self.rig()
        let store = try StoreWriter(path: rig.path)
        let ranges: [ClosedRange<Int64>] = [1...1, 3...4099, 4100...8195, 20_000...50_000]
        let ahead = ReadAhead(path: rig.path, kind: .bodycam, ranges: ranges)
        var read: [StoredReadings.Stored] = []
        while let rows = try ahead.next() { read += rows }
        var wanted: [Int64] = []
        try store.readings(kind: .bodycam, after: 0) { input, _ in if ranges.contains(where: { $0.contains(input) }) { wanted.append(input) } }
        #expect(wanted.count > 10_000)
        #expect(read.map(\.input) == wanted)
        #expect(read.contains { $0.officer == "王警官" })

        // Of more than may wait, one is asked for: the other thread ends all the same.
        #expect(try store.readAhead(kind: .noise).next()?.first?.reading.kind == .noise)
        let none = ReadAhead(path: rig.path + ".none", kind: .noise, ranges: ranges)
        #expect(throws: StoreError.self) { try none.next() }
    }

    @Test func endedAfterAnyStepNothingIsLostOrDoubled() throws {
        let rig = try Self.rig()
        let store = FileManager.default
        let digest = try digest(rig)
        try store.copyItem(atPath: rig.path, toPath: rig.path + "-kept")
        for steps in 1...9 {
            for suffix in ["", "-wal", "-shm"] { try? store.removeItem(atPath: rig.path + suffix) }
            try store.copyItem(atPath: rig.path + "-kept", toPath: rig.path)
            try sweep(rig, steps: steps)
            #expect(try self.digest(rig) == digest, "after \(steps) steps")
            #expect(try StoreReader(path: rig.path).imbalances() == [], "after \(steps) steps")
            try sweep(rig)
            #expect(try self.digest(rig) == digest, "after \(steps) steps and the rest")
            #expect(try rig.lines("SELECT count(*), sum(gone_rows), min(is_verified) FROM history_run") == ["2 \(Self.packed) 1"])
        }
    }

    @Test func withoutRoomItWaits() throws {
        let rig = try Self.rig()
        let digest = try digest(rig)
        try sweep(rig, steps: 12) { store, _ in
            // Not a page more than there are.
            try store.connection.execute("PRAGMA max_page_count = 1")
        }
        #expect(try self.digest(rig) == digest)
        #expect(try StoreReader(path: rig.path).imbalances() == [])
        try sweep(rig, steps: 48) { store, step in
            try store.connection.execute("PRAGMA max_page_count = \(step % 2 == 0 ? 1 : 1_000_000)")
        }
        #expect(try self.digest(rig) == digest)
        #expect(try StoreReader(path: rig.path).imbalances() == [])
        #expect(try rig.lines("SELECT sum(gone_rows) FROM history_run") == [Self.packed])
    }

    @Test func aDamagedBlockIsNamedAndTheRestCanBeRead() throws {
        let rig = try Self.rig()
        let noise = try pages(rig, .noise)
        try sweep(rig)
        let rows = Int(try rig.lines("SELECT rows FROM history WHERE device = 'd0' ORDER BY day LIMIT 1 OFFSET 3")[0])!
        let day = try rig.lines("SELECT day FROM history WHERE device = 'd0' ORDER BY day LIMIT 1 OFFSET 3")[0]
        try rig.execute("""
            UPDATE history_block SET bytes = CAST(substr(bytes, 1, 20) || x'5A' || substr(bytes, 22) AS BLOB)
            WHERE id = (SELECT b.id FROM history_block b WHERE b.id >> 16 & 16777215 = 0 ORDER BY day LIMIT 1 OFFSET 3)
            """)
        let reader = try StoreReader(path: rig.path)
        #expect(try reader.historyDamage() == ["compact history of noise d0 on \(day) (UTC) cannot be read; the rest can"])
        #expect(try pages(rig, .noise).count == noise.count - rows)
        var told: [String] = []
        try ReadingRun(path: rig.path).forEach(damaged: { told.append($0) }) { _, _ in }
        #expect(told.count == 1)
        #expect(throws: StoreError.self) { try RollupRepair.run(storePath: rig.path, from: nil) }
        #expect(try StoreReader(path: rig.path).imbalances() == [])
    }

    @Test func aKindIsPackedByItsOwnAge() throws {
        let rig = try Self.rig()
        rig.options.retention[.noise].rawMilliseconds = nil
        let meters = try rig.lines("SELECT count(*) FROM noise_raw")
        try sweep(rig)
        #expect(try rig.lines("SELECT DISTINCT kind FROM history") == ["bodycam"])
        #expect(try rig.lines("SELECT count(*) FROM noise_raw") == meters)
        // A late reading of the meter finds no compact one; one of the camera might.
        let last = Self.readings().last!
        let early = Self.readings()[2000].ts
        try rig.run([
            Script(device: 0, ts: early + 1, level: 50, received: last.received),
            Script(device: 1, kind: .bodycam, ts: early + 1, level: 50, received: last.received),
        ])
        #expect(try rig.lines("SELECT device, reason FROM reject") == ["d1 too_old"])
        #expect(try StoreReader(path: rig.path).imbalances() == [])
    }

    @Test func readingsOfASiteAreThoseOfItsTime() throws {
        let rig = try Self.rig()
        let moved = Self.readings()[Self.count / 3].ts
        try rig.execute("""
            UPDATE device SET site = 'here' WHERE id = 'd0';
            INSERT INTO device_period SELECT number, \(Timestamp.distantPast.milliseconds), \(moved), NULL, NULL, 'there', NULL FROM device WHERE id = 'd0'
            """)
        func inputs(_ site: String) throws -> [Int64] {
            var query = PageQuery(.readings, kind: .noise, limit: 100_000)
            query.site = site
            return try StoreReader(path: rig.path).page(query).rows.map { $0.last!.integer }
        }
        let (here, there) = (try inputs("here"), try inputs("there"))
        #expect(here.count + there.count == Self.readings().count { $0.kind == .noise } && here.count > there.count && !there.isEmpty)
        try sweep(rig)
        #expect(try rig.lines("SELECT count(*) FROM history_run WHERE is_verified") == ["2"])
        #expect(try inputs("here") == here && inputs("there") == there && inputs("elsewhere") == [])
    }

    @Test func compactHistoryAndMinutesEndToo() throws {
        let rig = try Self.rig()
        try sweep(rig)
        let hours = try rig.lines("SELECT * FROM noise_1h ORDER BY bucket, flagged")
        rig.options.retention.forEveryKind { $0.historyMilliseconds = 11 * Self.day }
        rig.options.retention.forEveryKind { $0.minuteMilliseconds = 10 * Self.day }
        try sweep(rig)
        // A run goes when all of it is old enough: here none is.
        #expect(try rig.lines("SELECT count(*) FROM history_run") == ["2"])
        let edge = Self.start + 60 * Self.day - 10 * Self.day
        #expect(try rig.lines("SELECT count(*) FROM noise_1m WHERE bucket < \(edge - 120_000)") == ["0"])
        #expect(try rig.lines("SELECT count(*) > 1000 FROM noise_1m") == ["1"])
        #expect(try rig.lines("SELECT * FROM noise_1h ORDER BY bucket, flagged") == hours)
        let copy = rig.path + "-copy"
        try StoreReader(path: rig.path).backup(to: copy)
        let result = try RollupRepair.run(storePath: copy, from: nil)
        #expect(try StoreReader(path: copy).rollupDifferences(from: rig.path, since: result.from) == [])

        rig.options.retention.forEveryKind { $0.historyMilliseconds = 2 * Self.day }
        try sweep(rig)
        #expect(try rig.lines("SELECT count(*) FROM history_block") == ["0"])
        #expect(try rig.lines("SELECT sum(deleted) FROM retention") == [Self.packed])
        #expect(try StoreReader(path: rig.path).imbalances() == [])
    }
}
