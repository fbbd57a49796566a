extension Schema {
    /// Of tasks that stood before it, what their severity says.
    static let priorityColumn = """
        ALTER TABLE task ADD COLUMN priority INTEGER NOT NULL DEFAULT 3;
        UPDATE task SET priority = CASE severity WHEN 'critical' THEN 2 WHEN 'info' THEN 4 ELSE 3 END;
        """
}
