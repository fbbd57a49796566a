public import Telemetry

/// The units of the district: where they are, whether they can be sent. Flat arrays by the unit's number, so that one
/// pass over all of them answers a question and says why not of each. One thread owns it.
public final class UnitBoard {
    public let units: [ResponseUnit]
    let zone: LocalZone
    let areas: AreaTree
    private let numberOfID: [String: Int]
    private let numberOfDevice: [String: Int]

    /// Whether people have said something else than the shift.
    public enum Duty: String, Sendable, CaseIterable { case shift, on, off }

    /// What is known of a unit now.
    public struct State: Sendable, Equatable {
        public var duty = Duty.shift
        /// Who said so, and when.
        public var dutyBy: String?
        public var dutyAt: Timestamp?
        public var fix: Fix?
        public var camera: Camera?
        /// The task it is on.
        public var task: String?
        /// When it was last sent.
        public var lastSentAt: Timestamp?

        public init() {}
    }

    public struct Fix: BitwiseCopyable, Sendable, Equatable {
        public var at: Timestamp
        public var position: Position
        /// Metres; nil where the device gives none.
        public var accuracyMetres: Double?

        public init(at: Timestamp, position: Position, accuracyMetres: Double?) {
            self.at = at
            self.position = position
            self.accuracyMetres = accuracyMetres
        }
    }

    /// The unit's body camera as last heard.
    public struct Camera: BitwiseCopyable, Sendable, Equatable {
        public var at: Timestamp
        /// Nil where it does not say.
        public var isRecording: Bool?

        public init(at: Timestamp, isRecording: Bool?) {
            self.at = at
            self.isRecording = isRecording
        }
    }

    /// By travel time instead of distance, where the district has it.
    private(set) var travel: TravelTable?
    private(set) var tie = Tie.idle
    private(set) var index: UnitIndex
    /// Moved since the index was last asked.
    private var unindexed: [Int] = []
    private var isUnindexed: [Bool]
    /// Number of the area where each unit is: −1 none, −2 not looked up since it moved.
    private var areaNumbers: [Int]

    // Each in an array of its own: the pass over all units reads only what it asks.
    var duties: [Duty], tasks: [String?], fixes: [Fix?], sentAt: [Timestamp?], cameras: [Camera?]
    private var dutySaid: [(by: String?, at: Timestamp?)]
    /// Units whose duty or task is not as it was at the last ``takeChanged(withFixes:)``, and those that have moved since.
    private var changed: Set<Int> = []
    private var movedUnits: [Int] = []
    private var hasMoved: [Bool]

    // Units that are alike in a question share its answer: the distinct shifts, areas and capabilities.
    let officerCounts: [Int32]
    /// Whether `tasks` has one, to be asked without counting references.
    var isBusy: [Bool]
    let kinds: [String], kindOf: [Int]
    let shifts: [HourRange?], areaLists: [[String]], capabilityLists: [Set<String>], authorityLists: [[String]]
    let shiftOf: [Int], areasOf: [Int], capabilitiesOf: [Int], authorityOf: [Int]

    public init(_ units: [ResponseUnit], zone: LocalZone, areas: AreaTree = .empty) {
        self.units = units
        self.zone = zone
        self.areas = areas
        numberOfID = Dictionary(units.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        numberOfDevice = Dictionary(
            units.enumerated().compactMap { number, unit in unit.device.map { ($0, number) } }, uniquingKeysWith: { first, _ in first })
        duties = Array(repeating: .shift, count: units.count)
        tasks = Array(repeating: nil, count: units.count)
        fixes = Array(repeating: nil, count: units.count)
        sentAt = Array(repeating: nil, count: units.count)
        cameras = Array(repeating: nil, count: units.count)
        index = UnitIndex(count: units.count)
        isUnindexed = Array(repeating: false, count: units.count)
        areaNumbers = Array(repeating: -2, count: units.count)
        isBusy = Array(repeating: false, count: units.count)
        officerCounts = units.map { Int32(clamping: $0.officers) }
        (kinds, kindOf) = UnitBoard.distinct(units.map(\.kind))
        hasMoved = Array(repeating: false, count: units.count)
        dutySaid = Array(repeating: (nil, nil), count: units.count)
        (shifts, shiftOf) = UnitBoard.distinct(units.map(\.shift))
        (areaLists, areasOf) = UnitBoard.distinct(units.map { $0.areas.sorted() })
        (capabilityLists, capabilitiesOf) = UnitBoard.distinct(units.map { Set($0.capabilities) })
        (authorityLists, authorityOf) = UnitBoard.distinct(units.map(\.authority))
    }

    private static func distinct<Value: Hashable>(_ values: [Value]) -> (kinds: [Value], of: [Int]) {
        var kinds: [Value] = []
        var numbers: [Value: Int] = [:]
        let of = values.map { value in
            if let number = numbers[value] { return number }
            numbers[value] = kinds.count
            kinds.append(value)
            return kinds.count - 1
        }
        return (kinds, of)
    }

    public var isEmpty: Bool { units.isEmpty }
    public func number(ofUnit id: String) -> Int? { numberOfID[id] }
    public func number(ofDevice id: String) -> Int? { numberOfDevice[id] }

    public func state(_ number: Int) -> State {
        var state = State()
        state.duty = duties[number]
        (state.dutyBy, state.dutyAt) = dutySaid[number]
        state.fix = fixes[number]
        state.camera = cameras[number]
        state.task = tasks[number]
        state.lastSentAt = sentAt[number]
        return state
    }

    /// Where a unit's device says it is; an older fix than the newest changes nothing. O(1), allocates nothing.
    public func moved(_ number: Int, to fix: Fix) {
        if let newest = fixes[number], newest.at > fix.at { return }
        place(number, fix)
        noteMoved(number)
    }

    private func place(_ number: Int, _ fix: Fix) {
        fixes[number] = fix
        areaNumbers[number] = -2
        if !isUnindexed[number] {
            isUnindexed[number] = true
            unindexed.append(number)
        }
    }

    func refreshIndex() {
        for number in unindexed {
            isUnindexed[number] = false
            if let fix = fixes[number] { index.move(number, to: fix.position) }
        }
        unindexed.removeAll(keepingCapacity: true)
    }

    /// The number of the area where a unit is, −1 for none.
    func areaOfUnit(_ number: Int) -> Int {
        if areaNumbers[number] == -2 { areaNumbers[number] = fixes[number].flatMap { areas.number(at: $0.position) } ?? -1 }
        return areaNumbers[number]
    }

    /// How the district compares units.
    func configure(_ settings: DispatchSettings) {
        travel = settings.travel.map { TravelTable($0, areas: areas, kinds: kinds) }
        tie = settings.tie
    }

    /// The heartbeat of a unit's camera; an older one than the newest changes nothing. O(1), allocates nothing.
    public func heard(_ number: Int, _ camera: Camera) {
        if let newest = cameras[number], newest.at > camera.at { return }
        cameras[number] = camera
        noteMoved(number)
    }

    private func noteMoved(_ number: Int) {
        if !hasMoved[number] {
            hasMoved[number] = true
            movedUnits.append(number)
        }
    }

    // MARK: Changes

    /// Takes a unit's state over as the store has it, its task aside: that follows from the tasks.
    public func restore(_ id: String, _ state: State) {
        guard let number = numberOfID[id] else { return }
        duties[number] = state.duty
        dutySaid[number] = (state.dutyBy, state.dutyAt)
        if let fix = state.fix, fixes[number].map({ $0.at < fix.at }) ?? true { place(number, fix) }
        if let camera = state.camera, cameras[number].map({ $0.at < camera.at }) ?? true { cameras[number] = camera }
        sentAt[number] = state.lastSentAt
    }

    public func setDuty(_ duty: Duty, of number: Int, by author: String, at: Timestamp) {
        duties[number] = duty
        dutySaid[number] = (author, at)
        changed.insert(number)
    }

    func occupy(_ id: String, with task: String, at: Timestamp?) {
        guard let number = numberOfID[id] else { return }
        tasks[number] = task
        isBusy[number] = true
        if let at { sentAt[number] = at }
        changed.insert(number)
    }

    func free(_ id: String, of task: String) {
        guard let number = numberOfID[id], tasks[number] == task else { return }
        tasks[number] = nil
        isBusy[number] = false
        changed.insert(number)
    }

    /// The numbers of the units whose duty or task is not as it was at the last call, and with fixes of those that have
    /// moved.
    public func takeChanged(withFixes: Bool) -> [Int] {
        var numbers = changed
        changed.removeAll(keepingCapacity: true)
        if withFixes {
            numbers.formUnion(movedUnits)
            for number in movedUnits { hasMoved[number] = false }
            movedUnits.removeAll(keepingCapacity: true)
        }
        return numbers.sorted()
    }

    public func markAllChanged() { changed.formUnion(units.indices) }

    public var hasChanged: Bool { !changed.isEmpty }

    /// Whether the unit works at that moment: what people have said last, or else its shift.
    public func isOnDuty(_ number: Int, at: Timestamp) -> Bool {
        switch duties[number] {
        case .on: true
        case .off: false
        case .shift: units[number].shift.map { $0.day(of: at, in: zone) != nil } ?? true
        }
    }
}
