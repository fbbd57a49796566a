import Telemetry

/// How the readings of a kind lie in their `*_raw` table, and the view that gives them the contract's names.
///
/// Common to all: `id` (order of commit over all kinds), `ts`, `device` (number), `lag` (received − ts), `seq`, `small`.
/// `small` packs what is nearly always the default into one integer, 0 or NULL when it all is: bits 0–3 noise flags, bit 4
/// backfill, bits 5–14 battery of a noise meter in tenths of a percent + 1, bits 15… the period in ms + 1 where it is
/// not the kind's default. Noise levels: `laeq` is an integer in hundredths of a dB where that is exact, else a real in
/// dB; `levels` packs lmax, lmin, l10, l50, l90 as five 12-bit fields, each (tenths of a dB + 201), 0 when absent.
/// Where tenths cannot hold one of them or the battery exactly, `levels` is a JSON object of all of them by name.
struct RawLayout {
    let kind: Kind

    init(_ kind: Kind) { self.kind = kind }

    var tableName: String { "\(kind.name)_raw" }
    var batchName: String { "\(kind.name)_batch" }

    /// Columns in the order of the table, of the batch's virtual table and of ``RawRow``.
    var columns: [String] {
        let common = ["id", "ts", "device", "lag", "seq", "small"]
        if kind == .noise { return common + ["laeq", "levels"] }
        return common + kind.description.fields.map(\.name)
    }

    static let commonColumns = 6

    // No column but the key has a declared type: SQLite then stores each value as it is given.
    var tableSQL: String {
        "CREATE TABLE \(tableName) (id INTEGER PRIMARY KEY, \(columns.dropFirst().joined(separator: ", ")))"
    }

    var insertSQL: String { insertSQL(columns) }

    /// Of rows that get the numbers which follow the largest of the table.
    var appendSQL: String { insertSQL(Array(columns.dropFirst())) }

    private func insertSQL(_ columns: [String]) -> String {
        let list = columns.joined(separator: ", ")
        return "INSERT INTO \(tableName) (\(list)) SELECT \(list) FROM \(batchName)"
    }

    /// A row by its values, for ``RawRow/bind(_:to:)``.
    var insertValuesSQL: String {
        "INSERT INTO \(tableName) (\(columns.joined(separator: ", "))) VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))"
    }

    var selectSQL: String { "SELECT \(columns.joined(separator: ", ")) FROM \(tableName)" }

    static let noiseLevels = ["lmax", "lmin", "l10", "l50", "l90"]

    var viewSQL: String { "CREATE VIEW \(kind.name) AS SELECT \(viewColumns) FROM \(tableName) r JOIN device d ON d.number = r.device" }

    /// Columns of the view.
    var viewNames: [String] { ["device", "ts", "received", "gateway", "seq"] + kind.description.fields.map(\.name) + ["input"] }

    private var viewColumns: String {
        let head = "d.id AS device, r.ts, r.ts + r.lag AS received, d.gateway, r.seq"
        guard kind == .noise else {
            let names = kind.description.fields.map { "r.\($0.name)" }.joined(separator: ", ")
            return "\(head), \(names), r.id AS input"
        }
        func unpacked(_ name: String, _ packed: String) -> String {
            "CASE typeof(r.levels) WHEN 'text' THEN json_extract(r.levels, '$.\(name)') ELSE \(packed) END AS \(name)"
        }
        let levels = RawLayout.noiseLevels.enumerated().map { index, name in
            let field = "(r.levels >> \(index * 12) & 4095)"
            return unpacked(name, "CASE WHEN \(field) THEN (\(field) - 201) / 10.0 END")
        }.joined(separator: ", ")
        let battery = unpacked(
            "battery", "CASE WHEN r.small >> 5 & 1023 THEN ((r.small >> 5 & 1023) - 1) / 10.0 END")
        let period = "CASE WHEN r.small >> 15 THEN ((r.small >> 15) - 1) / 1000.0 ELSE 1.0 END AS period_s"
        let flags = ["rain", "wind", "calibration", "fault"].enumerated().map { bit, name in
            "CASE WHEN r.small & \(1 << bit) THEN ',\(name)' ELSE '' END"
        }.joined(separator: " || ")
        let flagText = "CASE WHEN r.small & 15 THEN substr(\(flags), 2) END AS flags"
        return """
            \(head), CASE typeof(r.laeq) WHEN 'integer' THEN r.laeq / 100.0 ELSE r.laeq END AS laeq, \
            \(levels), \(period), \(battery), \(flagText), r.id AS input
            """
    }
}
