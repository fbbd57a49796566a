import Telemetry

/// How a collection lies in the tables: what is selected, what orders it, which columns the conditions are on.
private struct Source {
    var columns: String
    var from: String
    /// Expressions of the key, the second only where the first is not unique.
    var keys: [String]
    var ascends = false
    var time: String?
    var device: String?
    var state: String?
    var kind: String?
    /// Columns of a device's or an alert's place.
    var site: String?, area: String?

    /// Nil for readings (``ReadingPage``).
    init?(_ query: PageQuery) {
        switch query.collection {
        case .readings: return nil
        case .minutes:
            columns = RollupLayout.minute.viewColumns
            // CROSS JOIN keeps SQLite from walking the devices first: the order is the minutes' own key.
            (from, keys) = ("noise_minute r CROSS JOIN device d ON d.number = r.device", ["r.bucket", "r.device * 2 + r.flagged"])
            (time, device) = ("r.bucket", "r.device IN (SELECT number FROM device WHERE id = ?)")
            (site, area) = ("d.site", "d.area")
        case .alerts:
            columns = """
                a.id, a.rule, a.device, a.site, a.area, a.severity, a.state, a.started_at, a.fired_at, a.resolved_at, a.value, \
                a.kind, d.name, (SELECT silenced_by FROM alert_detail x WHERE x.alert_id = a.id) AS silenced_by
                """
            (from, keys) = ("alert a LEFT JOIN device d ON d.number = a.device_number", ["a.started_at", "a.id"])
            (time, device, state) = ("a.started_at", "a.device = ?", "a.state")
            (site, area) = ("a.site", "a.area")
        case .silences:
            columns = "s.id, s.author, s.role, s.reason, s.created_at, s.starts_at, s.ends_at, s.match, s.ended_at, s.ended_by"
            (from, keys, time) = ("silence s", ["s.number"], "s.created_at")
            state = "iif(s.ended_at IS NULL, 'standing', 'over')"
        case .tasks:
            columns = """
                t.id, t.alert_id, t.kind, t.area, t.stage, t.unit, t.created_at, t.respond_due, t.set_out_due, t.dispose_due, \
                a.device
                """
            (from, keys) = ("task t LEFT JOIN alert a ON a.id = t.alert_id", ["t.created_at", "t.id"])
            (time, device, state) = ("t.created_at", "a.device = ?", "t.stage")
            (site, area) = ("a.site", "t.area")
        case .rejects:
            columns = "x.received, x.gateway, x.topic, x.device, x.field, x.reason, x.payload"
            (from, keys) = ("reject x", ["x.id"])
            (time, device) = ("x.received", "x.device = ?")
        case .devices:
            columns = """
                d.number, d.kind, d.id, d.gateway, d.name, d.area, d.site, d.zone, d.lat, d.lon, d.team, d.tags, \
                d.registered_at, \(DeviceStatePage.newestFunction)(s.states, d.number) AS newest_ts
                """
            (from, keys, ascends) = ("device d LEFT JOIN device_page s ON s.page = d.number / \(DeviceStatePage.devices)", ["d.number"], true)
            (device, kind) = ("d.id = ?", "d.kind")
            (site, area) = ("d.site", "d.area")
        case .counts:
            (columns, from, keys) = ("c.*", "message_count c", ["0"])
        }
    }
}

extension StoreReader {
    /// Rows that a page is to hold at most where somebody waits for it.
    public static let pageRows = 5000

    /// One page, read in one snapshot.
    /// - Throws: `StoreError`; `.input` where it took longer than 5 s.
    public func page(_ query: PageQuery) throws(StoreError) -> StorePage {
        var query = query
        query.limit = max(0, query.limit)
        guard let source = Source(query) else {
            return try snapshot(seconds: StoreReader.pageSeconds) { db in
                try unsafe ReadingPage(Connection(handle: db.sqliteConnection!, path: path), query).read()
            }
        }
        var conditions: [String] = []
        var arguments: [StoreValue] = []
        func add(_ condition: String?, _ value: StoreValue) {
            guard let condition else { return }
            conditions.append(condition)
            arguments.append(value)
        }
        if let device = query.device { add(source.device, .text(device)) }
        if let since = query.since { add(source.time.map { "\($0) >= ?" }, .integer(since.milliseconds)) }
        if let until = query.until { add(source.time.map { "\($0) < ?" }, .integer(until.milliseconds)) }
        if let site = query.site { add(source.site.map { "\($0) = ?" }, .text(site)) }
        if let area = query.area { add(source.area.map { "instr(\($0), ?) = 1" }, .text(area)) }
        if let state = query.state { add(source.state.map { "\($0) = ?" }, .text(state)) }
        if let kind = query.kind { add(source.kind.map { "\($0) = ?" }, .text(kind.name)) }
        if let cursor = query.cursor, query.collection != .counts {
            let sign = source.ascends ? ">" : "<"
            if source.keys.count == 2, let second = cursor.second {
                conditions.append("(\(source.keys[0]), \(source.keys[1])) \(sign) (?, ?)")
                arguments += [.integer(cursor.first), second]
            } else {
                add("\(source.keys[0]) \(sign) ?", .integer(cursor.first))
            }
        }
        let filter = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
        let order = query.collection == .counts ? "c.kind" : source.keys.map { $0 + (source.ascends ? "" : " DESC") }.joined(separator: ", ")
        let keys = source.keys.joined(separator: ", ")
        let answer = try rows(
            "SELECT \(source.columns), \(keys) FROM \(source.from)\(filter) ORDER BY \(order) LIMIT ?",
            arguments + [.integer(Int64(query.limit))])
        let width = answer.columns.count - source.keys.count
        var page = StorePage(columns: Array(answer.columns.prefix(width)), rows: answer.rows, next: nil)
        if let last = page.rows.last, page.rows.count == query.limit, query.collection != .counts {
            let key = last.suffix(source.keys.count)
            page.next = PageCursor(first: key.first!.integer, second: key.count == 2 ? key.last : nil)
        }
        for index in page.rows.indices { page.rows[index].removeLast(answer.columns.count - width) }
        return page
    }
}
