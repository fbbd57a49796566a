extension Schema {
    /// Leads are counted like readings; a task remembers which it has.
    static let leadTables = """
        INSERT INTO message_count VALUES ('lead', 0, 0, 0, 0, 0);
        ALTER TABLE task ADD COLUMN leads TEXT NOT NULL DEFAULT '';
        UPDATE task SET leads = coalesce(
          (SELECT group_concat(ref, char(10)) FROM task_source WHERE task_id = task.id AND kind = 'lead'), '');
        """
}
