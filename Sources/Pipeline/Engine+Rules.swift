import Rules
import Store
import Telemetry

/// The rules' part of the engine: judging, time, and their way over a restart.
///
/// State is what stands in `rule_state` as of the last checkpoint, and after that the stored readings run through the
/// rules once more, silently, with the clock that each had. Alerts' rows stay as they are.
extension Engine {
    /// One accepted reading through the rules of its device.
    @inline(__always)
    func judge(_ reading: UnsafeMutablePointer<Reading>, text: UnsafePointer<UInt8>?, before: Evaluated) {
        unsafe ruleClock.follow(ts: reading.pointee.ts, received: reading.pointee.received, options.clock)
        if ruleClock.clock != state.clock { noteClock() }
        if unsafe !reading.pointee.isBackfill {
            unsafe alerts.evaluate(reading.pointee, text: text, before: before, clock: state.clock)
        }
    }

    @inline(never)
    private func noteClock() {
        ruleClock = RuleClock(clock: state.clock, isCatchingUp: isCatchingUp)
        ruleInputs.append(
            RuleInput(input: state.input, isTick: false, clock: state.clock, isCatchingUp: isCatchingUp))
    }

    /// Notes for a start that timers have fired here, behind the reading at hand and before the next.
    @inline(never)
    func noteTimers() {
        ruleInputs.append(
            RuleInput(input: state.input, isTick: true, clock: state.clock, isCatchingUp: isCatchingUp))
    }

    /// Another gateway has brought the id of a device: an input of the rules that ask for it.
    func noteContest(_ device: UInt32) {
        if options.handsOver { contests.append((state.input, device)) }
        guard alerts.contest(device) else { return }
        ruleInputs.append(
            RuleInput(input: state.input, isTick: false, clock: state.clock, isCatchingUp: isCatchingUp, contested: device))
    }

    /// Nothing that has arrived waits: it is now. Whether anything was due.
    func tick(now: Timestamp) -> Bool {
        guard options.clock == .wall, !isCatchingUp, now > state.clock, alerts.isDue(by: now) else { return false }
        state.clock = now
        return true
    }

    func writeRuleInputs() throws(StoreError) {
        for input in ruleInputs { try ruleRows.add(input) }
        ruleInputs.removeAll(keepingCapacity: true)
        if isRuleSetNew {
            try ruleRows.write(inForce: rulesInForce)
            isRuleSetNew = false
        }
    }

    /// With every device state: what a start needs instead of the readings so far.
    func writeRuleStates() throws(StoreError) {
        do {
            try alerts.drainStates { try ruleRows.write(state: $1, page: Int64($0)) }
        } catch let error as StoreError {
            throw error
        } catch {
            preconditionFailure("the store throws StoreError only: \(error)")
        }
        var shared: [UInt8] = []
        unsafe withUnsafeBytes(of: ruleClock.clock.milliseconds.littleEndian) { unsafe shared += $0 }
        unsafe withUnsafeBytes(of: alerts.now.milliseconds.littleEndian) { unsafe shared += $0 }
        shared.append(ruleClock.isCatchingUp ? 1 : 0)
        try ruleRows.write(state: shared + alerts.sharedState, page: RuleRows.shared)
        try ruleRows.dropInputs(upTo: state.input)
    }

    // MARK: Start

    /// The state before the kill: from the checkpoint and the readings since.
    func restoreRules() throws(StoreError) {
        if options.isAtRest { return }
        let earlier = try ruleRows.rulesInForce()
        guard options.knowsRules else {
            keepsCheckpoint = !earlier.isEmpty
            return try ruleRows.readings(after: state.checkpointInput) { _, reading, _ in advance(reading) }
        }
        let since = Dictionary(earlier.map { ($0.hash, $0.sinceInput) }) { first, _ in first }
        let definitions = options.rules.definitions
        rulesInForce = definitions.indices.map {
            let hash = options.rules.hashes[$0]
            return RuleInForce(rule: definitions[$0].id, hash: hash, sinceInput: since[hash] ?? state.input)
        }
        isRuleSetNew = rulesInForce.sorted { $0.rule < $1.rule } != earlier
        guard state.input > 0 else { return }
        if earlier.isEmpty { return try adoptAlerts() }

        try ruleRows.states { page, bytes in
            if page == RuleRows.shared { restoreShared(bytes) } else { alerts.restore(page: bytes) }
        }
        try redo()
        alerts.suspend { _ in false }
        alerts.advance(to: state.clock)
        alerts.forgetChanges()
        try endAlertsOfGoneRules(earlier)
    }

    private func restoreShared(_ bytes: [UInt8]) {
        guard bytes.count > 17 else { return }
        func moment(_ offset: Int) -> Timestamp {
            Timestamp(
                milliseconds: unsafe Int64(
                    littleEndian: bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: Int64.self) }))
        }
        ruleClock = RuleClock(clock: moment(0), isCatchingUp: bytes[16] == 1)
        alerts.advance(to: moment(8))
        alerts.restore(shared: Array(bytes[17...]))
    }

    /// Readings behind the checkpoint, with their clocks and the ticks between them.
    private func redo() throws(StoreError) {
        var inputs = try ruleRows.inputs()[...]
        var ends = try ruleRows.ends()[...]
        func takeEnds(before id: Int64) {
            while let end = ends.first, end.input < id {
                ends.removeFirst()
                alerts.advance(to: end.clock)
                guard let rule = options.rules.hashes.firstIndex(of: end.hash) else { continue }
                _ = alerts.end(rule: rule, device: end.device, at: end.at)
            }
        }
        let begins = rulesInForce.map(\.sinceInput)
        var nextBegin = begins.filter { $0 > state.checkpointInput }.min() ?? .max
        alerts.suspend { begins[$0] > self.state.checkpointInput }
        try ruleRows.readings(after: state.checkpointInput) { id, reading, text in
            while let tick = inputs.first, tick.input < id {
                redo(tick)
                inputs.removeFirst()
            }
            takeEnds(before: id)
            if id > nextBegin {
                alerts.suspend { begins[$0] >= id }
                nextBegin = begins.filter { $0 >= id }.min() ?? .max
            }
            ruleClock.follow(ts: reading.ts, received: reading.received, options.clock)
            if let noted = inputs.first, noted.input == id, !noted.isTick, noted.contested == nil {
                ruleClock = RuleClock(clock: noted.clock, isCatchingUp: noted.isCatchingUp)
                inputs.removeFirst()
            }
            if !reading.isBackfill {
                let before = unsafe table.entries[Int(reading.device)].evaluated
                unsafe text.withUnsafeBufferPointer {
                    unsafe alerts.evaluate(reading, text: $0.baseAddress, before: before, clock: ruleClock.clock)
                }
            }
            advance(reading)
        }
        for tick in inputs { redo(tick) }
        takeEnds(before: .max)
    }

    private func redo(_ input: RuleInput) {
        if input.isTick { alerts.advance(to: input.clock) }
        if let device = input.contested { _ = alerts.contest(device) }
    }

    /// Alerts of a store that an older Patrol wrote: its rules had no state but these.
    private func adoptAlerts() throws(StoreError) {
        for alert in try store.openAlerts() {
            guard let rule = options.rules.definitions.firstIndex(where: { $0.id == alert.rule }) else { continue }
            alerts.adopt(
                rule: rule, device: alert.deviceNumber, isFiring: alert.state == "firing", startedAt: alert.startedAt,
                firedAt: alert.firedAt ?? alert.startedAt, value: alert.value)
        }
        try ruleRows.readings(after: state.checkpointInput) { _, reading, _ in advance(reading) }
    }

    /// A rule was changed or taken away while Patrol was down, or by a reload: its alerts end now.
    private func endAlertsOfGoneRules(_ earlier: [RuleInForce]) throws(StoreError) {
        let kept = Set(options.rules.hashes)
        let gone = Set(earlier.filter { !kept.contains($0.hash) }.map(\.rule))
        guard !gone.isEmpty else { return }
        endedByRules = try store.openAlerts().filter { gone.contains($0.rule) }
    }
}
