import Telemetry

/// Whose readings a question asks for: devices, each for as long as it was where the question says. Where a device was before
/// it was moved lies in `device_period`.
struct ReadingChoice {
    private(set) var spans: [UInt32: [Range<Int64>]] = [:]
    private static let always = Timestamp.distantPast.milliseconds..<Int64.max

    /// Nil where all devices of the kind are asked for.
    init?(_ query: PageQuery, kind: Kind, _ connection: Connection) throws(StoreError) {
        if query.site == nil && query.area == nil {
            guard let device = query.device else { return nil }
            let select = try connection.prepare("SELECT number FROM device WHERE id = ? AND kind = ?")
            select.bind(1, device)
            select.bind(2, kind.name)
            if try select.step() { spans[UInt32(truncatingIfNeeded: select.integer(0))] = [ReadingChoice.always] }
            return
        }
        let select = try connection.prepare(
            """
            WITH place (number, id, site, area, since, until) AS (
              SELECT number, id, site, area, coalesce((SELECT max(p.until) FROM device_period p WHERE p.device = number), ?5), ?6
              FROM device WHERE kind = ?1
              UNION ALL
              SELECT d.number, d.id, p.site, p.area, p.since, p.until
              FROM device_period p JOIN device d ON d.number = p.device WHERE d.kind = ?1)
            SELECT number, since, until FROM place
            WHERE (?2 IS NULL OR id = ?2) AND (?3 IS NULL OR site = ?3) AND (?4 IS NULL OR instr(area, ?4) = 1) AND since < until
            """)
        select.bind(1, kind.name)
        select.bind(2, query.device)
        select.bind(3, query.site)
        select.bind(4, query.area)
        select.bind(5, ReadingChoice.always.lowerBound)
        select.bind(6, ReadingChoice.always.upperBound)
        while try select.step() {
            spans[UInt32(truncatingIfNeeded: select.integer(0)), default: []].append(select.integer(1)..<select.integer(2))
        }
    }

    func holds(_ reading: borrowing Reading) -> Bool {
        let ts = reading.ts.milliseconds
        return spans[reading.device]?.contains { $0.contains(ts) } ?? false
    }

    /// The same of rows of a raw table.
    var condition: String {
        var whole: [UInt32] = []
        var parts: [String] = []
        for (device, spans) in spans {
            if spans == [ReadingChoice.always] {
                whole.append(device)
            } else {
                parts += spans.map { "device = \(device) AND ts >= \($0.lowerBound) AND ts < \($0.upperBound)" }
            }
        }
        if whole.count == 1 && parts.isEmpty { return "device = \(whole[0])" }
        return "(" + (["device IN (\(whole.map(\.description).joined(separator: ", ")))"] + parts).joined(separator: " OR ") + ")"
    }

    /// The ids of its devices' rows in a segment; nil where its bytes do not tell of all rows.
    func ids(in bytes: [UInt8], first: Int64, last: Int64) -> [Int64]? {
        if spans.count == 1 { return SegmentDevices.ids(of: spans.first!.key, in: bytes, first: first, last: last) }
        return SegmentDevices.ids(in: bytes, first: first, last: last) { spans[$0] != nil }
    }
}
