public import Telemetry

/// What time alone changes. A timer fires at its due time, before any input of a later clock, however the input is cut.
extension AlertEngine {
    /// Lets time pass up to `clock`: fires every timer that is due. Returns whether one was.
    @discardableResult
    public func advance(to clock: Timestamp) -> Bool {
        guard clock > now else { return false }
        now = clock
        guard heap.nextDue <= clock.milliseconds else { return false }
        fireTimers()
        return true
    }

    /// When the next timer is due (ms), `Int64.max` where none is; it may be too early, never too late.
    public var nextDue: Int64 { heap.nextDue }

    /// Whether a timer is due by `clock`.
    public func isDue(by clock: Timestamp) -> Bool { heap.nextDue <= clock.milliseconds }

    @inline(never)
    func fireTimers() {
        while heap.nextDue <= now.milliseconds {
            let entry = heap.pop()
            if entry.slot < 0 {
                expire(entry)
                continue
            }
            guard entry.slot < states.count, states[entry.slot].rule == entry.rule,
                states[entry.slot].device == entry.device, states[entry.slot].queued == entry.due
            else { continue }
            states[entry.slot].queued = .max
            if states[entry.slot].due > entry.due {
                enqueue(entry.slot)
                continue
            }
            fire(entry.slot, at: Timestamp(milliseconds: entry.due))
        }
    }

    func enqueue(_ slot: Int32) {
        let state = states[slot]
        guard state.due < state.queued else { return }
        states[slot].queued = state.due
        heap.push(TimerHeap.Entry(due: state.due, rule: state.rule, device: state.device, slot: slot))
    }

    private func fire(_ slot: Int32, at due: Timestamp) {
        let rule = unsafe ruleTable[Int(states[slot].rule)]
        let entry = unsafe entries[Int(states[slot].device)]
        markChanged(states[slot].device)
        eventClock = max(due, states[slot].heard)
        if states[slot].phase != .inactive && !(rule.isLatched && states[slot].phase == .firing)
            && states[slot].sleepAt <= due.milliseconds
        {
            let isLifted = rule.isLifted && (!rule.hasSchedule || isAwakeBySchedule(rule, at: due))
            end(slot, at: due, isLifted ? .permit : .schedule)
        }
        if states[slot].phase == .firing {
            if states[slot].clearSince != .distantPast, states[slot].clearSince + rule.keepMilliseconds <= due {
                resolve(slot, at: due, .condition)
            } else if rule.resolveAfterMilliseconds > 0, states[slot].heard + rule.resolveAfterMilliseconds <= due {
                resolve(slot, at: due, .silence)
            } else if rule.hasEscalation {
                escalate(slot, rule, at: due)
            }
        }
        if rule.watchesSilence && !listen(slot, rule, entry, at: due) { return }
        settle(slot, rule)
    }

    private func isAwakeBySchedule(_ rule: CompiledRule, at moment: Timestamp) -> Bool {
        var entry = Entry()
        entry.permitCount = 0
        return awake(rule, entry, at: moment).isActive
    }

    /// Judges silence at a moment; false where the rule sleeps and is woken later.
    private func listen(_ slot: Int32, _ rule: CompiledRule, _ entry: Entry, at moment: Timestamp) -> Bool {
        let awake = awake(rule, entry, at: moment)
        guard awake.isActive else {
            states[slot].due = awake.ends.milliseconds
            enqueue(slot)
            return false
        }
        states[slot].sleepAt = awake.ends < .distantFuture ? awake.ends.milliseconds : .max
        for number in 0..<Int(rule.leaves) {
            let leaf = unsafe leafTable[Int(rule.firstLeaf) + number]
            guard leaf.subject == .silence else { continue }
            let bit = UInt16(1) << UInt16(number)
            guard states[slot].heard + silence(leaf, slot) <= moment else { continue }
            states[slot].known |= bit
            states[slot].over |= bit
            states[slot].cleared &= ~bit
        }
        let truth = truth(of: slot, rule)
        let silent = Double(moment - states[slot].heard) / 1000
        step(
            slot, rule: rule, holds: truth.holds, hasEnded: truth.hasEnded,
            value: rule.isSilenceOnly ? silent : states[slot].value, ts: moment, end: moment, gap: false)
        return true
    }

    /// How long a leaf's silence is.
    @inline(__always)
    func silence(_ leaf: CompiledLeaf, _ slot: Int32) -> Int64 {
        leaf.milliseconds >= 0 ? leaf.milliseconds : -leaf.milliseconds * Int64(max(1, states[slot].period))
    }

    /// After a change: when does time alone change this state next? Gives the state back where nothing is to remember.
    @inline(__always)
    func settle(_ slot: Int32, _ rule: CompiledRule) {
        if states[slot].phase == .inactive {
            if !rule.isStateful { return release(slot) }
            if !rule.watchesSilence {
                states[slot].due = .max
                return
            }
        }
        let due = nextDue(slot, rule)
        states[slot].due = due
        if due < states[slot].queued { enqueue(slot) }
    }

    private func nextDue(_ slot: Int32, _ rule: CompiledRule) -> Int64 {
        let state = states[slot]
        var due = Int64.max
        if rule.watchesSilence {
            for number in 0..<Int(rule.leaves) {
                let leaf = unsafe leafTable[Int(rule.firstLeaf) + number]
                if leaf.subject == .silence && state.over >> UInt16(number) & 1 == 0 {
                    due = min(due, (state.heard + silence(leaf, slot)).milliseconds)
                }
            }
            if state.phase == .pending { due = min(due, (state.startedAt + rule.holdMilliseconds).milliseconds) }
        }
        if state.phase == .pending || (state.phase == .firing && !rule.isLatched) { due = min(due, state.sleepAt) }
        guard state.phase == .firing else { return due }
        if !rule.isLatched {
            if state.clearSince != .distantPast { due = min(due, (state.clearSince + rule.keepMilliseconds).milliseconds) }
            if rule.resolveAfterMilliseconds > 0 {
                due = min(due, (state.heard + rule.resolveAfterMilliseconds).milliseconds)
            }
        }
        if rule.hasEscalation {
            for escalation in rules.definitions[Int(rule.index)].escalations {
                if case .after(let milliseconds) = escalation.when, severityRank(escalation.to) > Int(state.severity) {
                    due = min(due, (state.firedAt + milliseconds).milliseconds)
                }
            }
        }
        return due
    }
}
