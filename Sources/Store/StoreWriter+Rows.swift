public import Telemetry

/// What a batch writes besides its readings. Each call is one row, inside the open transaction.
extension StoreWriter {
    public func write(device row: Device, registeredAt: Timestamp) throws(StoreError) {
        let insert = statements.device
        insert.bind(1, Int64(row.number))
        insert.bind(2, row.kind.name)
        insert.bind(3, row.id)
        insert.bind(4, row.gateway)
        insert.bind(5, row.name)
        insert.bind(6, row.area)
        insert.bind(7, row.site)
        insert.bind(8, row.zone)
        if let lat = row.lat { insert.bind(9, lat) } else { insert.bindNull(9) }
        if let lon = row.lon { insert.bind(10, lon) } else { insert.bindNull(10) }
        insert.bind(11, row.team)
        insert.bind(12, row.tags)
        insert.bind(13, registeredAt.milliseconds)
        try insert.run()
    }

    public func write(engine state: EngineState) throws(StoreError) {
        let update = statements.engineState
        update.bind(1, state.clock.milliseconds)
        update.bind(2, state.input)
        update.bind(3, state.checkpointInput)
        update.bind(4, state.minutesInput)
        try update.run()
    }

    /// - Parameters:
    ///   - boot, wallOffsetMilliseconds: which start of the machine it is, and the wall clock less the steady one; nil where
    ///     the clock is that of a recording.
    ///   - dispatch: which dispatch settings are in force.
    public func write(
        clock: Timestamp, correctionMilliseconds: Int64, boot: String?, wallOffsetMilliseconds: Int64?, dispatch: String
    ) throws(StoreError) {
        let insert = statements.clock
        insert.bind(1, correctionMilliseconds)
        insert.bind(2, clock.milliseconds)
        insert.bind(3, boot)
        insert.bind(4, wallOffsetMilliseconds)
        insert.bind(5, dispatch)
        try insert.run()
    }

    /// - Parameter kind: a ``Kind`` name, or `unknown`.
    public func add(count: MessageCount, kind: String) throws(StoreError) {
        let update = statements.count
        for (index, value) in [count.received, count.stored, count.duplicate, count.rejected, count.dropped].enumerated() {
            update.bind(Int32(index + 1), value)
        }
        update.bind(6, kind)
        try update.run()
    }

    public func write(reject row: RejectRow) throws(StoreError) {
        let insert = statements.reject
        insert.bind(1, row.received.milliseconds)
        insert.bind(2, row.gateway)
        insert.bind(3, row.topic)
        insert.bind(4, row.device)
        insert.bind(5, row.field)
        insert.bind(6, row.reason.name)
        insert.bindBytes(7, row.payload)
        try insert.run()
    }

    /// Keeps the newest `count` rows of `reject`; `message_count` keeps the number of all.
    public func capRejects(_ count: Int64) throws(StoreError) {
        statements.rejectCap.bind(1, count)
        try statements.rejectCap.run()
    }

    public func write(alert row: Alert) throws(StoreError) {
        let insert = statements.alert
        insert.bind(1, row.id)
        insert.bind(2, row.rule)
        insert.bind(3, row.device)
        insert.bind(4, row.site)
        insert.bind(5, row.area)
        insert.bind(6, row.severity)
        insert.bind(7, row.state)
        insert.bind(8, row.startedAt.milliseconds)
        insert.bind(9, row.firedAt?.milliseconds)
        insert.bind(10, row.resolvedAt?.milliseconds)
        insert.bind(11, row.value)
        insert.bind(12, row.kind.name)
        insert.bind(13, Int64(row.deviceNumber))
        try insert.run()
    }

    /// Takes a pending alert's row away; a fired one stays whatever its id.
    public func deletePendingAlert(id: String) throws(StoreError) {
        statements.alertDelete.bind(1, id)
        try statements.alertDelete.run()
    }

    public func writeAlertEvent(
        alert: String, state: String, at: Timestamp, value: Double, clock: Timestamp
    ) throws(StoreError) {
        let insert = statements.alertEvent
        insert.bind(1, alert)
        insert.bind(2, state)
        insert.bind(3, at.milliseconds)
        insert.bind(4, value)
        insert.bind(5, clock.milliseconds)
        try insert.run()
    }
}
