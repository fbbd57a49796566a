extension Schema {
    /// Inputs of the engine that are no readings, and what people have said of alerts.
    ///
    /// `engine_input.after_input` is the number of the last stored reading before it (`input` of the raw tables), `seq`
    /// the order among those behind the same reading: both together give the order in which the engine took its inputs.
    static let actionTables = """
        CREATE TABLE engine_input (
          seq INTEGER PRIMARY KEY AUTOINCREMENT, after_input INTEGER NOT NULL, clock INTEGER NOT NULL, name TEXT NOT NULL,
          subject TEXT NOT NULL, author TEXT NOT NULL, role TEXT NOT NULL, fields TEXT NOT NULL);
        CREATE TABLE alert_note (
          seq INTEGER PRIMARY KEY AUTOINCREMENT, alert_id TEXT NOT NULL, what TEXT NOT NULL, at INTEGER NOT NULL,
          who TEXT NOT NULL, role TEXT NOT NULL, text TEXT);
        CREATE INDEX alert_note_alert ON alert_note (alert_id);
        """
}
