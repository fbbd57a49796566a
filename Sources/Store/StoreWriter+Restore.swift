public import Telemetry

/// What the engine takes from the store at start, and after a batch that could not be committed.
extension StoreWriter {
    public func devices() throws(StoreError) -> [Device] { try connection.devices() }

    public func engineState() throws(StoreError) -> EngineState {
        let select = try connection.prepare("SELECT clock, input, checkpoint_input, minutes_input FROM engine_state")
        guard try select.step() else { throw StoreError(.damaged, path: path, detail: "engine_state is empty") }
        return EngineState(
            clock: Timestamp(milliseconds: select.integer(0)), input: select.integer(1),
            checkpointInput: select.integer(2), minutesInput: select.integer(3))
    }

    /// Readings of a kind stored after `input`, in their order.
    public func readings(kind: Kind, after input: Int64, _ body: (Int64, borrowing Reading) -> Void) throws(StoreError) {
        let select = try connection.prepare("\(RawLayout(kind).selectSQL) WHERE id > ? ORDER BY id")
        select.bind(1, input)
        while try select.step() { body(select.integer(0), RawRow.decode(kind, select).reading) }
    }

    /// Alerts that are pending or firing.
    public func openAlerts() throws(StoreError) -> [Alert] {
        let select = try connection.prepare(
            """
            SELECT id, rule, device, site, area, severity, state, started_at, fired_at, value, kind, device_number
            FROM alert WHERE state <> 'resolved' ORDER BY started_at, id
            """)
        var alerts: [Alert] = []
        while try select.step() {
            guard let kind = Kind(name: select.text(10)) else { continue }
            alerts.append(
                Alert(
                    id: select.text(0), rule: select.text(1), device: select.text(2), kind: kind,
                    deviceNumber: UInt32(truncatingIfNeeded: select.integer(11)),
                    site: select.isNull(3) ? nil : select.text(3), area: select.text(4), severity: select.text(5),
                    state: select.text(6), startedAt: Timestamp(milliseconds: select.integer(7)),
                    firedAt: select.isNull(8) ? nil : Timestamp(milliseconds: select.integer(8)), resolvedAt: nil,
                    value: select.double(9)))
        }
        return alerts
    }

    /// Committed readings by device and time, as of now.
    public func storedReadings() throws(StoreError) -> StoredReadings {
        let stored = try StoredReadings(connection)
        try stored.restore()
        return stored
    }

    /// Tells `stored` of the rows of the batch at hand and writes the segments that it fills.
    public func writeSegments(into stored: StoredReadings) throws(StoreError) {
        for index in batches.indices where batches[index].count > 0 {
            guard let full = stored.append(batches[index]) else { continue }
            try write(segment: full, kind: batches[index].kind)
        }
    }

    func write(segment: IdentityIndex.Closed, kind: Kind) throws(StoreError) {
        let insert = statements.segment
        insert.bind(1, Int64(kind.rawValue))
        insert.bind(2, segment.first)
        insert.bind(3, segment.last)
        insert.bind(4, segment.minTs.milliseconds)
        insert.bind(5, segment.maxTs.milliseconds)
        try insert.run()
        guard let devices = segment.devices else { return }
        statements.segmentDevices.bind(1, segment.first)
        statements.segmentDevices.bindBlob(2, devices)
        try statements.segmentDevices.run()
    }
}
