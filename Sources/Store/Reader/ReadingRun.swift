import Foundation
public import Telemetry

/// All readings of a store in the order in which they were committed, beside a writer or without one.
public struct ReadingRun {
    private let connection: Connection
    public let path: String

    public init(path: String) throws(StoreError) {
        self.path = path
        guard FileManager.default.fileExists(atPath: path) else {
            throw StoreError(.missing, path: path, detail: "no such file")
        }
        connection = try Connection(path: path, readOnly: true)
    }

    public func devices() throws(StoreError) -> [Device] { try connection.devices() }

    /// `body` gets the reading and its texts, `officer` and then `boot`.
    public func forEach(_ body: (borrowing Reading, [UInt8]) -> Void) throws(StoreError) {
        // One moment for all kinds.
        try connection.execute("BEGIN")
        defer { try? connection.execute("COMMIT") }
        try connection.forEachReading(after: 0) { _, reading, text in body(reading, text) }
    }
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
