import GRDB

/// What alerts stand on, and silences.
extension Schema {
    static func registerSilences(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("readings of alerts") { db in
            try db.execute(
                sql: """
                    ALTER TABLE alert_detail ADD COLUMN metric TEXT;
                    ALTER TABLE alert_detail ADD COLUMN readings_from INTEGER;
                    ALTER TABLE alert_detail ADD COLUMN readings_until INTEGER;
                    """)
        }
        migrator.registerMigration("silences") { db in
            try db.execute(
                sql: """
                    CREATE TABLE silence (
                      number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, author TEXT NOT NULL, role TEXT NOT NULL,
                      reason TEXT NOT NULL, created_at INTEGER NOT NULL, starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,
                      match TEXT NOT NULL, ended_at INTEGER, ended_by TEXT);
                    CREATE INDEX silence_standing ON silence (number) WHERE ended_at IS NULL;
                    ALTER TABLE alert_detail ADD COLUMN silenced_by TEXT;
                    CREATE INDEX alert_silenced ON alert_detail (alert_id) WHERE silenced_by IS NOT NULL;
                    """)
        }
    }
}
