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
        /// With `within`: when devices began to fire, oldest first, and which.
        var events: [(at: Timestamp, device: UInt32)] = []
        /// For when a timer stands in the heap.
        var queued = Int64.max
    }

    /// Devices that are named at most.
    static let namedDevices = 100

    var all: [Key: Group] = [:]
    /// In the order in which they changed.
    var dirty: [Key] = []

    mutating func markDirty(_ key: Key) {
        guard all[key]?.isDirty == false else { return }
        all[key]?.isDirty = true
        dirty.append(key)
    }
}

extension AlertGroups {
    /// A subject as a number, the same in every life.
    static func number(_ subject: String) -> UInt32 { UInt32(truncatingIfNeeded: Identifier.fnv1a(subject.utf8)) }
}

extension AlertGroups.Group {
    /// Those that fire or have begun to within the time, the first of them.
    var present: [UInt32] {
        var list: [UInt32] = []
        for device in events.isEmpty ? members : events.map(\.device) where !list.contains(device) {
            if list.count == AlertGroups.namedDevices { break }
            list.append(device)
        }
        return list
    }

    mutating func add(_ moment: Timestamp, _ device: UInt32, within: Int64) {
        let place = events.lastIndex { $0.at <= moment }.map { $0 + 1 } ?? 0
        events.insert((moment, device), at: place)
        let newest = events[events.count - 1].at
        events.removeAll { $0.at + within <= newest }
        if events.count > RuleDefinition.Group.maximumEvents { events.removeFirst(events.count - RuleDefinition.Group.maximumEvents) }
    }
}

extension AlertEngine {
    /// The subject of a device for a rule's group; a device without one is a subject of its own.
    private func subject(of slot: Int32) -> String {
        let device = directory.devices[states[slot].device]
        let by = rules.definitions[Int(states[slot].rule)].group?.by ?? .site
        let name: String? =
            switch by {
            case .site: device?.site
            case .area: device?.area
            case .team: device?.team
            case .fence: fence(of: slot).map { world.fences.all[$0].id } ?? "unknown"
            case .rule: rules.definitions[Int(states[slot].rule)].id
            }
        return name.map { "\(by.rawValue)/\($0)" } ?? "device/\(device?.id ?? "")"
    }

    /// The fence that held the device last, by the first leaf on fences.
    private func fence(of slot: Int32) -> Int? {
        let rule = unsafe ruleTable[Int(states[slot].rule)]
        for number in 0..<Int(rule.leaves) {
            let leaf = unsafe leafTable[Int(rule.firstLeaf) + number]
            guard leaf.subject == .fence else { continue }
            let number = unsafe Int(words.words(states[slot].extent + leaf.words)[0] >> 8)
            return number > 0 && number <= world.fences.all.count ? number - 1 : nil
        }
        return nil
    }

    /// The group that a device has joined: by fence it may be elsewhere by now.
    private func joinedKey(_ slot: Int32) -> AlertGroups.Key {
        let rule = states[slot].rule
        if rules.definitions[Int(rule)].group?.by == .fence {
            let device = states[slot].device
            if let key = groups.all.first(where: { $0.key.rule == rule && $0.value.members.contains(device) })?.key { return key }
        }
        return AlertGroups.Key(rule: rule, subject: subject(of: slot))
    }

    /// Whether the alert's value is the number that the group counts.
    private func countsMembers(_ rule: Int32) -> Bool {
        let compiled = unsafe ruleTable[Int(rule)]
        return unsafe leafTable[Int(compiled.firstLeaf + compiled.leading)].test == .holds
    }

    func join(_ slot: Int32) {
        let key = AlertGroups.Key(rule: states[slot].rule, subject: subject(of: slot))
        let device = states[slot].device
        var group = groups.all[key] ?? AlertGroups.Group()
        group.members.append(device)
        group.clock = eventClock
        let rule = rules.definitions[Int(key.rule)].group
        let least = rule?.atLeast ?? 1
        if let within = rule?.withinMilliseconds { group.add(states[slot].firedAt, device, within: within) }
        let count = rule?.withinMilliseconds == nil ? group.members.count : group.events.count
        if group.devices.count < AlertGroups.namedDevices && !group.devices.contains(device) { group.devices.append(device) }
        if countsMembers(key.rule) {
            group.value = group.isFiring ? max(group.value, Double(count)) : Double(count)
            (group.bound, group.coverage) = (Double(least), 1)
        } else if group.members.count == 1 || states[slot].value > group.value {
            (group.value, group.bound, group.coverage) = (states[slot].value, states[slot].bound, Double(states[slot].coverage))
        }
        let begins = !group.isFiring && count >= least
        if begins {
            group.isFiring = true
            group.startedAt = states[slot].startedAt
            group.firedAt = states[slot].firedAt
            group.severity = Int(states[slot].severity)
            group.devices = group.present
            if rule?.withinMilliseconds != nil && group.events.count > 0 {
                group.startedAt = group.events[max(0, group.events.count - least)].at
            }
        }
        if group.isFiring, let within = rule?.withinMilliseconds { enqueue(key, &group, least, within) }
        groups.all[key] = group
        if begins { transitions.append(snapshot(key, group, .firing)) }
        if group.isFiring { groups.markDirty(key) }
    }

    func leave(_ slot: Int32, at moment: Timestamp, _ reason: AlertSnapshot.Reason) {
        let key = joinedKey(slot)
        guard var group = groups.all[key] else { return }
        group.members.removeAll { $0 == states[slot].device }
        group.clock = eventClock
        let rule = rules.definitions[Int(key.rule)].group
        let isCounting = rule?.withinMilliseconds != nil
        // What has happened within a time is over when the time is.
        let isOver = !isCounting && group.members.count < rule?.atLeast ?? 1
        if group.isFiring && isOver { finish(key, &group, at: moment, reason) }
        groups.all[key] = group.members.isEmpty && group.events.isEmpty ? nil : group
        if group.isFiring && !isCounting { groups.markDirty(key) }
    }

    private func finish(
        _ key: AlertGroups.Key, _ group: inout AlertGroups.Group, at moment: Timestamp, _ reason: AlertSnapshot.Reason
    ) {
        var end = snapshot(key, group, .resolved)
        end.resolvedAt = moment
        end.reason = reason
        transitions.append(end)
        group.isFiring = false
        group.isDirty = false
        if reason == .person { group.events = [] }
        group.devices = group.present
    }

    // MARK: Within a time

    /// A timer for when too few of the beginnings are left.
    private func enqueue(_ key: AlertGroups.Key, _ group: inout AlertGroups.Group, _ least: Int, _ within: Int64) {
        let due = (group.events[max(0, group.events.count - least)].at + within).milliseconds
        guard due < group.queued else { return }
        group.queued = due
        heap.push(TimerHeap.Entry(due: due, rule: key.rule, device: AlertGroups.number(key.subject), slot: -1))
    }

    /// A person ends the alert of a group that counts within a time; false where it is none or does not fire.
    func endCounting(_ rule: Int32, device: UInt32, at moment: Timestamp) -> Bool {
        guard rules.definitions[Int(rule)].group?.withinMilliseconds != nil,
            let (key, found) = groups.all.first(where: { $0.key.rule == rule && $0.value.isFiring && $0.value.devices.contains(device) })
        else { return false }
        var group = found
        group.clock = eventClock
        finish(key, &group, at: moment, .person)
        groups.all[key] = group.members.isEmpty ? nil : group
        return true
    }

    /// After a start the timers are set anew.
    func enqueueGroups() {
        for (key, group) in groups.all {
            guard group.isFiring, let rule = rules.definitions[Int(key.rule)].group, let within = rule.withinMilliseconds else { continue }
            var group = group
            group.queued = .max
            enqueue(key, &group, rule.atLeast, within)
            groups.all[key] = group
        }
    }

    /// The timer of a group has come up.
    func expire(_ entry: TimerHeap.Entry) {
        guard
            let (key, found) = groups.all.first(where: {
                $0.key.rule == entry.rule && AlertGroups.number($0.key.subject) == entry.device && $0.value.queued == entry.due
            }), let rule = rules.definitions[Int(key.rule)].group, let within = rule.withinMilliseconds
        else { return }
        var group = found
        group.queued = .max
        let due = Timestamp(milliseconds: entry.due)
        group.events.removeAll { $0.at + within <= due }
        if group.isFiring && !rules.definitions[Int(key.rule)].isLatched {
            if group.events.count < rule.atLeast {
                group.clock = due
                finish(key, &group, at: due, .condition)
            } else {
                enqueue(key, &group, rule.atLeast, within)
            }
        }
        groups.all[key] = group.members.isEmpty && group.events.isEmpty ? nil : group
    }

    func raiseGroup(_ slot: Int32, to rank: Int, at moment: Timestamp) {
        let key = joinedKey(slot)
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
