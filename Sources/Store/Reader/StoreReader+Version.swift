extension StoreReader {
    /// Throws where the store was written by another Patrol, whose tables this one may misread.
    public func checkVersion() throws(StoreError) {
        let known = Schema.migrator.migrations
        let there = try rows("SELECT identifier FROM grdb_migrations").rows.map { $0[0].text }
        if let first = there.first(where: { !known.contains($0) }) {
            throw StoreError(.newerVersion, path: path, detail: "it has the migration '\(first)'")
        }
        if let first = known.first(where: { !there.contains($0) }) {
            throw StoreError(.olderVersion, path: path, detail: "it lacks the migration '\(first)'")
        }
    }
}
