import Telemetry

extension StoreReader {
    /// As the view of the kind gives it.
    static func row(_ stored: StoredReadings.Stored, device: String, gateway: String) -> [StoreValue] {
        let reading = stored.reading
        let fields = reading.kind.description.fields
        var row: [StoreValue] = []
        row.reserveCapacity(fields.count + 6)
        row += [.text(device), .integer(reading.ts.milliseconds), .integer(reading.received.milliseconds), .text(gateway)]
        row.append(reading.seq == Reading.noSeq ? .null : .integer(reading.seq))
        for field in fields {
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
        row.append(.integer(stored.input))
        return row
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
