import GRDB

/// The tables of compact history (``HistoryPacker``).
///
/// A *run* is what some segments of a raw table have become. Until its blocks have been read back equal (`is_verified`) they
/// count for nothing; from then on the rows go, a segment a transaction, and the block's readings up to `gone_id` take their
/// place: at every moment a reading is to be found in exactly one of the two.
extension Schema {
    static let historyMigration = "history"

    static func registerHistory(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration(historyMigration) { db in
            try db.execute(
                sql: """
                    CREATE TABLE history_run (
                      run INTEGER PRIMARY KEY, kind INTEGER NOT NULL, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL,
                      min_ts INTEGER NOT NULL, max_ts INTEGER NOT NULL, rows INTEGER NOT NULL, is_verified INTEGER NOT NULL,
                      gone_id INTEGER NOT NULL, gone_rows INTEGER NOT NULL);
                    CREATE TABLE history_block (
                      id INTEGER PRIMARY KEY, day INTEGER NOT NULL, rows INTEGER NOT NULL, min_ts INTEGER NOT NULL,
                      max_ts INTEGER NOT NULL, hash INTEGER NOT NULL, bytes BLOB NOT NULL);
                    CREATE VIEW history AS
                      SELECT d.id AS device, d.kind, date(b.day * 86400, 'unixepoch') AS day, b.rows, length(b.bytes) AS bytes,
                        r.run, b.id & 65535 AS part
                      FROM history_block b JOIN history_run r ON r.run = b.id >> 40
                        JOIN device d ON d.number = b.id >> 16 & 16777215
                      WHERE r.is_verified;
                    CREATE TABLE minute_edge (
                      only INTEGER PRIMARY KEY CHECK (only = 1), before INTEGER NOT NULL);
                    """)
        }
        migrator.registerMigration("places of devices") { db in
            // Where a device was before it was moved; `device` has where it is.
            try db.execute(
                sql: """
                    CREATE TABLE device_period (
                      device INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, name TEXT, area TEXT, site TEXT,
                      zone TEXT, PRIMARY KEY (device, since)) WITHOUT ROWID
                    """)
        }
    }
}

/// `history_block.id`: the run, the device's number in 24 bits, and the number of the block of that device in 16.
struct HistoryBlockID {
    static let maximumDevice: UInt32 = 1 << 24 - 1

    static func of(run: Int64, device: UInt32, part: Int64) -> Int64 { run << 40 | Int64(device) << 16 | part }
    static func device(_ id: Int64) -> UInt32 { UInt32(truncatingIfNeeded: id >> 16 & 0xFF_FFFF) }
    static func all(ofRun run: Int64) -> ClosedRange<Int64> { run << 40...(run + 1) << 40 - 1 }
    static func all(ofRun run: Int64, device: UInt32) -> ClosedRange<Int64> {
        of(run: run, device: device, part: 0)...of(run: run, device: device, part: 0xFFFF)
    }
}
