import Telemetry

/// Compact history as if it were rows.
extension StoreReader {
    /// The newest readings of compact history that a question asks for, at most `limit`, newest first; and what could not be
    /// read, in words. A whole run is decoded where no device is named.
    func historyPage(_ query: PageQuery) throws(StoreError) -> (rows: [[StoreValue]], damaged: [String]) {
        let kind = query.kind ?? .noise
        let connection = try Connection(path: path, readOnly: true)
        let history = HistoryReader(connection)
        let runs = try history.runs(kind: kind, from: query.since ?? .distantPast, to: query.until)
        guard !runs.isEmpty else { return ([], []) }
        let devices = try connection.devices()
        let device = query.device.map { id in devices.first { $0.id == id && $0.kind == kind }?.number }
        if case .some(nil) = device { return ([], []) }
        var found: [StoredReadings.Stored] = []
        var damaged: Set<HistoryReader.Damaged> = []
        func cut() {
            found.sort { $0.input > $1.input }
            if found.count > query.limit { found.removeLast(found.count - query.limit) }
        }
        for run in runs.reversed() {
            if let cursor = query.cursor, run.first >= cursor.first { continue }
            // Runs share no numbers: those of older runs are lower.
            if found.count >= query.limit, let last = found.last, run.gone < last.input { break }
            try history.forEach(
                in: run, device: device ?? nil, from: query.since ?? .distantPast, to: query.until,
                damaged: { damaged.insert($0) },
                { stored in
                    if let cursor = query.cursor, stored.input >= cursor.first { return }
                    found.append(stored)
                    if found.count >= 2 * query.limit + 4096 { cut() }
                })
            cut()
        }
        var words: [String] = []
        for block in damaged { words.append(try connection.describe(block)) }
        return (found.map { StoreReader.row($0, devices[Int($0.reading.device)]) }, words.sorted())
    }

    /// As the view of the kind gives it.
    static func row(_ stored: StoredReadings.Stored, _ device: Device) -> [StoreValue] {
        let reading = stored.reading
        var row: [StoreValue] = [
            .text(device.id), .integer(reading.ts.milliseconds), .integer(reading.received.milliseconds), .text(device.gateway),
            reading.seq == Reading.noSeq ? .null : .integer(reading.seq),
        ]
        for field in reading.kind.description.fields {
            switch field.storage {
            case .number(let index, _, let isInteger):
                row.append(reading.value(index).map { isInteger ? .integer(Int64($0)) : .real($0) } ?? .null)
            case .time(let index): row.append(reading.value(index).map { .integer(Int64($0)) } ?? .null)
            case .bool(let bit): row.append(reading.bit(bit).map { .integer($0 ? 1 : 0) } ?? .null)
            case .flags(let first, let names):
                let set = names.enumerated().filter { reading.bits >> UInt16(first + $0.offset) & 1 == 1 }.map(\.element)
                row.append(set.isEmpty ? .null : .text(set.joined(separator: ",")))
            case .text(.officer): row.append(stored.officer.isEmpty ? .null : .text(stored.officer))
            case .text(.boot): row.append(stored.boot.isEmpty ? .null : .text(stored.boot))
            case .period: row.append(.real(Double(reading.periodMilliseconds) / 1000))
            }
        }
        return row + [.integer(stored.input)]
    }

    /// Blocks of compact history that cannot be read, each with its device and day in words, and runs that lack some.
    public func historyDamage() throws(StoreError) -> [String] {
        let connection = try Connection(path: path, readOnly: true)
        let history = HistoryReader(connection)
        var words: [String] = []
        // A run at a time, each in a snapshot of its own.
        for run in try history.runs() {
            for block in try history.damage(in: run) { words.append(try connection.describe(block)) }
            let missing = try history.missing(in: run)
            if missing != 0 {
                let days = [run.minTs, run.maxTs].map { $0.rfc3339().prefix(10) }.joined(separator: " to ")
                words.append("compact history of \(run.kind.name) from \(days) (UTC) lacks blocks with \(missing) readings; a backup may have them")
            }
        }
        return words
    }
}
