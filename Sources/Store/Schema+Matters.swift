extension Schema {
    /// For which departments a unit may act, how many officers it has, and how its camera was last heard.
    static let matterColumns = """
        ALTER TABLE unit ADD COLUMN authority TEXT NOT NULL DEFAULT '';
        ALTER TABLE unit ADD COLUMN officers INTEGER NOT NULL DEFAULT 1;
        ALTER TABLE unit ADD COLUMN camera_at INTEGER;
        ALTER TABLE unit ADD COLUMN recording INTEGER;
        """
}
