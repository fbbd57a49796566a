import GRDB

/// The tables of the event stream and of the outlets that read it. The stream's rows are those of `outbox`.
enum StreamSchema {
    static let migration = "7 stream and outlets"

    /// - `outbox.at`: the server's clock when the row was written, UTC ms.
    /// - `stream_epoch`: from which sequence number on an epoch holds; a restored backup begins a new one.
    /// - `retained`: the events that stand as the retained state of what is open, by topic.
    /// - `outlet.paused`: why an outlet rests, null while it runs.
    /// - `dead_letter`: what an outlet has given up, with its bytes as they were to be sent.
    static func migrate(_ db: Database) throws {
        try db.execute(
            sql: """
                ALTER TABLE outbox ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
                UPDATE outbox SET payload = json_remove(payload, '$.id', '$.specversion');
                CREATE TABLE stream_epoch (
                  first_seq INTEGER PRIMARY KEY, epoch TEXT NOT NULL, began_at INTEGER NOT NULL);
                INSERT INTO stream_epoch VALUES (1, \(newEpochSQL), \(nowSQL));
                CREATE TABLE retained (topic TEXT PRIMARY KEY, seq INTEGER NOT NULL, payload TEXT NOT NULL) WITHOUT ROWID;
                INSERT INTO retained
                  SELECT topic, seq, payload FROM (
                    SELECT retained_topic AS topic, max(seq) AS seq, payload, is_end FROM outbox
                    WHERE retained_topic IS NOT NULL GROUP BY retained_topic)
                  WHERE is_end = 0;
                ALTER TABLE outlet ADD COLUMN paused TEXT;
                ALTER TABLE outlet ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
                CREATE TABLE dead_letter (
                  outlet TEXT NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL, at INTEGER NOT NULL,
                  attempts INTEGER NOT NULL, reason TEXT NOT NULL, payload TEXT NOT NULL,
                  PRIMARY KEY (outlet, seq)) WITHOUT ROWID;
                """)
    }

    /// The server's clock in UTC milliseconds.
    static let nowSQL = "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
    /// Eight hex digits that no other store has.
    static let newEpochSQL = "lower(hex(randomblob(4)))"
}
