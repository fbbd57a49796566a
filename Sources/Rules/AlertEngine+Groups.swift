import Telemetry

/// Alerts of many devices, by rule and subject.
struct AlertGroups {
    struct Key: Hashable {
        var rule: Int32
        var subject: String
    }

    struct Group {
        /// Devices that fire now, in the order in which they began.
        var members: [UInt32] = []
        /// Devices that have fired since the group's alert began.
        var devices: [UInt32] = []
        var isFiring = false
        var isDirty = false
        var startedAt = Timestamp.distantPast
        var firedAt = Timestamp.distantPast
        var value = 0.0
        var bound = 0.0
        var coverage = 1.0
        var severity = 0
        var clock = Timestamp.distantPast
    }

    var all: [Key: Group] = [:]
    /// In the order in which they changed.
    var dirty: [Key] = []

    mutating func markDirty(_ key: Key) {
        guard all[key]?.isDirty == false else { return }
        all[key]?.isDirty = true
        dirty.append(key)
    }
}

extension AlertEngine {
    /// The subject of a device for a rule's group; a device without one is a subject of its own.
    func subject(of slot: Int32) -> String {
        let device = directory.devices[states[slot].device]
        let by = rules.definitions[Int(states[slot].rule)].group?.by ?? .site
        let name: String? =
            switch by {
            case .site: device?.site
            case .area: device?.area
            case .team: device?.team
            }
        return name.map { "\(by.rawValue)/\($0)" } ?? "device/\(device?.id ?? "")"
    }

    func join(_ slot: Int32) {
        let key = AlertGroups.Key(rule: states[slot].rule, subject: subject(of: slot))
        let device = states[slot].device
        var group = groups.all[key] ?? AlertGroups.Group()
        group.members.append(device)
        group.clock = eventClock
        let isNew = !group.devices.contains(device)
        if isNew { group.devices.append(device) }
        if group.members.count == 1 || states[slot].value > group.value {
            (group.value, group.bound, group.coverage) = (states[slot].value, states[slot].bound, Double(states[slot].coverage))
        }
        let least = rules.definitions[Int(key.rule)].group?.atLeast ?? 1
        let begins = !group.isFiring && group.members.count >= least
        if begins {
            group.isFiring = true
            group.startedAt = states[slot].startedAt
            group.firedAt = states[slot].firedAt
            group.severity = Int(states[slot].severity)
            group.devices = group.members
        }
        groups.all[key] = group
        if begins { transitions.append(snapshot(key, group, .firing)) }
        if group.isFiring { groups.markDirty(key) }
    }

    func leave(_ slot: Int32, at moment: Timestamp, _ reason: AlertSnapshot.Reason) {
        let key = AlertGroups.Key(rule: states[slot].rule, subject: subject(of: slot))
        guard var group = groups.all[key] else { return }
        group.members.removeAll { $0 == states[slot].device }
        group.clock = eventClock
        let least = rules.definitions[Int(key.rule)].group?.atLeast ?? 1
        if group.isFiring && group.members.count < least {
            var end = snapshot(key, group, .resolved)
            end.resolvedAt = moment
            end.reason = reason
            transitions.append(end)
            group.isFiring = false
            group.isDirty = false
            group.devices = group.members
        }
        groups.all[key] = group.members.isEmpty ? nil : group
        if group.isFiring { groups.markDirty(key) }
    }

    func raiseGroup(_ slot: Int32, to rank: Int, at moment: Timestamp) {
        let key = AlertGroups.Key(rule: states[slot].rule, subject: subject(of: slot))
        guard var group = groups.all[key], group.isFiring, rank > group.severity else { return }
        group.severity = rank
        group.clock = eventClock
        groups.all[key] = group
        groups.markDirty(key)
        var raised = snapshot(key, group, .firing)
        raised.isEscalation = true
        raised.escalatedAt = moment
        transitions.append(raised)
    }

    func snapshot(_ key: AlertGroups.Key, _ group: AlertGroups.Group, _ state: AlertSnapshot.State) -> AlertSnapshot {
        AlertSnapshot(
            rule: Int(key.rule), device: group.devices.first ?? 0, state: state, startedAt: group.startedAt,
            firedAt: group.firedAt, resolvedAt: nil, value: group.value, clock: group.clock, replaces: nil,
            severity: RuleDefinition.Severity.allCases[group.severity], bound: group.bound, coverage: group.coverage,
            subject: key.subject, devices: group.devices)
    }
}
