extension Schema {
    /// Tasks with all that their next step depends on, what happened to them, what was found.
    ///
    /// `respond_due`, `set_out_due` and `dispose_due` of a clock that has not started are as if it had at the creation;
    /// `clock_flags` says which have not (bits 0–2) and for which a warning was given (bits 3–5).
    static let dispatchTables = """
        ALTER TABLE task ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE task ADD COLUMN situation TEXT NOT NULL DEFAULT '';
        ALTER TABLE task ADD COLUMN site TEXT;
        ALTER TABLE task ADD COLUMN lat REAL;
        ALTER TABLE task ADD COLUMN lon REAL;
        ALTER TABLE task ADD COLUMN severity TEXT NOT NULL DEFAULT 'warning';
        ALTER TABLE task ADD COLUMN stage_before TEXT;
        ALTER TABLE task ADD COLUMN suspended_at INTEGER;
        ALTER TABLE task ADD COLUMN suspended_until INTEGER;
        ALTER TABLE task ADD COLUMN department TEXT;
        ALTER TABLE task ADD COLUMN respond_stopped INTEGER;
        ALTER TABLE task ADD COLUMN set_out_stopped INTEGER;
        ALTER TABLE task ADD COLUMN dispose_stopped INTEGER;
        ALTER TABLE task ADD COLUMN respond_breached INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE task ADD COLUMN set_out_breached INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE task ADD COLUMN dispose_breached INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE task ADD COLUMN clock_flags INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE task ADD COLUMN last_by TEXT NOT NULL DEFAULT 'patrol';
        ALTER TABLE task ADD COLUMN last_at INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE task ADD COLUMN feedback_by TEXT;
        ALTER TABLE task ADD COLUMN disposed_at INTEGER;
        ALTER TABLE task ADD COLUMN merged_into TEXT;
        ALTER TABLE task ADD COLUMN firing TEXT NOT NULL DEFAULT '';
        ALTER TABLE task ADD COLUMN events INTEGER NOT NULL DEFAULT 1;
        ALTER TABLE task ADD COLUMN unit_due INTEGER;
        ALTER TABLE task ADD COLUMN tried TEXT NOT NULL DEFAULT '';
        ALTER TABLE task ADD COLUMN forget_at INTEGER;
        ALTER TABLE task ADD COLUMN subject TEXT;
        UPDATE task SET last_at = created_at,
          number = (SELECT count(*) FROM task o WHERE (o.created_at, o.id) <= (task.created_at, task.id)),
          situation = kind || char(10) || coalesce(
            (SELECT coalesce('site' || char(10) || a.site, 'device' || char(10) || a.kind || char(10) || a.device)
             FROM alert a WHERE a.id = task.alert_id), id);
        CREATE INDEX task_open ON task (number) WHERE stage NOT IN ('closed', 'cancelled') OR forget_at IS NOT NULL;
        ALTER TABLE task_event ADD COLUMN number INTEGER;
        ALTER TABLE task_event ADD COLUMN what TEXT;
        ALTER TABLE task_event ADD COLUMN from_stage TEXT;
        ALTER TABLE task_event ADD COLUMN role TEXT;
        ALTER TABLE task_event ADD COLUMN unit TEXT;
        ALTER TABLE task_event ADD COLUMN lat REAL;
        ALTER TABLE task_event ADD COLUMN lon REAL;
        UPDATE task_event SET what = stage, number = 1, role = 'patrol';
        CREATE TABLE task_source (
          task_id TEXT NOT NULL, kind TEXT NOT NULL, ref TEXT NOT NULL, at INTEGER NOT NULL, text TEXT, picture TEXT,
          PRIMARY KEY (task_id, kind, ref)) WITHOUT ROWID;
        CREATE INDEX task_source_ref ON task_source (ref);
        CREATE TABLE task_feedback (
          task_id TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, who TEXT NOT NULL, verdict TEXT, text TEXT,
          instrument TEXT, laeq REAL, period_s REAL, background REAL, corrected REAL, limit_db REAL, measures TEXT,
          photographs TEXT, PRIMARY KEY (task_id, number)) WITHOUT ROWID;
        CREATE TABLE server_clock (
          only INTEGER PRIMARY KEY CHECK (only = 1), correction INTEGER NOT NULL, at INTEGER NOT NULL);
        INSERT INTO server_clock VALUES (1, 0, \(Int64.min / 4));
        """
}
