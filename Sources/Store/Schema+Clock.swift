extension Schema {
    /// Over a restart: which start of the machine it was, and the wall clock less the steady one then (ms); which dispatch
    /// settings were in force.
    static let clockColumns = """
        ALTER TABLE server_clock ADD COLUMN boot TEXT;
        ALTER TABLE server_clock ADD COLUMN wall_offset INTEGER;
        ALTER TABLE server_clock ADD COLUMN dispatch TEXT NOT NULL DEFAULT '';
        """
}
