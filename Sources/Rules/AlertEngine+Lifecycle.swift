import Telemetry

/// The life of one alert: inactive → pending → firing → inactive. Each function is a change of one state and what it
/// lets others know.
extension AlertEngine {
    /// Advances an alert by what is true now.
    ///
    /// A reading holds from its `ts` for its period. A gap of more than max(2 × period, 10 s) between the end of the
    /// newest judged reading and this one starts pending afresh.
    /// - Parameters:
    ///   - holds: the condition holds.
    ///   - hasEnded: it is known not to hold any more; between the two a firing alert goes on.
    @inline(__always)
    func step(
        _ slot: Int32, rule: CompiledRule, holds: Bool, hasEnded: Bool, value: Double, ts: Timestamp,
        end: Timestamp, gap: Bool
    ) {
        switch states[slot].phase {
        case .inactive:
            if holds && ts >= states[slot].coolUntil { begin(slot, rule, value, ts, end) }
        case .pending:
            guard holds else { return vanish(slot) }
            if gap { return begin(slot, rule, value, ts, end) }
            if isMoreExtreme(value, than: states[slot].value, rule) {
                states[slot].value = value
                markDirty(slot)
            }
            if end - states[slot].startedAt >= rule.holdMilliseconds { fire(slot, rule, at: end) }
        case .firing:
            guard hasEnded else {
                states[slot].clearSince = .distantPast
                if isMoreExtreme(value, than: states[slot].value, rule) {
                    states[slot].value = value
                    markDirty(slot)
                    if rule.hasEscalation { escalate(slot, rule, at: end) }
                }
                return
            }
            if rule.isLatched { return }
            if rule.keepMilliseconds == 0 {
                resolve(slot, at: ts, .condition)
            } else if states[slot].clearSince == .distantPast {
                states[slot].clearSince = ts
            }
        }
    }

    private func begin(
        _ slot: Int32, _ rule: CompiledRule, _ value: Double, _ ts: Timestamp, _ end: Timestamp
    ) {
        states[slot].phase = .pending
        states[slot].startedAt = ts
        states[slot].value = value
        states[slot].clearSince = .distantPast
        states[slot].severity = UInt8(severityRank(rules.definitions[Int(rule.index)].severity))
        markDirty(slot)
        if end - ts >= rule.holdMilliseconds { fire(slot, rule, at: end) }
    }

    /// A late reading re-evaluates the present only: it can break a pending run, never retract a transition.
    func late(_ slot: Int32, holds: Bool, ts: Timestamp, newest: Timestamp) {
        guard states[slot].phase == .pending, !holds, ts >= states[slot].startedAt else { return }
        restart(slot, at: newest)
    }

    /// Pending begins afresh.
    func restart(_ slot: Int32, at moment: Timestamp) {
        guard states[slot].startedAt != moment else { return }
        states[slot].startedAt = moment
        markDirty(slot)
    }

    private func fire(_ slot: Int32, _ rule: CompiledRule, at moment: Timestamp) {
        guard mayFire(slot, rule, at: moment) else { return }
        states[slot].phase = .firing
        states[slot].firedAt = moment
        states[slot].clearSince = .distantPast
        if rule.hasGroup {
            states[slot].isMember = true
            join(slot)
        } else {
            markDirty(slot)
            transitions.append(snapshot(slot, .firing))
        }
        if rule.hasEscalation { escalate(slot, rule, at: moment) }
    }

    /// Whether no inhibiting rule fires at the device and the rule's rate allows one more.
    private func mayFire(_ slot: Int32, _ rule: CompiledRule, at moment: Timestamp) -> Bool {
        if rule.hasInhibitor {
            let device = states[slot].device
            for other in rules.inhibitors[Int(rule.index)] {
                let inhibitor = self.slot(of: other, device)
                if inhibitor >= 0 && states[inhibitor].phase == .firing { return false }
            }
        }
        if rule.hasRate, let rate = rules.definitions[Int(rule.index)].maximumRate {
            let since = moment + -rate.milliseconds
            recentFires[Int(rule.index)].removeAll { $0 <= since }
            guard recentFires[Int(rule.index)].count < rate.alerts else { return false }
            recentFires[Int(rule.index)].append(moment)
        }
        return true
    }

    /// Ends a pending alert that never fired.
    func vanish(_ slot: Int32) {
        if states[slot].storedStart != .distantPast {
            states[slot].clock = eventClock
            var gone = snapshot(slot, .pending)
            gone.startedAt = states[slot].storedStart
            gone.replaces = nil
            vanished.append(gone)
        }
        rest(slot)
    }

    func resolve(_ slot: Int32, at moment: Timestamp, _ reason: AlertSnapshot.Reason) {
        states[slot].clock = eventClock
        if states[slot].isMember {
            leave(slot, at: moment, reason)
        } else {
            var end = snapshot(slot, .resolved)
            end.resolvedAt = moment
            end.reason = reason
            transitions.append(end)
        }
        let coolDown = unsafe ruleTable[Int(states[slot].rule)].coolDownMilliseconds
        if coolDown > 0 { states[slot].coolUntil = moment + coolDown }
        rest(slot)
    }

    /// Ends whatever stands, for a rule that is taken away or no longer applies.
    func end(_ slot: Int32, at moment: Timestamp, _ reason: AlertSnapshot.Reason) {
        switch states[slot].phase {
        case .inactive: break
        case .pending: vanish(slot)
        case .firing: resolve(slot, at: moment, reason)
        }
    }

    private func rest(_ slot: Int32) {
        states[slot].phase = .inactive
        states[slot].isDirty = false
        states[slot].isMember = false
        states[slot].storedStart = .distantPast
        states[slot].clearSince = .distantPast
        markChanged(states[slot].device)
    }

    @inline(__always)
    private func isMoreExtreme(_ value: Double, than other: Double, _ rule: CompiledRule) -> Bool {
        switch unsafe leafTable[Int(rule.firstLeaf + rule.leading)].test {
        case .above, .limit, .fenceLimit: value > other
        case .below: value < other
        case .equals, .holds: false
        }
    }

    func markDirty(_ slot: Int32) {
        states[slot].clock = eventClock
        guard !states[slot].isDirty, unsafe !ruleTable[Int(states[slot].rule)].hasGroup else { return }
        states[slot].isDirty = true
        dirty.append(slot)
    }

    // MARK: Severity

    func severityRank(_ severity: RuleDefinition.Severity) -> Int {
        switch severity {
        case .info: 0
        case .warning: 1
        case .critical: 2
        }
    }

    /// Raises a firing alert's severity to what its value and its time ask for.
    func escalate(_ slot: Int32, _ rule: CompiledRule, at moment: Timestamp) {
        let definition = rules.definitions[Int(rule.index)]
        var rank = Int(states[slot].severity)
        for escalation in definition.escalations {
            let isDue =
                switch escalation.when {
                case .after(let milliseconds): moment - states[slot].firedAt >= milliseconds
                case .beyond(let level):
                    states[slot].value != level && isMoreExtreme(states[slot].value, than: level, rule)
                }
            if isDue { rank = max(rank, severityRank(escalation.to)) }
        }
        guard rank > Int(states[slot].severity) else { return }
        states[slot].severity = UInt8(rank)
        if states[slot].isMember { return raiseGroup(slot, to: rank, at: moment) }
        markDirty(slot)
        var raised = snapshot(slot, .firing)
        raised.isEscalation = true
        raised.escalatedAt = moment
        transitions.append(raised)
    }

    func snapshot(_ slot: Int32, _ phase: AlertSnapshot.State) -> AlertSnapshot {
        let state = states[slot]
        let hasOldRow = state.storedStart != .distantPast && state.storedStart != state.startedAt
        return AlertSnapshot(
            rule: Int(state.rule), device: state.device, state: phase, startedAt: state.startedAt,
            firedAt: phase == .pending ? nil : state.firedAt, resolvedAt: nil, value: state.value, clock: state.clock,
            replaces: hasOldRow ? state.storedStart : nil,
            severity: RuleDefinition.Severity.allCases[Int(state.severity)], bound: state.bound,
            coverage: Double(state.coverage))
    }
}
