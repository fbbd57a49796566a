/// What rules need across a restart, and what alerts say.
extension Schema {
    /// Alerts that people have ended since the last checkpoint, each with its place among the stored readings.
    static let ruleEndTable = """
        CREATE TABLE rule_end (
          seq INTEGER PRIMARY KEY, input INTEGER NOT NULL, clock INTEGER NOT NULL, at INTEGER NOT NULL, hash TEXT NOT NULL,
          device INTEGER NOT NULL);
        """

    static let contestedColumn = "ALTER TABLE rule_input ADD COLUMN contested INTEGER"

    static let ruleTables = """
        CREATE TABLE rule_state (page INTEGER PRIMARY KEY, state BLOB NOT NULL);
        CREATE TABLE rule_input (
          seq INTEGER PRIMARY KEY, input INTEGER NOT NULL, is_tick INTEGER NOT NULL, clock INTEGER NOT NULL,
          is_catching_up INTEGER NOT NULL);
        CREATE TABLE rule_in_force (
          rule TEXT PRIMARY KEY, hash TEXT NOT NULL, since_input INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE alert_detail (
          alert_id TEXT PRIMARY KEY, title_en TEXT NOT NULL, title_zh TEXT NOT NULL, text_en TEXT, text_zh TEXT,
          unit TEXT NOT NULL, bound REAL, standard TEXT, coverage REAL, devices TEXT, reason TEXT) WITHOUT ROWID;
        """
}
