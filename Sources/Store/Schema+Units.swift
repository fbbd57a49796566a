extension Schema {
    /// Units as last written (their fixes at least every ten seconds), each choice with its candidates, and who was told.
    static let unitTables = """
        CREATE TABLE unit (
          id TEXT PRIMARY KEY, kind TEXT NOT NULL, device TEXT, officer TEXT, team TEXT, areas TEXT NOT NULL, shift TEXT,
          capabilities TEXT NOT NULL, duty TEXT NOT NULL, duty_by TEXT, duty_at INTEGER, task TEXT, sent_at INTEGER,
          lat REAL, lon REAL, accuracy_m REAL, fix_at INTEGER) WITHOUT ROWID;
        CREATE TABLE task_choice (
          task_id TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, unit TEXT, widened INTEGER NOT NULL,
          counts TEXT NOT NULL, candidates TEXT NOT NULL, PRIMARY KEY (task_id, number)) WITHOUT ROWID;
        CREATE TABLE task_told (
          task_id TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, level TEXT NOT NULL, receiver TEXT NOT NULL,
          PRIMARY KEY (task_id, number, receiver)) WITHOUT ROWID;
        ALTER TABLE task ADD COLUMN proposed TEXT;
        ALTER TABLE task ADD COLUMN unserved INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE task ADD COLUMN round_at INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE task ADD COLUMN escalated INTEGER NOT NULL DEFAULT 0;
        UPDATE task SET round_at = created_at;
        """
}
