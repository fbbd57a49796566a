import Foundation
import GRDB
import Store
import Telemetry
import Testing

@Suite struct StoreReaderTests {
    @Test func areasHaveNames() throws {
        let fixture = try StoreFixture()
        let reader = try StoreReader(path: fixture.path)
        #expect(try reader.areaNames().isEmpty)
        let town = Area(code: "330110012000", name: "仓前", level: .town, parent: "330110")
        try fixture.commit { try $0.replace(areas: [town, Area(code: "330119", name: "x", level: .district)]) }
        var renamed = town
        renamed.name = "仓前街道"
        try fixture.commit { try $0.replace(areas: [renamed]) }
        #expect(try reader.areaNames() == ["330110012": "仓前街道"])
        let rows = try reader.rows("SELECT code, name, level, parent FROM area").rows
        #expect(rows.map { $0.map(\.text) } == [["330110012", "仓前街道", "town", "330110"]])
    }

    @Test func pagesGoThroughAllReadingsNewestFirst() throws {
        let fixture = try StoreFixture()
        try fixture.addDevice(0, .noise, "meter-1")
        try fixture.addNoise(device: 0, from: 1_717_768_800_000, levels: (0..<25).map { 50 + Double($0) / 10 })
        let reader = try StoreReader(path: fixture.path)
        var query = PageQuery(.readings, limit: 10)
        var sizes: [Int] = []
        var seen: [Int64] = []
        repeat {
            let page = try reader.page(query)
            sizes.append(page.rows.count)
            let ts = try #require(page.columns.firstIndex(of: "ts"))
            seen += page.rows.map { $0[ts].integer }
            query.cursor = page.next
        } while query.cursor != nil
        #expect(sizes == [10, 10, 5])
        #expect(seen == (0..<25).reversed().map { 1_717_768_800_000 + $0 * 1000 })
    }

    @Test func aRangeIsHalfOpenAndADeviceIsAlone() throws {
        let fixture = try StoreFixture()
        try fixture.addDevice(0, .noise, "meter-1")
        try fixture.addDevice(1, .noise, "meter-2")
        try fixture.addNoise(device: 0, from: 10_000, levels: [50, 51, 52])
        try fixture.addNoise(device: 1, from: 10_000, levels: [60, 61, 62])
        let reader = try StoreReader(path: fixture.path)
        let page = try reader.page(
            PageQuery(
                .readings, device: "meter-2", since: Timestamp(milliseconds: 11_000), until: Timestamp(milliseconds: 12_000)))
        let laeq = try #require(page.columns.firstIndex(of: "laeq"))
        #expect(page.rows.map { $0[laeq].double } == [61])
        #expect(page.next == nil)
        #expect(try reader.page(PageQuery(.readings, device: "meter-3")).rows.isEmpty)
    }

    @Test func everyCollectionAnswers() throws {
        let fixture = try StoreFixture()
        try fixture.addDevice(0, .noise, "meter-1", name: "五常街道", lat: 30.2, lon: 120)
        let reader = try StoreReader(path: fixture.path)
        for collection in StoreCollection.allCases {
            let everything = PageQuery(
                collection, kind: .noise, device: "meter-1", state: "firing", since: Timestamp(milliseconds: 0),
                until: Timestamp(milliseconds: 1), cursor: PageCursor(first: 5, second: .integer(3)))
            #expect(try reader.page(everything).rows.isEmpty || collection == .counts)
            let plain = try reader.page(PageQuery(collection))
            #expect(plain.rows.allSatisfy { $0.count == plain.columns.count })
        }
        #expect(try reader.positions().map(\.device) == ["meter-1"])
        #expect(try reader.summary().devices == 1)
    }

    @Test func cursorsAreText() {
        for cursor in [
            PageCursor(first: 7), PageCursor(first: -7, second: .integer(3)), PageCursor(first: 7, second: .text("a~b")),
        ] {
            #expect(PageCursor(cursor.description) == cursor)
        }
        #expect(PageCursor("") == nil)
        #expect(PageCursor("~3") == nil)
    }

    @Test func outboxGoesOnBehindASequence() throws {
        let fixture = try StoreFixture()
        try fixture.commit {
            for index in 1...5 { _ = try $0.append(outbox: OutboxRow(topic: "out", payload: "{\"n\":\(index)}")) }
        }
        let reader = try StreamReader(path: fixture.path)
        let page = try reader.page(after: 2, limit: 2)
        #expect(page.rows.map(\.sequence) == [3, 4])
        #expect(page.gone == nil)
        #expect(page.rows.allSatisfy { $0.at > 1_700_000_000_000 })
        let bounds = try reader.bounds()
        #expect(bounds.first == 1)
        #expect(bounds.last == 5)
    }

    @Test func accountingIsExact() throws {
        let fixture = try StoreFixture()
        try fixture.addDevice(0, .noise, "meter-1")
        try fixture.addNoise(device: 0, from: 0, levels: [50, 51])
        let reader = try StoreReader(path: fixture.path)
        #expect(try reader.imbalances().isEmpty)
        try fixture.commit {
            var count = MessageCount()
            count.received = 1
            try $0.add(count: count, kind: "vehicle")
        }
        #expect(try reader.imbalances().count == 1)
    }

    @Test func aLongQuestionIsGivenUp() throws {
        let fixture = try StoreFixture()
        let reader = try StoreReader(path: fixture.path)
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        let error = #expect(throws: StoreError.self) { try reader.rows(endless, seconds: 0.05) }
        #expect(error?.cause == .input)
        // The reader is usable afterwards.
        #expect(try reader.rows("SELECT 1").rows == [[.integer(1)]])
    }

    @Test func whatIsNoStoreIsSaid() throws {
        let folder = NSTemporaryDirectory() + "patrol-reader-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let missing = #expect(throws: StoreError.self) { try StoreReader(path: folder + "/none.db") }
        #expect(missing?.cause == .missing)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        try Data("this is no database, however long it may be".utf8).write(to: URL(fileURLWithPath: folder + "/text.db"))
        let text = #expect(throws: StoreError.self) { try StoreReader(path: folder + "/text.db") }
        #expect(text?.cause == .notADatabase)
    }

    @Test func aNewerStoreIsRefused() throws {
        let fixture = try StoreFixture()
        let reader = try StoreReader(path: fixture.path)
        try reader.checkVersion()
        try DatabaseQueue(path: fixture.path).write { db in
            try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('99 of the future')")
        }
        let error = #expect(throws: StoreError.self) { try reader.checkVersion() }
        #expect(error?.cause == .newerVersion)
    }

    @Test func readingChangesNothing() throws {
        let fixture = try StoreFixture()
        let reader = try StoreReader(path: fixture.path)
        let error = #expect(throws: StoreError.self) { try reader.rows("DELETE FROM message_count") }
        #expect(error?.cause == .readOnly)
    }
}
