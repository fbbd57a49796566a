import Foundation
import GRDB
import Testing

@testable import Store

/// The stream's rows: numbering, retention, epochs, retained states, outlets.
@Suite struct StreamStoreTests {
    private func add(_ count: Int, to fixture: StoreFixture) throws {
        try fixture.commit { for _ in 0..<count { _ = try $0.append(outbox: OutboxRow(topic: "out", payload: "{}")) } }
    }

    private func trim(before moment: Int64, limit: Int64, in fixture: StoreFixture) throws -> Int {
        var count = 0
        try fixture.commit { count = try $0.trimOutbox(before: moment, limit: limit) }
        return count
    }

    @Test func aRolledBackBatchLeavesNoGap() throws {
        let fixture = try StoreFixture()
        try add(2, to: fixture)
        try fixture.writer.begin()
        _ = try fixture.writer.append(outbox: OutboxRow(topic: "out", payload: "{}"))
        fixture.writer.rollback()
        try add(2, to: fixture)
        #expect(try StreamReader(path: fixture.path).page(after: 0).rows.map(\.sequence) == [1, 2, 3, 4])
    }

    @Test func whatIsTooOldIsTakenAwayAndMissed() throws {
        let fixture = try StoreFixture()
        try add(5, to: fixture)
        try DatabaseQueue(path: fixture.path).write { try $0.execute(sql: "UPDATE outbox SET at = seq * 1000") }
        #expect(try trim(before: 3500, limit: 2, in: fixture) == 2)
        #expect(try trim(before: 3500, limit: 2, in: fixture) == 1)
        #expect(try trim(before: 3500, limit: 2, in: fixture) == 0)
        let reader = try StreamReader(path: fixture.path)
        let page = try reader.page(after: 1)
        #expect(page.gone == 2...3)
        #expect(page.rows.map(\.sequence) == [4, 5])
        // All gone: the numbers go on behind the last one.
        #expect(try trim(before: .max, limit: 500, in: fixture) == 2)
        #expect(try reader.bounds().first == 6)
        #expect(try reader.bounds().last == 5)
    }

    @Test func retainedStatesAreThoseOfWhatIsOpen() throws {
        let fixture = try StoreFixture()
        func event(_ alert: String, isEnd: Bool = false) -> OutboxRow {
            OutboxRow(topic: "out", payload: "{\"end\":\(isEnd)}", retainedTopic: "state/\(alert)", isEnd: isEnd)
        }
        try fixture.commit {
            for row in [event("a"), event("b"), event("a"), event("b", isEnd: true)] { _ = try $0.append(outbox: row) }
        }
        let (last, rows) = try StreamReader(path: fixture.path).retained()
        #expect(last == 4)
        #expect(rows == [RetainedRow(topic: "state/a", sequence: 3, payload: "{\"end\":false}")])
    }

    @Test func anOutletsRowsAreWhatItAskedFor() throws {
        let fixture = try StoreFixture()
        let letter = DeadLetter(outlet: "w", sequence: 3, event: "e-3", at: 7, attempts: 2, reason: "HTTP 400", payload: "{}")
        try fixture.commit {
            for change in [
                OutletChange.delivered(outlet: "w", sequence: 4), .dead(letter), .paused(outlet: "w", reason: "410"),
                .delivered(outlet: "w", sequence: 9), .paused(outlet: "new", reason: "by hand"),
            ] { try $0.write(outlet: change) }
        }
        let reader = try StreamReader(path: fixture.path)
        #expect(try reader.outlets().map(\.name) == ["new", "w"])
        #expect(try reader.outlets()[1].delivered == 9)
        #expect(try reader.outlets()[1].paused == "410")
        #expect(try reader.deadLetters(outlet: "w") == [letter])
        #expect(try reader.deadLetters(outlet: "w", after: 3).isEmpty)
        #expect(try reader.deadLetterCounts() == ["w": 1])
        try fixture.commit { try $0.write(outlet: .buried(outlet: "w", sequence: 3)) }
        #expect(try reader.deadLetterCounts().isEmpty)
        try fixture.commit { try $0.write(outlet: .forgotten(outlet: "w")) }
        #expect(try reader.outlets().map(\.name) == ["new"])
    }

    // MARK: Epochs

    /// Everything a backup program would copy.
    private func copy(_ path: String, to other: String) throws {
        try? FileManager.default.removeItem(atPath: other)
        try DatabaseQueue(path: path).backup(to: DatabaseQueue(path: other))
    }

    private func epochs(_ path: String) throws -> [EpochMark] { try StreamReader(path: path).bounds().epochs }

    @Test func aRestoredBackupBeginsAnEpoch() throws {
        let fixture = try StoreFixture()
        let path = fixture.folder + "/life.db"
        func live(_ events: Int) throws {
            let writer = try StoreWriter(path: path)
            try writer.begin()
            for _ in 0..<events { _ = try writer.append(outbox: OutboxRow(topic: "out", payload: "{}")) }
            try writer.commit()
            writer.close()
        }
        try live(3)
        let first = try epochs(path)
        #expect(first.map(\.firstSequence) == [1])
        try copy(path, to: fixture.folder + "/backup.db")
        try live(0)
        #expect(try epochs(path) == first, "a start like any other")
        try live(4)
        #expect(try epochs(path) == first)
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        try FileManager.default.copyItem(atPath: fixture.folder + "/backup.db", toPath: path)
        try live(1)
        let second = try epochs(path)
        #expect(second.map(\.firstSequence) == [1, 4])
        #expect(second[0] == first[0] && second[1].epoch != first[0].epoch)
        try live(2)
        #expect(try epochs(path) == second)
        // The same backup once more: the second epoch is lost with the file, and is noticed too.
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        try FileManager.default.copyItem(atPath: fixture.folder + "/backup.db", toPath: path)
        try live(0)
        let third = try epochs(path)
        #expect(third.map(\.firstSequence) == [1, 4])
        #expect(third[1].epoch != second[1].epoch)
    }

    /// Whoever restores the whole folder restores the mark too, and a new machine has none.
    @Test(arguments: [true, false])
    func aRestoredFolderBeginsAnEpoch(hasMark: Bool) throws {
        let fixture = try StoreFixture()
        let path = fixture.folder + "/life.db", backup = fixture.folder + "/backup.db"
        func live(_ events: Int) throws {
            let writer = try StoreWriter(path: path)
            try writer.begin()
            for _ in 0..<events { _ = try writer.append(outbox: OutboxRow(topic: "out", payload: "{}")) }
            try writer.commit()
            writer.close()
        }
        try live(3)
        let first = try epochs(path)
        // The mark as it was yesterday.
        let mark = try String(contentsOfFile: path + ".stream", encoding: .utf8).split { $0 == " " || $0 == "\n" }
        #expect(mark[0] == first[0].epoch && Int64(mark[1]) == 3)
        try copy(path, to: backup)
        let yesterday = String(Int64(mark[2])! - 86_400_000)
        let old = mark[0] + " " + mark[1] + " " + String(repeating: "0", count: 19 - yesterday.count) + yesterday + "\n"
        try live(4)
        #expect(try epochs(path) == first)
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        try FileManager.default.copyItem(atPath: backup, toPath: path)
        if hasMark {
            // Over the file that is there, as cp does it.
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path + ".stream"))
            try file.write(contentsOf: Data(old.utf8))
            try file.close()
        } else {
            try FileManager.default.removeItem(atPath: path + ".stream")
        }
        try live(1)
        let second = try epochs(path)
        #expect(second.map(\.firstSequence) == [1, 4] && second[1].epoch != first[0].epoch)
        try live(1)
        #expect(try epochs(path) == second, "a start like any other")
    }

    @Test func anOldStoreIsTakenOver() throws {
        let queue = try DatabaseQueue()
        try queue.write { db in
            try db.execute(
                sql: """
                    CREATE TABLE outbox (
                      seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, retained_topic TEXT, is_end INTEGER NOT NULL,
                      payload TEXT NOT NULL);
                    CREATE TABLE outlet (name TEXT PRIMARY KEY, delivered INTEGER NOT NULL) WITHOUT ROWID;
                    INSERT INTO outlet VALUES ('mqtt', 2);
                    INSERT INTO outbox VALUES (1, 't', 's/a', 0, '{"specversion":"1.0","id":"x","type":"p"}'),
                      (2, 't', 's/b', 0, '{"type":"p"}'), (3, 't', 's/a', 1, '{"type":"p"}');
                    """)
            try StreamSchema.migrate(db)
            #expect(try String.fetchAll(db, sql: "SELECT DISTINCT payload FROM outbox") == ["{\"type\":\"p\"}"])
            #expect(try String.fetchAll(db, sql: "SELECT topic FROM retained") == ["s/b"])
            #expect(try Int.fetchOne(db, sql: "SELECT delivered FROM outlet WHERE paused IS NULL") == 2)
            #expect(try String.fetchAll(db, sql: "SELECT epoch FROM stream_epoch WHERE first_seq = 1")[0].count == 8)
        }
    }
}
