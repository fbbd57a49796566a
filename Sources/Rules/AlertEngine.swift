public import Telemetry

/// An alert as it stands after a change.
public struct AlertSnapshot: Sendable, Equatable {
    public enum State: String, Sendable { case pending, firing, resolved }

    /// Index into ``RuleSet/definitions``.
    public var rule: Int
    public var device: UInt32
    public var state: State
    public var startedAt: Timestamp
    public var firedAt: Timestamp?
    public var resolvedAt: Timestamp?
    public var value: Double
    /// The engine's clock at the change.
    public var clock: Timestamp
    /// A pending alert's start as the store has it, where pending has begun afresh since.
    public var replaces: Timestamp?
}

/// Evaluates the rules and keeps the open alerts: memory goes with open alerts, not with rules × devices.
///
/// One thread owns it. Changes gather until ``drain(_:)``, so that a pending alert that comes and goes within a batch
/// never reaches the store.
@safe
public final class AlertEngine {
    private struct Open {
        var rule: Int32
        var next: Int32
        var device: UInt32
        var life: AlertLifecycle
        var isDirty: Bool
        /// Start of the row in the store, `distantPast` where there is none.
        var storedStart: Timestamp
        var clock: Timestamp
    }

    public let rules: RuleSet
    // Flat copies of `rules.compiled`, so that the hot path touches no reference count; freed in deinit.
    private let compiled: UnsafeMutableBufferPointer<CompiledRule>
    private let ranges: [Range<Int>]
    private let firstRule: (Int, Int, Int, Int)
    private var pool: [Open] = []
    private var freeSlot: Int32 = -1
    private var headOfDevice: [Int32] = []
    private var dirty: [Int32] = []
    private var transitions: [AlertSnapshot] = []
    private var vanished: [AlertSnapshot] = []

    public init(rules: RuleSet) {
        self.rules = rules
        let flat = rules.compiled.flatMap { $0 }
        unsafe compiled = .allocate(capacity: max(1, flat.count))
        _ = unsafe compiled.initialize(from: flat)
        var start = 0
        ranges = rules.compiled.map { rules in
            defer { start += rules.count }
            return start..<start + rules.count
        }
        precondition(ranges.count == 3, "a new kind: extend firstRule")
        firstRule = (ranges[0].lowerBound, ranges[1].lowerBound, ranges[2].lowerBound, start)
    }

    deinit { unsafe compiled.deallocate() }

    /// Makes room for devices up to and including `device`. Amortised O(1).
    public func reserve(device: UInt32) {
        while headOfDevice.count <= Int(device) { headOfDevice.append(-1) }
    }

    @inline(__always)
    private func range(of kind: Kind) -> Range<Int> {
        switch kind {
        case .noise: firstRule.0..<firstRule.1
        case .vehicle: firstRule.1..<firstRule.2
        case .bodycam: firstRule.2..<firstRule.3
        }
    }

    /// Judges one reading by all rules of its kind, in their order. `before` is the device's newest judged reading
    /// before this one.
    @inline(__always)
    public func evaluate(_ reading: borrowing Reading, before: Evaluated, clock: Timestamp) {
        let head = headOfDevice[Int(reading.device)]
        for position in range(of: reading.kind) {
            let rule = unsafe compiled[position]
            guard let value = rule.value(of: reading) else { continue }
            if head < 0 && !rule.isOver(value) { continue }
            judge(reading, value: value, rule: rule, before: before, clock: clock)
        }
    }

    @inline(never)
    private func judge(
        _ reading: borrowing Reading, value: Double, rule: CompiledRule, before: Evaluated, clock: Timestamp
    ) {
        var slot = headOfDevice[Int(reading.device)]
        while slot >= 0 && pool[Int(slot)].rule != rule.index { slot = pool[Int(slot)].next }
        var life: AlertLifecycle? = slot >= 0 ? pool[Int(slot)].life : nil
        let step = AlertLifecycle.step(&life, rule: rule, reading: reading, value: value, before: before)
        switch step {
        case .unchanged: return
        case .changed:
            if slot < 0 { slot = insert(rule: rule.index, device: reading.device, life: life!) }
            update(slot, life!, clock)
        case .fired:
            if slot < 0 { slot = insert(rule: rule.index, device: reading.device, life: life!) }
            update(slot, life!, clock)
            transitions.append(snapshot(pool[Int(slot)], .firing))
        case .vanished:
            let open = pool[Int(slot)]
            if open.storedStart != .distantPast {
                var gone = snapshot(open, .pending)
                gone.startedAt = open.storedStart
                vanished.append(gone)
            }
            remove(slot, device: reading.device)
        case .resolved:
            pool[Int(slot)].clock = clock
            var end = snapshot(pool[Int(slot)], .resolved)
            end.resolvedAt = reading.ts
            transitions.append(end)
            remove(slot, device: reading.device)
        }
    }

    private func update(_ slot: Int32, _ life: AlertLifecycle, _ clock: Timestamp) {
        pool[Int(slot)].life = life
        pool[Int(slot)].clock = clock
        if !pool[Int(slot)].isDirty {
            pool[Int(slot)].isDirty = true
            dirty.append(slot)
        }
    }

    private func insert(rule: Int32, device: UInt32, life: AlertLifecycle) -> Int32 {
        let open = Open(
            rule: rule, next: headOfDevice[Int(device)], device: device, life: life, isDirty: false,
            storedStart: .distantPast, clock: .distantPast)
        let slot: Int32
        if freeSlot >= 0 {
            slot = freeSlot
            freeSlot = pool[Int(slot)].next
            // Freed within this batch, it may still stand in `dirty`: it is then drained as the new alert, once.
            let stands = pool[Int(slot)].isDirty
            pool[Int(slot)] = open
            pool[Int(slot)].isDirty = stands
        } else {
            slot = Int32(pool.count)
            pool.append(open)
        }
        headOfDevice[Int(device)] = slot
        return slot
    }

    private func remove(_ slot: Int32, device: UInt32) {
        if headOfDevice[Int(device)] == slot {
            headOfDevice[Int(device)] = pool[Int(slot)].next
        } else {
            var previous = headOfDevice[Int(device)]
            while pool[Int(previous)].next != slot { previous = pool[Int(previous)].next }
            pool[Int(previous)].next = pool[Int(slot)].next
        }
        pool[Int(slot)].rule = -1
        pool[Int(slot)].next = freeSlot
        freeSlot = slot
    }

    private func snapshot(_ open: Open, _ state: AlertSnapshot.State) -> AlertSnapshot {
        let hasOldRow = open.storedStart != .distantPast && open.storedStart != open.life.startedAt
        return AlertSnapshot(
            rule: Int(open.rule), device: open.device, state: state, startedAt: open.life.startedAt,
            firedAt: state == .pending ? nil : open.life.firedAt, resolvedAt: nil, value: open.life.value,
            clock: open.clock, replaces: hasOldRow ? open.storedStart : nil)
    }

    /// Whether ``drain(_:)`` has anything to hand over.
    public var hasChanges: Bool { !dirty.isEmpty || !transitions.isEmpty || !vanished.isEmpty }

    /// Hands over what changed since the last call: stored pending rows that are gone, transitions in their order, and
    /// the alerts open now whose row changed.
    public func drain(
        vanished takeVanished: (AlertSnapshot) throws -> Void, transitions takeTransition: (AlertSnapshot) throws -> Void,
        open takeOpen: (AlertSnapshot) throws -> Void
    ) rethrows {
        for gone in vanished { try takeVanished(gone) }
        for transition in transitions { try takeTransition(transition) }
        for slot in dirty {
            pool[Int(slot)].isDirty = false
            guard pool[Int(slot)].rule >= 0 else { continue }
            try takeOpen(snapshot(pool[Int(slot)], pool[Int(slot)].life.isFiring ? .firing : .pending))
            pool[Int(slot)].storedStart = pool[Int(slot)].life.startedAt
        }
        vanished.removeAll(keepingCapacity: true)
        transitions.removeAll(keepingCapacity: true)
        dirty.removeAll(keepingCapacity: true)
    }

    /// Takes an open alert over from the store, at start.
    public func restore(rule: Int, device: UInt32, life: AlertLifecycle) {
        reserve(device: device)
        let slot = insert(rule: Int32(rule), device: device, life: life)
        pool[Int(slot)].storedStart = life.startedAt
    }
}
