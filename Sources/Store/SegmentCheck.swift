import Telemetry

extension Connection {
    /// ``SegmentDevices`` of a row of `raw_segment` as an expression: a store that only an older Patrol has written to has none.
    func devicesOfSegments() throws(StoreError) -> String {
        try prepare("SELECT 1 FROM sqlite_master WHERE name = 'segment_devices'").step()
            ? "(SELECT devices FROM segment_devices s WHERE s.first_id = raw_segment.first_id)" : "NULL"
    }

    /// Full segments that do not say what their rows say: look-ups would pass over readings. Each with its rows is read in a
    /// snapshot of its own.
    /// - Parameter body: gets the segment as it ought to be.
    func forEachWrongSegment(_ kind: Kind, _ body: (IdentityIndex.Closed) throws(StoreError) -> Void) throws(StoreError) {
        let list = try prepare("SELECT first_id FROM raw_segment WHERE kind = \(kind.rawValue) ORDER BY first_id")
        var firsts: [Int64] = []
        while try list.step() { firsts.append(list.integer(0)) }
        let written = try prepare(
            "SELECT last_id, min_ts, max_ts, \(try devicesOfSegments()) FROM raw_segment WHERE kind = \(kind.rawValue) AND first_id = ?")
        let rows = try prepareHandingOver(["id", "device", "ts"], "\(RawLayout(kind).tableName) WHERE id BETWEEN ? AND ?")
        var devices = SegmentDevices()
        for first in firsts {
            written.bind(1, first)
            defer { written.reset() }
            // Gone since; else the snapshot lasts until the statement is reset.
            guard try written.step() else { continue }
            devices.begin(first: first)
            var (minTs, maxTs) = (Int64.max, Int64.min)
            rows.bind(1, first)
            rows.bind(2, written.integer(0))
            try forEachRow(rows) { row in
                devices.append(id: row.integer(0), device: UInt32(truncatingIfNeeded: row.integer(1)))
                minTs = min(minTs, row.integer(2))
                maxTs = max(maxTs, row.integer(2))
            }
            let isDevicesWrong = !written.isNull(3) && written.bytes(3) != devices.bytes
            guard isDevicesWrong || minTs != written.integer(1) || maxTs != written.integer(2) else { continue }
            try body(
                IdentityIndex.Closed(
                    first: first, last: written.integer(0), minTs: Timestamp(milliseconds: minTs), maxTs: Timestamp(milliseconds: maxTs),
                    devices: devices.bytes))
        }
    }
}

extension StoreReader {
    /// Full segments that do not say what their rows say, in words.
    public func segmentDamage() throws(StoreError) -> [String] {
        let connection = try Connection(path: path, readOnly: true)
        var words: [String] = []
        for kind in Kind.allCases {
            try connection.forEachWrongSegment(kind) { segment in
                words.append(
                    """
                    \(kind.name): the store says of the rows \(segment.first) to \(segment.last) other times or devices than they \
                    have, so that readings may not be found; 'patrol repair rollups' mends it
                    """)
            }
        }
        return words
    }
}

extension StoreWriter {
    /// Full segments say again what their rows say.
    public func mendSegments() throws(StoreError) {
        for kind in Kind.allCases {
            var wrong: [IdentityIndex.Closed] = []
            try connection.forEachWrongSegment(kind) { wrong.append($0) }
            for segment in wrong { try inTransaction { () throws(StoreError) in try write(segment: segment, kind: kind) } }
        }
    }
}
