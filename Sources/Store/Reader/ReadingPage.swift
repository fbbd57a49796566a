import Telemetry

/// The newest readings that a question asks for, out of rows and of compact history; in one snapshot of the connection.
struct ReadingPage {
    private let connection: Connection
    private let query: PageQuery
    private let kind: Kind
    private let from: Timestamp, to: Timestamp
    /// Readings numbered below it: those behind the page before.
    private let end: Int64
    private var found: [StoredReadings.Stored] = []
    private var damaged: Set<HistoryReader.Damaged> = []

    init(_ connection: Connection, _ query: PageQuery) {
        self.connection = connection
        self.query = query
        kind = query.kind ?? .noise
        from = query.since ?? Timestamp(milliseconds: .min)
        to = query.until ?? Timestamp(milliseconds: .max)
        end = query.cursor?.first ?? .max
    }

    consuming func read() throws(StoreError) -> StorePage {
        var page = StorePage(columns: RawLayout(kind).viewNames, rows: [], next: nil)
        let choice = try ReadingChoice(query, kind: kind, connection)
        if query.limit == 0 || choice?.spans.isEmpty == true { return page }
        try readRows(choice)
        try readHistory(choice)
        let names = try connection.prepare("SELECT id, gateway FROM device WHERE number = ?")
        var known: [UInt32: (id: String, gateway: String)] = [:]
        for stored in found {
            let number = stored.reading.device
            if known[number] == nil {
                names.bind(1, Int64(number))
                defer { names.reset() }
                guard try names.step() else { continue }
                known[number] = (names.text(0), names.text(1))
            }
            let device = known[number]!
            page.rows.append(StoreReader.row(stored, device: device.id, gateway: device.gateway))
        }
        if found.count == query.limit { page.next = PageCursor(first: found.last!.input) }
        for block in damaged { page.damaged.append(try connection.describe(block)) }
        page.damaged.sort()
        return page
    }

    /// Behind the last full segment all rows are looked at; in segments that can hold the time those of the devices, or all.
    private mutating func readRows(_ choice: ReadingChoice?) throws(StoreError) {
        let select = RawLayout(kind).selectSQL
        // What turns most rows away comes first.
        let chosen = choice.map { "\($0.condition) AND" } ?? ""
        let inTime = "AND ts >= \(from.milliseconds) AND ts < \(to.milliseconds) ORDER BY id DESC LIMIT ?"
        let scan = try connection.prepare("\(select) WHERE \(chosen) id BETWEEN ? AND ? \(inTime)")
        let list = try connection.prepare("\(select) WHERE \(chosen) id IN (SELECT value FROM json_each(?)) \(inTime)")
        func take(_ statement: Statement, limitAt limit: Int32) throws(StoreError) {
            statement.bind(limit, Int64(query.limit - found.count))
            while try statement.step() { found.append(RawRow.decode(kind, statement)) }
            statement.reset()
        }
        func read(_ first: Int64, _ last: Int64) throws(StoreError) {
            scan.bind(1, first)
            scan.bind(2, min(last, end - 1))
            try take(scan, limitAt: 3)
        }
        let edge = try connection.prepare("SELECT last_id FROM raw_segment WHERE kind = ? ORDER BY first_id DESC LIMIT 1")
        edge.bind(1, Int64(kind.rawValue))
        try read(try edge.step() ? edge.integer(0) + 1 : 0, .max)
        let segments = try connection.prepare(
            """
            SELECT first_id, last_id, \(try connection.devicesOfSegments()) FROM raw_segment WHERE kind = ? AND max_ts >= ? AND min_ts < ? AND first_id < ?
            ORDER BY first_id DESC
            """)
        for (index, value) in [Int64(kind.rawValue), from.milliseconds, to.milliseconds, end].enumerated() {
            segments.bind(Int32(index + 1), value)
        }
        while found.count < query.limit {
            guard try segments.step() else { return }
            let (first, last) = (segments.integer(0), segments.integer(1))
            guard let ids = choice?.ids(in: segments.bytes(2), first: first, last: last) else {
                try read(first, last)
                continue
            }
            list.bind(1, "[\(ids.prefix { $0 < end }.map(\.description).joined(separator: ","))]")
            try take(list, limitAt: 2)
        }
    }

    /// A whole run is decoded where no device is named.
    private mutating func readHistory(_ choice: ReadingChoice?) throws(StoreError) {
        let history = HistoryReader(connection)
        func cut() {
            found.sort { $0.input > $1.input }
            if found.count > query.limit { found.removeLast(found.count - query.limit) }
        }
        var broken: Set<HistoryReader.Damaged> = []
        defer { damaged = broken }
        for run in try history.runs(kind: kind, from: from, to: to).reversed() where run.first < end {
            // Runs share no numbers: those of older runs are lower.
            if found.count == query.limit, run.gone < found.last!.input { break }
            for device in choice?.spans.keys.map(Optional.some) ?? [nil] {
                try history.forEach(
                    in: run, device: device, from: from, to: to, damaged: { broken.insert($0) },
                    { stored in
                        guard stored.input < end, choice?.holds(stored.reading) ?? true else { return }
                        found.append(stored)
                        if found.count >= 2 * query.limit + 4096 { cut() }
                    })
            }
            cut()
        }
    }
}
