import Telemetry

/// The engine's state as bytes, and back: what a start does not want to work out again from all readings. A rule is
/// named by the hash of its content, so that the state of a changed one is not taken for its own.
extension AlertEngine {
    /// Changes with the layout of ``RuleState``: state of another layout is left aside.
    private static let version = UInt8(truncatingIfNeeded: 3 + MemoryLayout<RuleState>.size)

    /// Devices whose states stand in one row.
    private static let pageDevices = 128

    /// Calls `body` with each page of devices of which one has changed since the last call, in order, and its states; none
    /// are an empty array.
    public func drainStates(_ body: (Int, [UInt8]) throws -> Void) rethrows {
        // One piece of memory for all of them.
        var bytes: [UInt8] = []
        for page in Set(changedDevices.map { Int($0) / AlertEngine.pageDevices }).sorted() {
            bytes.removeAll(keepingCapacity: true)
            let first = page * AlertEngine.pageDevices
            for device in first..<min(first + AlertEngine.pageDevices, entryCount) {
                unsafe entries[device].isChanged = false
                let head = bytes.count
                AlertEngine.append(UInt32(device), to: &bytes)
                AlertEngine.append(UInt32(0), to: &bytes)
                appendStates(of: UInt32(device), to: &bytes)
                let count = bytes.count - head - 8
                if count == 0 { bytes.removeLast(8) } else { AlertEngine.store(UInt32(count), in: &bytes, at: head + 4) }
            }
            try body(page, bytes)
        }
        changedDevices.removeAll(keepingCapacity: true)
    }

    /// Takes the states of a page over.
    public func restore(page bytes: [UInt8]) {
        var next = 0
        while next + 8 <= bytes.count {
            let device: UInt32 = AlertEngine.load(bytes, &next)
            let count: UInt32 = AlertEngine.load(bytes, &next)
            guard next + Int(count) <= bytes.count else { return }
            if Int(device) < entryCount { restore(device: device, states: Array(bytes[next..<next + Int(count)])) }
            next += Int(count)
        }
    }

    /// Nothing where the device has none.
    private func appendStates(of device: UInt32, to bytes: inout [UInt8]) {
        let first = bytes.count
        let entry = unsafe entries[Int(device)]
        for place in 0..<Int(list(of: entry).count) {
            let slot = slot(at: place, entry)
            guard slot >= 0 else { continue }
            if bytes.count == first { bytes.append(AlertEngine.version) }
            let state = states[slot]
            AlertEngine.append(rules.hashes[Int(state.rule)], to: &bytes)
            AlertEngine.append(state, to: &bytes)
            let count = unsafe Int(ruleTable[Int(state.rule)].words)
            for index in 0..<count { AlertEngine.append(unsafe words.words(state.extent)[index], to: &bytes) }
        }
    }

    /// Takes a device's states over. Those of rules that are no longer there are left out.
    private func restore(device: UInt32, states bytes: [UInt8]) {
        guard bytes.first == AlertEngine.version else { return }
        var next = 1
        while next + 8 + MemoryLayout<RuleState>.size <= bytes.count {
            let hash: UInt64 = AlertEngine.load(bytes, &next)
            var state: RuleState = AlertEngine.load(bytes, &next)
            guard let index = indexOfHash[hash], let place = place(of: Int32(index), device) else {
                next += Int(state.wordCount) * 8
                continue
            }
            let rule = unsafe ruleTable[index]
            guard next + Int(rule.words) * 8 <= bytes.count else { return }
            let slot = insert(rule, at: place, device)
            state.rule = Int32(index)
            state.device = device
            state.extent = states[slot].extent
            state.isDirty = false
            state.queued = .max
            states[slot] = state
            for word in 0..<Int(rule.words) { unsafe words.words(state.extent)[word] = AlertEngine.load(bytes, &next) }
            if state.due != .max { settle(slot, rule) }
        }
    }

    // MARK: What belongs to no device

    /// Groups, rates and contested ids, as bytes.
    public var sharedState: [UInt8] {
        var bytes = [AlertEngine.version]
        for key in groups.all.keys.sorted(by: { ($0.rule, $0.subject) < ($1.rule, $1.subject) }) {
            guard let group = groups.all[key] else { continue }
            bytes.append(1)
            AlertEngine.append(rules.hashes[Int(key.rule)], to: &bytes)
            AlertEngine.append(UInt16(key.subject.utf8.count), to: &bytes)
            bytes += Array(key.subject.utf8)
            for devices in [group.members, group.devices] {
                AlertEngine.append(UInt32(devices.count), to: &bytes)
                for device in devices { AlertEngine.append(device, to: &bytes) }
            }
            bytes.append(group.isFiring ? 1 : 0)
            bytes.append(UInt8(group.severity))
            for moment in [group.startedAt, group.firedAt, group.clock] { AlertEngine.append(moment, to: &bytes) }
            for number in [group.value, group.bound, group.coverage] { AlertEngine.append(number, to: &bytes) }
            AlertEngine.append(UInt32(group.events.count), to: &bytes)
            for event in group.events {
                AlertEngine.append(event.at, to: &bytes)
                AlertEngine.append(event.device, to: &bytes)
            }
        }
        for (rule, fires) in recentFires.enumerated() where !fires.isEmpty {
            bytes.append(2)
            AlertEngine.append(rules.hashes[rule], to: &bytes)
            AlertEngine.append(UInt32(fires.count), to: &bytes)
            for moment in fires { AlertEngine.append(moment, to: &bytes) }
        }
        for device in contested.sorted() {
            bytes.append(3)
            AlertEngine.append(UInt64(device), to: &bytes)
        }
        return bytes
    }

    public func restore(shared bytes: [UInt8]) {
        guard bytes.first == AlertEngine.version else { return }
        var next = 1
        while next + 9 <= bytes.count {
            let what = bytes[next]
            next += 1
            let hash: UInt64 = AlertEngine.load(bytes, &next)
            let rule = indexOfHash[hash]
            if what == 3 {
                _ = contest(UInt32(truncatingIfNeeded: hash))
                continue
            }
            if what == 2 {
                let count: UInt32 = AlertEngine.load(bytes, &next)
                let fires = (0..<count).map { _ -> Timestamp in AlertEngine.load(bytes, &next) }
                if let rule { recentFires[rule] = fires }
                continue
            }
            let length: UInt16 = AlertEngine.load(bytes, &next)
            let subject = String(decoding: bytes[next..<next + Int(length)], as: UTF8.self)
            next += Int(length)
            var group = AlertGroups.Group()
            for list in 0..<2 {
                let count: UInt32 = AlertEngine.load(bytes, &next)
                let devices = (0..<count).map { _ -> UInt32 in AlertEngine.load(bytes, &next) }
                if list == 0 { group.members = devices } else { group.devices = devices }
            }
            group.isFiring = bytes[next] == 1
            group.severity = Int(bytes[next + 1])
            next += 2
            (group.startedAt, group.firedAt, group.clock) = (
                AlertEngine.load(bytes, &next), AlertEngine.load(bytes, &next), AlertEngine.load(bytes, &next)
            )
            (group.value, group.bound, group.coverage) = (
                AlertEngine.load(bytes, &next), AlertEngine.load(bytes, &next), AlertEngine.load(bytes, &next)
            )
            let events: UInt32 = AlertEngine.load(bytes, &next)
            group.events = (0..<events).map { _ in (AlertEngine.load(bytes, &next), AlertEngine.load(bytes, &next)) }
            if let rule { groups.all[AlertGroups.Key(rule: Int32(rule), subject: subject)] = group }
        }
        enqueueGroups()
    }

    private static func append<Value: BitwiseCopyable>(_ value: Value, to bytes: inout [UInt8]) {
        unsafe withUnsafeBytes(of: value) { unsafe bytes.append(contentsOf: $0) }
    }

    private static func store<Value: BitwiseCopyable>(_ value: Value, in bytes: inout [UInt8], at place: Int) {
        unsafe bytes.withUnsafeMutableBytes { unsafe $0.storeBytes(of: value, toByteOffset: place, as: Value.self) }
    }

    /// - Precondition: so many bytes are there.
    private static func load<Value: BitwiseCopyable>(_ bytes: [UInt8], _ next: inout Int) -> Value {
        defer { next += MemoryLayout<Value>.size }
        precondition(next + MemoryLayout<Value>.size <= bytes.count)
        return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: next, as: Value.self) }
    }

    // MARK: Rules that begin later

    /// Rules that are not to see the readings of a redo that were stored before they were in force.
    public func suspend(_ isSuspended: (Int) -> Bool) {
        for index in rules.definitions.indices { unsafe ruleTable[index].isSuspended = isSuspended(index) }
    }
}

extension AlertEngine {
    /// Takes over an open alert that is known by its row alone.
    public func adopt(
        rule: Int, device: UInt32, isFiring: Bool, startedAt: Timestamp, firedAt: Timestamp, value: Double
    ) {
        guard let place = place(of: Int32(rule), device) else { return }
        let compiled = unsafe ruleTable[rule]
        let slot = insert(compiled, at: place, device)
        states[slot].phase = isFiring ? .firing : .pending
        (states[slot].startedAt, states[slot].firedAt, states[slot].value) = (startedAt, firedAt, value)
        states[slot].storedStart = startedAt
        states[slot].severity = UInt8(severityRank(rules.definitions[rule].severity))
        markChanged(device)
        settle(slot, compiled)
    }
}
