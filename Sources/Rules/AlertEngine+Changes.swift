public import Telemetry

/// What the engine tells others.
extension AlertEngine {
    /// Whether ``drain(vanished:transitions:open:)`` has anything to hand over.
    public var hasChanges: Bool {
        !dirty.isEmpty || !transitions.isEmpty || !vanished.isEmpty || !groups.dirty.isEmpty
    }

    /// Transitions since the last ``drain(vanished:transitions:open:)``, for who follows them one by one.
    public var transitionCount: Int { transitions.count }
    public func transition(_ index: Int) -> AlertSnapshot { transitions[index] }

    /// Hands over what changed since the last call: stored pending rows that are gone, transitions in their order, and
    /// the alerts open now whose row changed.
    public func drain(
        vanished takeVanished: (AlertSnapshot) throws -> Void, transitions takeTransition: (AlertSnapshot) throws -> Void,
        open takeOpen: (AlertSnapshot) throws -> Void
    ) rethrows {
        for gone in vanished { try takeVanished(gone) }
        for transition in transitions { try takeTransition(transition) }
        for slot in dirty {
            guard states[slot].rule >= 0, states[slot].isDirty else { continue }
            states[slot].isDirty = false
            try takeOpen(snapshot(slot, states[slot].phase == .firing ? .firing : .pending))
            states[slot].storedStart = states[slot].startedAt
        }
        for key in groups.dirty {
            guard let group = groups.all[key], group.isDirty else { continue }
            groups.all[key]?.isDirty = false
            try takeOpen(snapshot(key, group, .firing))
        }
        vanished.removeAll(keepingCapacity: true)
        transitions.removeAll(keepingCapacity: true)
        dirty.removeAll(keepingCapacity: true)
        groups.dirty.removeAll(keepingCapacity: true)
    }

    /// Forgets what changed: the store knows it already. Open alerts have their rows.
    public func forgetChanges() {
        drain(vanished: { _ in }, transitions: { _ in }, open: { _ in })
    }

    /// Ends the alert of a rule and device, as a person asks: the only end of a latched one. False where none fires.
    public func end(rule: Int, device: UInt32, at moment: Timestamp) -> Bool {
        // Of a group every member ends.
        let group = groups.all.first { $0.key.rule == Int32(rule) && $0.value.isFiring && $0.value.devices.contains(device) }
        eventClock = max(now, moment)
        if endCounting(Int32(rule), device: device, at: moment) { return true }
        var hasEnded = false
        for member in group?.value.members ?? [device] {
            let slot = slot(of: Int32(rule), member)
            guard slot >= 0, states[slot].phase == .firing else { continue }
            resolve(slot, at: moment, .person)
            settle(slot, unsafe ruleTable[rule])
            hasEnded = true
        }
        return hasEnded
    }
}

extension AlertEngine {
    /// Every alert that fires now. O(states).
    public func firing() -> [AlertSnapshot] {
        var all: [AlertSnapshot] = []
        for slot in 0..<states.count where states[slot].rule >= 0 && states[slot].phase == .firing && !states[slot].isMember {
            all.append(snapshot(slot, .firing))
        }
        for (key, group) in groups.all where group.isFiring { all.append(snapshot(key, group, .firing)) }
        return all
    }
}
