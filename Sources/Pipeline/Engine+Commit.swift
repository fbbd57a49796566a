import Delivery
import Rollups
import Rules
import Store
public import Telemetry

/// Readings that were taken in, in the order of their inputs.
public struct AcceptedReadings: Sendable {
    /// Devices that came for the first time.
    public var devices: [Device] = []
    public var readings: [Reading] = []
    /// The readings' texts one behind the other: `officer`, then `boot`.
    public var texts: [UInt8] = []
    /// Devices whose id another gateway has brought, each with how many of the readings came before.
    public var contests: [(readings: Int, device: UInt32)] = []

    public init() {}
}

/// What a committed batch hands to those who publish.
struct Committed: ~Copyable {
    /// Where the options ask for it.
    var accepted: AcceptedReadings?
    var events: [OutboxRow] = []
    var rejects: [RejectRow] = []
    /// Gateways that are to be told of themselves.
    var gateways: [GatewayStatus] = []
    /// Readings of the batch by what became of them, all kinds together.
    var counts = MessageCount()
    /// One for each action of the batch, in their order.
    var answers: [ActionAnswer] = []
}

extension Engine {
    /// Begins the batch's transaction and inserts what is there of it, while the rest is still coming in: the commit
    /// then has little left to do but to wait for the disk.
    func insertEarly() throws(StoreError) {
        try store.begin()
        try store.insertReadings()
    }

    /// Writes the batch at hand in one transaction and commits it. On an error nothing is written, and the engine must
    /// be made afresh from the store: its state is ahead of it.
    /// - Parameters:
    ///   - flushesMinutes: a pass over the open minutes and buckets begins, which goes on with the next commits.
    ///   - isLast: all of them are written.
    ///   - now: the server's clock.
    ///   - outlets: what outlets ask for.
    ///   - actions: what people have asked for since, in their order.
    ///   - tick: the clock of tasks now, where nothing that has arrived waits to be processed.
    func commit(
        flushesMinutes: Bool, isLast: Bool = false, now: Timestamp, outlets: [OutletChange] = [], actions: [Action] = [],
        tick: Timestamp? = nil
    ) throws(StoreError) -> Committed {
        if let error = failure.error { throw error }
        var result = Committed()
        try store.begin()
        for device in newDevices { try store.write(device: device, registeredAt: now) }
        try store.writeSegments(into: stored)
        try store.insertReadings()
        if flushesMinutes || minutes.buckets.isOverBudget { minutes.beginFlush(input: state.input) }
        try writeRollups(rows: isLast ? nil : rollupRows(readings: batch(.noise).count), input: state.input)
        if flushesMinutes { try tracks.write(isLast: isLast, input: state.input) }
        if let error = failure.error { throw error }
        state.minutesInput = min(state.input, max(state.minutesInput, min(minutes.completeInput, tracks.completeInput)))
        try writeInputs()
        try letTimePass(tick)
        try writeAlerts(into: &result)
        try writeEndedAlerts(into: &result)
        try writeRuleInputs()
        try writeDispatch(into: &result)
        if !actions.isEmpty {
            if options.clock == .wall, let tick { serverClock = max(serverClock, tick) }
            try apply(actions, at: serverClock, into: &result)
        }
        try applyExternals(into: &result)
        try writeServerClock()
        try writeUnits(withFixes: flushesMinutes)
        for reject in rejects { try store.write(reject: reject) }
        if !rejects.isEmpty { try store.capRejects(options.rejectRows) }
        for change in outlets { try store.write(outlet: change) }
        try trimStream(now)
        result.counts = try writeCounts()
        settledCount += result.counts.stored + result.counts.duplicate + result.counts.rejected + result.counts.dropped
        if !options.isAtRest, !keepsCheckpoint,
            state.input - state.checkpointInput >= max(options.checkpointReadings, 16 * Int64(table.count))
        {
            try table.writeChanged(to: store)
            try writeRuleStates()
            try writeUnits(withFixes: true)
            state.checkpointInput = state.input
        }
        try store.write(engine: state)
        try store.commit()
        result.rejects = rejects
        if options.handsOver { result.accepted = acceptedReadings() }
        endBatch()
        return result
    }

    /// At a clean end: everything that a start would otherwise rebuild.
    func checkpoint() throws(StoreError) {
        if keepsCheckpoint { return }
        try store.begin()
        try table.writeChanged(to: store)
        try writeRuleStates()
        try writeUnits(withFixes: true)
        state.checkpointInput = state.input
        try store.write(engine: state)
        try store.commit()
    }

    private func acceptedReadings() -> AcceptedReadings {
        var rows = Kind.allCases.flatMap { kind in (0..<batchCount(kind)).map { batch(kind)[$0] } }
        rows.sort { $0.id < $1.id }
        var accepted = AcceptedReadings()
        accepted.devices = newDevices
        var passed = 0
        for contest in contests {
            while passed < rows.count && rows[passed].id <= contest.input { passed += 1 }
            accepted.contests.append((passed, contest.device))
        }
        accepted.readings.reserveCapacity(rows.count)
        for row in rows {
            unsafe accepted.readings.append(row.reading.pointee)
            if let text = unsafe row.text {
                let count = unsafe Int(row.reading.pointee.officerBytes) + Int(row.reading.pointee.bootBytes)
                unsafe accepted.texts.append(contentsOf: UnsafeBufferPointer(start: text, count: count))
            }
        }
        return accepted
    }

    private func endBatch() {
        minutes.committed()
        rejects.removeAll(keepingCapacity: true)
        newDevices.removeAll(keepingCapacity: true)
        contests.removeAll(keepingCapacity: true)
        for batch in store.batches { batch.removeAll() }
        batchNumber &+= 1
        dispatchJournal.endBatch()
    }

    private func writeCounts() throws(StoreError) -> MessageCount {
        var total = MessageCount()
        for kind in Kind.allCases {
            counts[Int(kind.rawValue)].stored += Int64(batch(kind).count)
        }
        for index in counts.indices {
            counts[index].received =
                counts[index].stored + counts[index].duplicate + counts[index].rejected + counts[index].dropped
            if counts[index].isZero { continue }
            try store.add(count: counts[index], kind: CountRow.names[index])
            total.stored += counts[index].stored
            total.duplicate += counts[index].duplicate
            total.rejected += counts[index].rejected
            total.dropped += counts[index].dropped
            counts[index] = MessageCount()
        }
        return total
    }

    func writeAlerts(into result: inout Committed) throws(StoreError) {
        guard alerts.hasChanges else { return }
        defer { silences.ofTransitions.removeAll(keepingCapacity: true) }
        var number = 0
        do {
            try alerts.drain(
                vanished: { try store.deletePendingAlert(id: alert($0).id) },
                transitions: {
                    try writeDispatch(beforeTransition: number, into: &result)
                    try write(transition: $0, number, into: &result)
                    number += 1
                },
                open: { try writeRow($0) })
        } catch let error as StoreError {
            throw error
        } catch {
            preconditionFailure("the store throws StoreError only: \(error)")
        }
    }

    private func writeRow(_ snapshot: AlertSnapshot) throws(StoreError) {
        var row = alert(snapshot)
        if let old = snapshot.replaces {
            row.startedAt = old
            let rule = options.rules.definitions[snapshot.rule]
            try store.deletePendingAlert(
                id: Identifier.alert(rule: rule.id, kind: rule.kind, device: row.device, startedAt: old))
            row.startedAt = snapshot.startedAt
        }
        try store.write(alert: row)
    }

    private func write(
        transition snapshot: AlertSnapshot, _ number: Int, into result: inout Committed
    ) throws(StoreError) {
        let row = alert(snapshot)
        try writeRow(snapshot)
        var detail = AlertDetail(snapshot, device: table.devices[Int(snapshot.device)], self)
        detail.silencedBy = silences.ofTransitions[number]
        try ruleRows.write(detail: detail, of: row.id)
        if snapshot.isEscalation { return try writeEscalation(snapshot, row, detail, into: &result) }
        if snapshot.state == .firing {
            try store.writeAlertEvent(
                alert: row.id, state: "pending", at: row.startedAt, value: row.value, clock: snapshot.clock)
        }
        try store.writeAlertEvent(
            alert: row.id, state: row.state, at: row.resolvedAt ?? row.firedAt ?? row.startedAt, value: row.value,
            clock: snapshot.clock)
        try publish(CloudEvents.alert(row, detail, options: options), into: &result)
    }

    func alert(_ snapshot: AlertSnapshot) -> Alert {
        let rule = options.rules.definitions[snapshot.rule]
        let device = table.devices[Int(snapshot.device)]
        return Alert(
            id: Identifier.alert(
                rule: rule.id, kind: rule.kind, device: snapshot.subject ?? device.id, startedAt: snapshot.startedAt),
            rule: rule.id, device: device.id, kind: rule.kind, deviceNumber: snapshot.device,
            site: isElsewhere(snapshot) ? nil : device.site, area: areaOfFence(snapshot) ?? device.area ?? "unknown", severity: snapshot.severity.rawValue, state: snapshot.state.rawValue,
            startedAt: snapshot.startedAt, firedAt: snapshot.firedAt, resolvedAt: snapshot.resolvedAt,
            value: snapshot.value)
    }
}
