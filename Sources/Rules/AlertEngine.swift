public import Telemetry

/// Evaluates the rules and keeps their state: a pure function of readings, clock and rules, in the order in which they
/// come. Memory goes with the rules that apply to a device, and for the smallest rules with open alerts.
///
/// One thread owns it. Changes gather until ``drain(vanished:transitions:open:)``, so that a pending alert that comes and
/// goes within a batch never reaches the store.
@safe
public final class AlertEngine {
    public let rules: RuleSet
    public let world: World

    /// What the rules know of a device, by its number.
    struct Entry: BitwiseCopyable {
        /// Index into `lists`.
        var list: Int32 = 0
        /// States of plain rules that it has: without one, a reading that passes no gate means nothing to any of them.
        var plainStates: Int32 = 0
        /// Offset of as many words: the slot of the rule's state plus one, 0 where it has none; -1 where there is no list.
        var slots: Int32 = -1
        var zone: Int32 = -1
        /// Its site's permits: a range of `permits`.
        var permitStart: Int32 = 0
        var permitCount: Int32 = 0
        /// Its states are not as the store has them.
        var isChanged = false
    }

    /// A permit that lifts rules, flat.
    struct Lift: BitwiseCopyable {
        var from: Timestamp
        var until: Timestamp
        /// Index into `liftWords`, as a bit.
        var word: UInt64
    }

    /// What a schedule says around the moment that was asked last.
    struct Wake: BitwiseCopyable {
        var from = Timestamp.distantPast, until = Timestamp.distantPast
        var isActive = false
        /// Where active: since when and until when without a break.
        var since = Timestamp.distantPast, ends = Timestamp.distantPast
    }

    /// The rules of devices that they cannot tell apart: `start..<start + count` of `listRules`.
    struct RuleList: BitwiseCopyable {
        var start: Int32 = 0
        var count: Int32 = 0
        /// How many have no gate; their places stand behind the rules.
        var ungated: Int32 = 0
        /// A range of `gates`.
        var gateStart: Int32 = 0
        var gateCount: Int32 = 0
    }

    /// What a value must be for any of a list's plain rules on it to begin.
    struct Gate: BitwiseCopyable {
        var isBit: Bool
        var test: CompiledLeaf.Test
        var index: Int32
        /// The least that is over it, or for `below` the most.
        var level: Double

        @inline(__always)
        func isPassed(by reading: borrowing Reading) -> Bool {
            guard let value = isBit ? reading.bit(Int(index)).map({ $0 ? 1 : 0 }) : reading.value(Int(index)) else { return false }
            return test == .above ? value > level : test == .below ? value < level : value == level
        }
    }

    // Flat copies, so that the hot path touches no reference count; allocated in init or grown here, freed in deinit.
    let ruleTable: UnsafeMutablePointer<CompiledRule>
    let leafTable: UnsafeMutablePointer<CompiledLeaf>
    let operationTable: UnsafeMutablePointer<UInt8>
    let wakes: UnsafeMutablePointer<Wake>
    /// By standard and zone: day, night, and what a maximum may be over the night; NaN where there is no limit.
    let limitTable: UnsafeMutablePointer<(Double, Double, Double)>
    /// Per rule: bits of the words that lift it.
    let liftMasks: UnsafeMutablePointer<UInt64>
    /// For percentiles of a window: ``LevelWindow/bins`` zeros.
    let levelScratch: UnsafeMutablePointer<UInt32>
    /// By reference meter its device number, -1 until it is there.
    var backgroundDevices: [Int32]
    /// The level whose energy was asked for last.
    var lastLevel = Double.nan, lastEnergy = 0.0
    /// The bound whose energy was asked for last.
    var lastBound = Double.nan, lastBoundEnergy = 0.0
    var entries: UnsafeMutablePointer<Entry>
    var lists: UnsafeMutablePointer<RuleList>
    var listRules: UnsafeMutablePointer<Int32>
    var gates: UnsafeMutablePointer<Gate>
    var lifts: UnsafeMutablePointer<Lift>
    private var entryCapacity = 1024
    private(set) var entryCount = 0
    private var listCapacity = 64
    private var listCount = 0
    private var listRuleCapacity = 256
    private var listRuleCount = 0
    private var gateCapacity = 64
    private var gateCount = 0
    private var liftCapacity = 64
    private var liftCount = 0

    let states = StatePool()
    let words = WordPool()
    var heap = TimerHeap()
    /// The engine's clock, which never goes back here.
    public internal(set) var now = Timestamp.distantPast
    /// Of the change at hand: `now`, or when its timer was due.
    var eventClock = Timestamp.distantPast

    let schedules: [Schedule?]
    let indexOfHash: [UInt64: Int]
    let zoneNames: [String]
    /// Day or night around the moment that was asked last.
    var night = WhenMemory()
    let nightHours: Schedule
    let fences: FenceSets
    let liftWords: [String]
    var directory: DeviceDirectory
    private let hasGroups: Bool
    var groups = AlertGroups()
    /// Per rule: when its newest alerts began to fire.
    var recentFires: [[Timestamp]]

    var dirty: [Int32] = []
    var transitions: [AlertSnapshot] = []
    var vanished: [AlertSnapshot] = []
    /// Devices whose id another gateway has brought since their newest reading.
    var contested: Set<UInt32> = []
    /// A rule asks for them.
    public let watchesGateways: Bool
    /// Devices whose states changed since the last checkpoint.
    var changedDevices: [UInt32] = []

    public init(rules: RuleSet, world: World) {
        self.rules = rules
        self.world = world
        hasGroups = rules.definitions.contains { $0.group != nil }
        watchesGateways = rules.leaves.contains { $0.source == .secondGateway }
        indexOfHash = Dictionary(rules.hashes.enumerated().map { ($0.element, $0.offset) }) { first, _ in first }
        unsafe ruleTable = .allocate(capacity: max(1, rules.rules.count))
        unsafe ruleTable.initialize(from: rules.rules, count: rules.rules.count)
        unsafe leafTable = .allocate(capacity: max(1, rules.leaves.count))
        unsafe leafTable.initialize(from: rules.leaves, count: rules.leaves.count)
        unsafe operationTable = .allocate(capacity: max(1, rules.operations.count))
        unsafe operationTable.initialize(from: rules.operations, count: rules.operations.count)
        unsafe wakes = .allocate(capacity: max(1, rules.rules.count))
        unsafe wakes.initialize(repeating: Wake(), count: max(1, rules.rules.count))
        schedules = rules.definitions.map { $0.when == .always ? nil : Schedule($0.when, zone: world.zone) }
        let documents = rules.limitNames.map { world.limits[$0] }
        let zones = world.limits.zones
        zoneNames = zones
        nightHours = Schedule(world.night, zone: world.zone)
        fences = FenceSets(rules.fenceLeaves, world.fences)
        // One column more, for devices of no zone or an unknown one.
        unsafe limitTable = .allocate(capacity: max(1, documents.count * (zones.count + 1)))
        for (row, document) in documents.enumerated() {
            for column in 0...zones.count {
                let limit = document?.limit(zone: column < zones.count ? zones[column] : nil)
                unsafe (limitTable + row * (zones.count + 1) + column).initialize(
                    to: (
                        limit?.dayDecibels ?? .nan, limit?.nightDecibels ?? .nan, document?.nightMaximumExcessDecibels ?? .nan
                    ))
            }
        }
        let words = Set(rules.definitions.flatMap(\.liftedBy)).sorted()
        precondition(words.count <= 64, "the reader allows 64 kinds of permits")
        liftWords = words
        unsafe liftMasks = .allocate(capacity: max(1, rules.rules.count))
        for (index, definition) in rules.definitions.enumerated() {
            let mask = definition.liftedBy.reduce(UInt64(0)) { $0 | 1 << UInt64(words.firstIndex(of: $1) ?? 0) }
            unsafe (liftMasks + index).initialize(to: mask)
        }
        unsafe levelScratch = .allocate(capacity: LevelWindow.bins)
        unsafe levelScratch.initialize(repeating: 0, count: LevelWindow.bins)
        backgroundDevices = Array(repeating: -1, count: rules.backgrounds.count)
        unsafe entries = .allocate(capacity: 1024)
        unsafe lists = .allocate(capacity: 64)
        unsafe listRules = .allocate(capacity: 256)
        unsafe gates = .allocate(capacity: 64)
        unsafe lifts = .allocate(capacity: 64)
        directory = DeviceDirectory(rules: rules)
        recentFires = Array(repeating: [], count: rules.definitions.count)
        _ = insert(list: [])
    }

    deinit {
        unsafe ruleTable.deallocate()
        unsafe leafTable.deallocate()
        unsafe operationTable.deallocate()
        unsafe wakes.deallocate()
        unsafe limitTable.deallocate()
        unsafe liftMasks.deallocate()
        unsafe levelScratch.deallocate()
        unsafe entries.deallocate()
        unsafe lists.deallocate()
        unsafe listRules.deallocate()
        unsafe gates.deallocate()
        unsafe lifts.deallocate()
    }

    // MARK: Devices

    /// Takes a device in, or what has changed of one: which rules apply to it is decided here, once. Amortised O(rules
    /// that apply), and O(rules) for the first device of its area, site, zone, team and tags.
    public func add(device: Device) {
        let number = Int(device.number)
        while entryCount <= number {
            if entryCount == entryCapacity {
                unsafe entries = AlertEngine.grown(entries, entryCount, &entryCapacity)
            }
            unsafe (entries + entryCount).initialize(to: Entry())
            entryCount += 1
        }
        // Only groups ask for it.
        if hasGroups { directory.devices[device.number] = device }
        for (index, background) in rules.backgrounds.enumerated() where background.device == device.id && device.kind == .noise {
            backgroundDevices[index] = Int32(device.number)
        }
        let list = directory.list(for: device, world, insert)
        let old = unsafe entries[number]
        var entry = old
        entry.zone = Int32(zoneNames.firstIndex(of: device.zone ?? "") ?? zoneNames.count)
        if !liftWords.isEmpty { addPermits(of: device.site, &entry) }
        if entry.slots < 0 || entry.list != list {
            entry.list = list
            let count = unsafe Int(lists[Int(list)].count)
            entry.slots = count > 0 ? words.insert(count) : -1
            unsafe entries[number] = entry
            if old.slots >= 0 { move(device.number, from: old) }
        } else {
            unsafe entries[number] = entry
        }
    }

    /// A list that is new among the lists; returns its index.
    private func insert(list rules: [Int32]) -> Int32 {
        var list = RuleList(start: Int32(listRuleCount), count: Int32(rules.count), gateStart: Int32(gateCount))
        var ungated: [Int32] = []
        var gates: [Gate] = []
        for (place, index) in rules.enumerated() {
            let rule = unsafe ruleTable[Int(index)]
            let leaf = unsafe leafTable[Int(rule.firstLeaf)]
            guard rule.isPlain, [.above, .below, .equals].contains(leaf.test) else {
                ungated.append(Int32(place))
                continue
            }
            let gate = Gate(isBit: leaf.source == .bit, test: leaf.test, index: leaf.index, level: leaf.level)
            let same = gates.firstIndex {
                $0.isBit == gate.isBit && $0.test == gate.test && $0.index == gate.index && (gate.test != .equals || $0.level == gate.level)
            }
            if let same {
                gates[same].level = gate.test == .above ? min(gates[same].level, gate.level) : max(gates[same].level, gate.level)
            } else {
                gates.append(gate)
            }
        }
        (list.ungated, list.gateCount) = (Int32(ungated.count), Int32(gates.count))
        for rule in rules + ungated {
            if listRuleCount == listRuleCapacity { unsafe listRules = AlertEngine.grown(listRules, listRuleCount, &listRuleCapacity) }
            unsafe (listRules + listRuleCount).initialize(to: rule)
            listRuleCount += 1
        }
        for gate in gates {
            if gateCount == gateCapacity { unsafe self.gates = AlertEngine.grown(self.gates, gateCount, &gateCapacity) }
            unsafe (self.gates + gateCount).initialize(to: gate)
            gateCount += 1
        }
        if listCount == listCapacity { unsafe lists = AlertEngine.grown(lists, listCount, &listCapacity) }
        unsafe (lists + listCount).initialize(to: list)
        listCount += 1
        return Int32(listCount - 1)
    }

    private func addPermits(of site: String?, _ entry: inout Entry) {
        let permits = site.map { site in world.permits.all.filter { $0.site == site } } ?? []
        entry.permitStart = Int32(liftCount)
        entry.permitCount = 0
        for permit in permits {
            guard let word = liftWords.firstIndex(of: permit.what) else { continue }
            if liftCount == liftCapacity { unsafe lifts = AlertEngine.grown(lifts, liftCount, &liftCapacity) }
            unsafe (lifts + liftCount).initialize(to: Lift(from: permit.from, until: permit.until, word: 1 << UInt64(word)))
            liftCount += 1
            entry.permitCount += 1
        }
    }

    /// A device whose rules are others now keeps the states of those that it still has.
    private func move(_ device: UInt32, from old: Entry) {
        let count = unsafe Int(lists[Int(old.list)].count)
        for index in 0..<count {
            let slot = unsafe Int32(truncatingIfNeeded: words.words(old.slots)[index]) - 1
            guard slot >= 0 else { continue }
            if let place = place(of: states[slot].rule, device) {
                setSlot(slot, at: place, device)
            } else {
                end(slot, at: now, .rule)
                if states[slot].rule >= 0 { release(slot) }
            }
        }
        if count > 0 { words.remove(old.slots, count) }
    }

    private static func grown<Element>(
        _ old: UnsafeMutablePointer<Element>, _ count: Int, _ capacity: inout Int
    ) -> UnsafeMutablePointer<Element> {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        unsafe larger.moveInitialize(from: old, count: count)
        unsafe old.deallocate()
        capacity *= 2
        return unsafe larger
    }

    // MARK: States

    /// The place of a rule among the device's, nil where it does not apply to it.
    func place(of rule: Int32, _ device: UInt32) -> Int? {
        let list = list(of: unsafe entries[Int(device)])
        return (0..<Int(list.count)).first { self.rule(at: $0, list) == rule }
    }

    @inline(__always)
    func list(of entry: Entry) -> RuleList { unsafe lists[Int(entry.list)] }

    /// Index of the rule at a place of a list.
    @inline(__always)
    func rule(at place: Int, _ list: RuleList) -> Int32 { unsafe listRules[Int(list.start) + place] }

    @inline(__always)
    func slot(at place: Int, _ entry: Entry) -> Int32 {
        unsafe Int32(truncatingIfNeeded: words.words(entry.slots)[place]) - 1
    }

    func setSlot(_ slot: Int32, at place: Int, _ device: UInt32) {
        let entry = unsafe entries[Int(device)]
        unsafe words.words(entry.slots)[place] = UInt64(slot + 1)
    }

    /// The state of a rule and device, -1 where there is none.
    func slot(of rule: Int32, _ device: UInt32) -> Int32 {
        guard Int(device) < entryCount, let place = place(of: rule, device) else { return -1 }
        return slot(at: place, unsafe entries[Int(device)])
    }

    func insert(_ rule: CompiledRule, at place: Int, _ device: UInt32) -> Int32 {
        var state = RuleState(rule: rule.index, device: device, extent: -1)
        if rule.words > 0 { state.extent = words.insert(Int(rule.words)) }
        state.wordCount = rule.words
        let slot = states.insert(state)
        setSlot(slot, at: place, device)
        if rule.isPlain { unsafe entries[Int(device)].plainStates += 1 }
        return slot
    }

    /// Gives a state's memory back.
    func release(_ slot: Int32) {
        let state = states[slot]
        let rule = unsafe ruleTable[Int(state.rule)]
        if let place = place(of: state.rule, state.device), self.slot(at: place, unsafe entries[Int(state.device)]) == slot {
            setSlot(-1, at: place, state.device)
        }
        if rule.isPlain { unsafe entries[Int(state.device)].plainStates -= 1 }
        if state.extent >= 0 { words.remove(state.extent, Int(rule.words)) }
        states.remove(slot)
    }

    @inline(__always)
    func markChanged(_ device: UInt32) {
        if unsafe !entries[Int(device)].isChanged {
            unsafe entries[Int(device)].isChanged = true
            changedDevices.append(device)
        }
    }
}
