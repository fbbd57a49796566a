import Telemetry

/// A router's table: `from,to,seconds`, areas by code. What stands in it one way holds for the way back where that is missing.
enum TravelFile {
    private static let columns = ["from", "to", "seconds"]

    static func load(path: String, text: String? = nil, areas: AreaTree?) -> Loaded<[String: [String: Double]]> {
        var table = text.map { CSVTable($0, path: path, columns: columns, needed: columns) }
            ?? CSVTable(path: path, columns: columns, needed: columns)
        var seconds: [String: [String: Double]] = [:]
        for row in table.rows {
            func area(_ column: String) -> String? {
                guard let code = table.needed(row, column) else { return nil }
                if let areas, areas.number(ofCode: code) == nil {
                    table.problem(row, column, "no area has the code '\(code)'\(hint(code, among: areas.areas.map(\.code)))")
                }
                return code
            }
            let (from, to) = (area("from"), area("to"))
            guard let cell = table.needed(row, "seconds") else { continue }
            guard let value = Double(cell), (1...86_400).contains(value) else {
                table.problem(row, "seconds", "seconds is a number from 1 to 86400, not '\(cell)'")
                continue
            }
            guard let from, let to else { continue }
            if seconds[from]?[to] != nil { table.problem(row, "to", "the way from \(from) to \(to) stands here twice") }
            seconds[from, default: [:]][to] = value
        }
        for (from, ways) in seconds {
            for (to, value) in ways where seconds[to]?[from] == nil { seconds[to, default: [:]][from] = value }
        }
        return Loaded(seconds, table.problems)
    }
}
