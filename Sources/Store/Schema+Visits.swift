extension Schema {
    /// Joint tasks (a line `department TAB by` each part), crews (`unit TAB stage TAB at`), planned visits.
    static let visitTables = """
        ALTER TABLE task ADD COLUMN parts TEXT NOT NULL DEFAULT '';
        ALTER TABLE task ADD COLUMN crew TEXT NOT NULL DEFAULT '';
        ALTER TABLE task_feedback ADD COLUMN department TEXT;
        CREATE TABLE task_plan (
          id TEXT PRIMARY KEY, task_id TEXT NOT NULL, at INTEGER NOT NULL, situation TEXT NOT NULL, kind TEXT NOT NULL,
          area TEXT NOT NULL, severity TEXT NOT NULL, site TEXT, lat REAL, lon REAL, subject TEXT, who TEXT NOT NULL,
          is_begun INTEGER NOT NULL) WITHOUT ROWID;
        CREATE INDEX task_plan_task ON task_plan (task_id);
        """
}
