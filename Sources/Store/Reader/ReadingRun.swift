import Foundation
public import Telemetry

/// All readings of a store in the order in which they were committed, beside a writer or without one.
public struct ReadingRun {
    let connection: Connection
    public let path: String

    public init(path: String) throws(StoreError) {
        self.path = path
        guard FileManager.default.fileExists(atPath: path) else {
            throw StoreError(.missing, path: path, detail: "no such file")
        }
        connection = try Connection(path: path, readOnly: true)
    }

    public func devices() throws(StoreError) -> [Device] { try connection.devices() }

    /// `body` gets the reading and its texts, `officer` and then `boot`; compact history too, in its place.
    /// - Parameters:
    ///   - damaged: told of blocks of compact history that cannot be read, in words.
    ///   - contested: told of a device whose id another gateway has brought, before the first reading received later; as
    ///     far as the store still has such rejects.
    public func forEach(
        damaged: (String) -> Void = { _ in }, contested: (UInt32) -> Void = { _ in }, _ body: (borrowing Reading, [UInt8]) -> Void
    ) throws(StoreError) {
        // One moment for all kinds.
        try connection.execute("BEGIN")
        defer { try? connection.execute("COMMIT") }
        var sources: [StoredOrder] = []
        for kind in Kind.allCases { sources.append(try StoredOrder(connection, kind)) }
        var contests = try contests()[...]
        while true {
            var first: Int?
            for index in sources.indices {
                guard let input = sources[index].first?.input else { continue }
                if first == nil || input < sources[first!].first!.input { first = index }
            }
            guard let first else { break }
            var stored = try sources[first].next()!
            stored.reading.officerBytes = UInt8(truncatingIfNeeded: stored.officer.utf8.count)
            stored.reading.bootBytes = UInt8(truncatingIfNeeded: stored.boot.utf8.count)
            while let contest = contests.first, contest.received < stored.reading.received {
                contests.removeFirst()
                contested(contest.device)
            }
            body(stored.reading, stored.text)
        }
        for block in sources.flatMap(\.damaged) { damaged(try connection.describe(block)) }
    }

    private func contests() throws(StoreError) -> [(received: Timestamp, device: UInt32)] {
        let select = try connection.prepare(
            """
            SELECT r.received, d.number FROM reject r JOIN device d ON d.id = r.device AND r.topic LIKE '%/' || d.kind || '/%'
            WHERE r.reason = '\(RejectReason.wrongGateway.name)' ORDER BY r.received, r.rowid
            """)
        var contests: [(received: Timestamp, device: UInt32)] = []
        while try select.step() {
            contests.append((Timestamp(milliseconds: select.integer(0)), UInt32(truncatingIfNeeded: select.integer(1))))
        }
        return contests
    }
}

extension ReadingRun {
    /// The readings of a kind in the order in which they were committed, each as the view of the kind has it.
    public func forEachRow(kind: Kind, damaged: (String) -> Void, _ body: ([StoreValue]) -> Void) throws(StoreError) {
        try connection.execute("BEGIN")
        defer { try? connection.execute("COMMIT") }
        let devices = try connection.devices()
        var source = try StoredOrder(connection, kind)
        while let stored = try source.next() {
            let device = devices[Int(stored.reading.device)]
            body(StoreReader.row(stored, device: device.id, gateway: device.gateway))
        }
        for block in source.damaged { damaged(try connection.describe(block)) }
    }
}

/// The readings of a kind in the order of their numbers, out of rows and blocks.
struct StoredOrder {
    private let kind: Kind
    private let rows: Statement
    private let history: HistoryReader
    private var runs: ArraySlice<HistoryReader.Run>
    private var unpacked: RunReadings?
    private var row: StoredReadings.Stored?
    private(set) var first: StoredReadings.Stored?
    private(set) var damaged: [HistoryReader.Damaged] = []

    init(_ connection: Connection, _ kind: Kind) throws(StoreError) {
        self.kind = kind
        rows = try connection.prepare("\(RawLayout(kind).selectSQL) ORDER BY id")
        history = HistoryReader(connection)
        runs = try history.runs(kind: kind)[...]
        row = try rows.step() ? RawRow.decode(kind, rows) : nil
        first = try following()
    }

    mutating func next() throws(StoreError) -> StoredReadings.Stored? {
        let result = first
        first = try following()
        return result
    }

    private mutating func following() throws(StoreError) -> StoredReadings.Stored? {
        while true {
            if let stored = unpacked?.next() { return stored }
            unpacked = nil
            guard let run = runs.first, row.map({ run.first <= $0.input }) ?? true else { break }
            runs.removeFirst()
            var broken: [HistoryReader.Damaged] = []
            unpacked = try history.readings(of: run) { broken.append($0) }
            damaged += broken
        }
        let result = row
        if result != nil { row = try rows.step() ? RawRow.decode(kind, rows) : nil }
        return result
    }
}

extension StoredReadings.Stored {
    /// `officer`, then `boot`.
    fileprivate var text: [UInt8] { Array(officer.utf8) + Array(boot.utf8) }
}

extension Connection {
    /// Stored readings of all kinds behind `input`, in their order, with their texts (`officer`, then `boot`).
    func forEachReading(
        after input: Int64, _ body: (Int64, borrowing Reading, [UInt8]) -> Void
    ) throws(StoreError) {
        var selects: [Statement] = []
        var next: [Int64] = []
        for kind in Kind.allCases {
            let select = try prepare("\(RawLayout(kind).selectSQL) WHERE id > ? ORDER BY id")
            select.bind(1, input)
            selects.append(select)
            next.append(try select.step() ? select.integer(0) : .max)
        }
        while let first = next.indices.min(by: { next[$0] < next[$1] }), next[first] != .max {
            var stored = RawRow.decode(Kind.allCases[first], selects[first])
            stored.reading.officerBytes = UInt8(truncatingIfNeeded: stored.officer.utf8.count)
            stored.reading.bootBytes = UInt8(truncatingIfNeeded: stored.boot.utf8.count)
            let hasText = stored.reading.officerBytes > 0 || stored.reading.bootBytes > 0
            body(next[first], stored.reading, hasText ? Array(stored.officer.utf8) + Array(stored.boot.utf8) : [])
            next[first] = try selects[first].step() ? selects[first].integer(0) : .max
        }
    }

    /// A block in words: its device and day.
    func describe(_ block: HistoryReader.Damaged) throws(StoreError) -> String {
        let select = try prepare("SELECT id FROM device WHERE number = ?")
        select.bind(1, Int64(block.device))
        let device = try select.step() ? select.text(0) : "number \(block.device)"
        let day = Timestamp(milliseconds: block.day * HistoryBlock.dayMilliseconds).rfc3339().prefix(10)
        return "compact history of \(block.kind.name) \(device) on \(day) (UTC) cannot be read; the rest can"
    }

    func devices() throws(StoreError) -> [Device] {
        let select = try prepare(
            """
            SELECT number, kind, id, gateway, name, area, site, zone, lat, lon, team, tags FROM device ORDER BY number
            """)
        func optional(_ column: Int32) -> String? { select.isNull(column) ? nil : select.text(column) }
        var devices: [Device] = []
        while try select.step() {
            guard let kind = Kind(name: select.text(1)) else { continue }
            devices.append(
                Device(
                    number: UInt32(truncatingIfNeeded: select.integer(0)), kind: kind, id: select.text(2),
                    gateway: select.text(3), name: optional(4), area: optional(5), site: optional(6),
                    zone: optional(7), lat: select.isNull(8) ? nil : select.double(8),
                    lon: select.isNull(9) ? nil : select.double(9), team: optional(10), tags: optional(11)))
        }
        return devices
    }
}
