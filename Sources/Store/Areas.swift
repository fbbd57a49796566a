public import Telemetry

/// Names of areas, for people who read a store: what the areas file said when the store was last written to by `run`.
extension StoreWriter {
    static let areaTable = """
        CREATE TABLE area (code TEXT PRIMARY KEY, name TEXT NOT NULL, level TEXT NOT NULL, parent TEXT) WITHOUT ROWID;
        """

    /// Replaces all areas, inside the open transaction.
    public func replace(areas: [Area]) throws(StoreError) {
        try connection.execute("DELETE FROM area")
        let insert = try connection.prepare("INSERT OR REPLACE INTO area VALUES (?,?,?,?)")
        for area in areas {
            insert.bind(1, Area.shortCode(area.code))
            insert.bind(2, area.name)
            insert.bind(3, area.level.rawValue)
            insert.bind(4, area.parent.map(Area.shortCode))
            try insert.run()
        }
    }
}

extension StoreReader {
    /// Names by code without the zeros that fill it up (``Area/shortCode(_:)``).
    public func areaNames() throws(StoreError) -> [String: String] {
        // A store that an older Patrol wrote last has no such table.
        if try rows("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'area'").rows.isEmpty { return [:] }
        return Dictionary(
            try rows("SELECT code, name FROM area").rows.map { ($0[0].text, $0[1].text) }, uniquingKeysWith: { first, _ in first })
    }
}
