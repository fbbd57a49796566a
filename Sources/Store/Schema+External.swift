extension Schema {
    /// What other systems say of tasks: their number, their stage in Patrol's word and in their own, and why Patrol did
    /// not follow where it did not.
    static let externalTable = """
        CREATE TABLE task_external (
          task_id TEXT NOT NULL, system TEXT NOT NULL, number TEXT, stage TEXT, status TEXT, conflict TEXT, at INTEGER NOT NULL,
          PRIMARY KEY (task_id, system)) WITHOUT ROWID;
        CREATE UNIQUE INDEX task_external_number ON task_external (system, number);
        """
}
