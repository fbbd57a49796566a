extension StoreReader {
    /// Throws where the store was written by a newer Patrol, whose tables this one may misread.
    public func checkVersion() throws(StoreError) {
        let known = Set(Schema.migrator.migrations)
        let unknown = try rows("SELECT identifier FROM grdb_migrations").rows.map { $0[0].text }.filter { !known.contains($0) }
        guard let first = unknown.first else { return }
        throw StoreError(.newerVersion, path: path, detail: "it has the migration '\(first)'")
    }
}
