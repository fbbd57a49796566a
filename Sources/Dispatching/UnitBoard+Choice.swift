public import Telemetry

/// What a task asks of a unit.
public struct UnitDemand: Sendable, Equatable {
    public var position: Position?
    public var area: String
    public var capabilities: Set<String> = []
    /// What it is about, where the district's catalogue has it.
    public var matter: Matter?
    /// A camera heard so long ago does not work; nil where none is asked for.
    public var cameraAgeMilliseconds: Int64?
    /// Units that were asked already.
    public var tried: [String] = []
    public var fixAgeMilliseconds: Int64 = 120_000
    public var accuracyMetres = 100.0
    /// Asks units of other areas too.
    public var isWidened = false

    public init(position: Position?, area: String) {
        self.position = position
        self.area = area
    }
}

/// Which unit was chosen, and why no other.
public struct UnitChoice: Sendable, Equatable {
    public enum Reason: UInt8, Sendable, CaseIterable {
        case eligible, tried, offDuty, offShift, busy, area, authority, officers, capability, camera, noFix, staleFix, inaccurate, tooFar

        public var name: String {
            [
                "eligible", "tried", "off_duty", "off_shift", "busy", "other_area", "no_authority", "too_few_officers",
                "no_capability", "camera_off", "no_fix", "stale_fix", "inaccurate", "too_far",
            ][Int(rawValue)]
        }
    }

    public struct Candidate: Sendable, Equatable {
        public var unit: String
        /// Nil where the unit or the task has no place.
        public var metres: Double?
        public var fixAgeMilliseconds: Int64?
        public var reason: Reason
    }

    public var chosen: String?
    /// The nearest units, eligible or not.
    public var candidates: [Candidate]
    /// All units by what stood in their way.
    public var counts: [Int]
    public var isWidened = false

    /// Candidates kept with a choice.
    public static let kept = 50

    /// `busy 3, stale_fix 2`.
    public var summary: String {
        Reason.allCases.filter { counts[Int($0.rawValue)] > 0 && $0 != .eligible }
            .map { "\($0.name) \(counts[Int($0.rawValue)])" }.joined(separator: ", ")
    }
}

extension UnitBoard {
    /// The nearest unit that can be sent, and of the others why not. Of two at the same distance (to the metre) the one
    /// that was sent longer ago, then the one that stands first in the file. O(units).
    public func choose(_ demand: UnitDemand, at now: Timestamp) -> UnitChoice {
        let worksInShift = shifts.map { $0.map { $0.day(of: now, in: zone) != nil } ?? true }
        let isEntitled = areaLists.map { demand.isWidened || entitles($0, demand.area) }
        let departments = demand.matter.flatMap { $0.entitled(in: demand.area, at: now, areas: areas) }
        let isAuthorised = authorityLists.map { list in departments.map { !$0.isDisjoint(with: list) } ?? true }
        let officers = demand.matter?.officers ?? 1
        let isCapable = capabilityLists.map { demand.capabilities.isSubset(of: $0) }
        var triedNumbers: Set<Int> = []
        for id in demand.tried { if let number = number(ofUnit: id) { triedNumbers.insert(number) } }

        var choice = UnitChoice(candidates: [], counts: Array(repeating: 0, count: UnitChoice.Reason.allCases.count))
        choice.isWidened = demand.isWidened
        var nearest = NearestFew(capacity: UnitChoice.kept)
        var best: (number: Int, metres: Double, sent: Int64)?
        for number in units.indices {
            let reason: UnitChoice.Reason
            let fix = fixes[number]
            if !triedNumbers.isEmpty && triedNumbers.contains(number) {
                reason = .tried
            } else if duties[number] == .off {
                reason = .offDuty
            } else if duties[number] == .shift && !worksInShift[shiftOf[number]] {
                reason = .offShift
            } else if tasks[number] != nil {
                reason = .busy
            } else if !isEntitled[areasOf[number]] {
                reason = .area
            } else if !isAuthorised[authorityOf[number]] {
                reason = .authority
            } else if officers > 1 && units[number].officers < officers {
                reason = .officers
            } else if !isCapable[capabilitiesOf[number]] {
                reason = .capability
            } else if let age = demand.cameraAgeMilliseconds, !isCameraOn(number, at: now, age: age) {
                reason = .camera
            } else if let fix {
                let isFresh = now - fix.at <= demand.fixAgeMilliseconds
                reason = !isFresh ? .staleFix : (fix.accuracyMetres ?? 0) > demand.accuracyMetres ? .inaccurate : .eligible
            } else {
                reason = .noFix
            }
            choice.counts[Int(reason.rawValue)] += 1
            let metres = fix.flatMap { fix in demand.position.map { $0.metresNearby(to: fix.position) } } ?? .infinity
            nearest.offer(number, metres, reason)
            guard reason == .eligible else { continue }
            let sent = sentAt[number]?.milliseconds ?? .min
            if best.map({ UnitBoard.isBetter((metres, sent), than: ($0.metres, $0.sent)) }) ?? true { best = (number, metres, sent) }
        }
        choice.chosen = best.map { units[$0.number].id }
        choice.candidates = nearest.sorted().map { entry in
            let fix = fixes[entry.number]
            return UnitChoice.Candidate(
                unit: units[entry.number].id, metres: entry.metres.isFinite ? entry.metres : nil,
                fixAgeMilliseconds: fix.map { now - $0.at }, reason: entry.reason)
        }
        return choice
    }

    private static func isBetter(_ a: (metres: Double, sent: Int64), than b: (metres: Double, sent: Int64)) -> Bool {
        let (left, right) = (a.metres.rounded(), b.metres.rounded())
        return left != right ? left < right : a.sent < b.sent
    }

    /// Whether one of the unit's areas holds the task's; a unit without areas is entitled everywhere.
    private func entitles(_ codes: [String], _ area: String) -> Bool {
        codes.isEmpty || codes.contains { UnitBoard.isWithin(area, $0, areas) }
    }

    /// Whether an area lies in another, by the tree where there is one.
    static func isWithin(_ area: String, _ other: String, _ areas: AreaTree) -> Bool {
        areas.isEmpty ? area.hasPrefix(Area.shortCode(other)) : areas.isIn(area, other)
    }

    private func isCameraOn(_ number: Int, at now: Timestamp, age: Int64) -> Bool {
        cameras[number].map { now - $0.at <= age && $0.isRecording != false } ?? false
    }

    /// Why a unit may not act on a matter at a place, whatever else; nil where it may.
    func obstacle(_ number: Int, _ matter: Matter, area: String, at: Timestamp) -> String? {
        if let departments = matter.entitled(in: area, at: at, areas: areas), departments.isDisjoint(with: units[number].authority) {
            return "has no authority for \(matter.code) in \(area)"
                + (departments.isEmpty ? ": nobody was given it" : ", which \(departments.sorted().joined(separator: ", ")) has")
        }
        let count = units[number].officers
        return count < matter.officers ? "has \(count) officers, \(matter.code) asks for \(matter.officers)" : nil
    }
}

/// The nearest few of many, in one pass: a heap whose first is the farthest of those kept.
struct NearestFew {
    typealias Entry = (number: Int, metres: Double, reason: UnitChoice.Reason)
    private let capacity: Int
    private var heap: [Entry] = []

    init(capacity: Int) {
        self.capacity = capacity
        heap.reserveCapacity(capacity)
    }

    /// By distance, then by number.
    private static func isFarther(_ a: Entry, _ b: Entry) -> Bool { a.metres != b.metres ? a.metres > b.metres : a.number > b.number }

    @inline(__always)
    mutating func offer(_ number: Int, _ metres: Double, _ reason: UnitChoice.Reason) {
        if heap.count == capacity {
            // Numbers come in rising order, so that of equal distances the earlier stays.
            if metres >= heap[0].metres { return }
            replaceFirst((number, metres, reason))
        } else {
            heap.append((number, metres, reason))
            var index = heap.count - 1
            while index > 0, NearestFew.isFarther(heap[index], heap[(index - 1) / 2]) {
                heap.swapAt(index, (index - 1) / 2)
                index = (index - 1) / 2
            }
        }
    }

    private mutating func replaceFirst(_ entry: Entry) {
        heap[0] = entry
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < heap.count else { return }
            if child + 1 < heap.count, NearestFew.isFarther(heap[child + 1], heap[child]) { child += 1 }
            guard NearestFew.isFarther(heap[child], heap[index]) else { return }
            heap.swapAt(index, child)
            index = child
        }
    }

    func sorted() -> [Entry] { heap.sorted { NearestFew.isFarther($1, $0) } }
}
