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
    /// Whoever is so little farther than the nearest is as near; of these the fairest goes. Seconds where travel counts.
    public var fairMetres = 1.0, fairSeconds = 1.0
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
    /// The chosen one's travel time, where the district goes by it.
    public var seconds: Double?

    /// Candidates kept with a choice.
    public static let kept = 50

    /// `busy 3, stale_fix 2`.
    public var summary: String {
        Reason.allCases.filter { counts[Int($0.rawValue)] > 0 && $0 != .eligible }
            .map { "\($0.name) \(counts[Int($0.rawValue)])" }.joined(separator: ", ")
    }
}

extension UnitBoard {
    /// Who of several that are as good as the best goes.
    public enum Tie: String, Sendable, CaseIterable {
        /// The one that was sent longest ago.
        case idle
        /// The one that stands first in the file.
        case order
    }

    /// The nearest unit that can be sent, by distance or by travel time, and of the others why not.
    ///
    /// One pass says of each unit what stands in its way; the places near are found by ``UnitIndex``. O(units) with a few
    /// nanoseconds each, and the distances of those near.
    public func choose(_ demand: UnitDemand, at now: Timestamp) -> UnitChoice {
        refreshIndex()
        var choice = UnitChoice(candidates: [], counts: Array(repeating: 0, count: UnitChoice.Reason.allCases.count))
        choice.isWidened = demand.isWidened
        let (reasons, eligible) = judge(demand, at: now, counts: &choice.counts)
        let near = nearest(to: demand.position)
        let best = pick(eligible, reasons, near, demand)
        choice.chosen = best.map { units[$0.number].id }
        choice.seconds = travel == nil || demand.position == nil ? nil : best.map(\.cost)
        choice.candidates = near.map { entry in
            UnitChoice.Candidate(
                unit: units[entry.number].id, metres: entry.metres.isFinite ? entry.metres : nil,
                fixAgeMilliseconds: fixes[entry.number].map { now - $0.at }, reason: reasons[entry.number])
        }
        return choice
    }

    /// What stands in each unit's way, and those in whose way nothing stands.
    private func judge(
        _ demand: UnitDemand, at now: Timestamp, counts: inout [Int]
    ) -> (reasons: [UnitChoice.Reason], eligible: [Int]) {
        let worksInShift = shifts.map { $0.map { $0.day(of: now, in: zone) != nil } ?? true }
        let isEntitled = areaLists.map { demand.isWidened || entitles($0, demand.area) }
        let departments = demand.matter.flatMap { $0.entitled(in: demand.area, at: now, areas: areas) }
        let isAuthorised = authorityLists.map { list in departments.map { !$0.isDisjoint(with: list) } ?? true }
        let officers = Int32(clamping: demand.matter?.officers ?? 1)
        let isCapable = capabilityLists.map { demand.capabilities.isSubset(of: $0) }
        var tried: Set<Int> = []
        for id in demand.tried { if let number = number(ofUnit: id) { tried.insert(number) } }
        var reasons: [UnitChoice.Reason] = []
        reasons.reserveCapacity(units.count)
        var eligible: [Int] = []
        for number in units.indices {
            let reason: UnitChoice.Reason
            if !tried.isEmpty && tried.contains(number) {
                reason = .tried
            } else if duties[number] == .off {
                reason = .offDuty
            } else if duties[number] == .shift && !worksInShift[shiftOf[number]] {
                reason = .offShift
            } else if isBusy[number] {
                reason = .busy
            } else if !isEntitled[areasOf[number]] {
                reason = .area
            } else if !isAuthorised[authorityOf[number]] {
                reason = .authority
            } else if officerCounts[number] < officers {
                reason = .officers
            } else if !isCapable[capabilitiesOf[number]] {
                reason = .capability
            } else if let age = demand.cameraAgeMilliseconds, !isCameraOn(number, at: now, age: age) {
                reason = .camera
            } else if let fix = fixes[number] {
                let isFresh = now - fix.at <= demand.fixAgeMilliseconds
                reason = !isFresh ? .staleFix : (fix.accuracyMetres ?? 0) > demand.accuracyMetres ? .inaccurate : .eligible
            } else {
                reason = .noFix
            }
            counts[Int(reason.rawValue)] += 1
            reasons.append(reason)
            if reason == .eligible { eligible.append(number) }
        }
        return (reasons, eligible)
    }

    typealias Near = (number: Int, metres: Double)

    /// The nearest units whatever they are doing, by distance and number; those without a place last.
    private func nearest(to position: Position?) -> [Near] {
        var found: [Near] = []
        if let position {
            func visit(_ number: Int) { if let fix = fixes[number] { found.append((number, position.metres(to: fix.position))) } }
            let isComplete = index.search(around: position, visit) { bound in
                found.count >= UnitChoice.kept && found.count { $0.metres <= bound } >= UnitChoice.kept
            }
            if !isComplete {
                found.removeAll(keepingCapacity: true)
                for number in units.indices { visit(number) }
            }
            found.sort { ($0.metres, $0.number) < ($1.metres, $1.number) }
        }
        if found.count > UnitChoice.kept { found.removeLast(found.count - UnitChoice.kept) }
        for number in units.indices where found.count < UnitChoice.kept && (position == nil || fixes[number] == nil) {
            found.append((number, .infinity))
        }
        return found
    }

    /// Of those that can be sent the best, and what it costs: metres, or seconds of travel.
    private func pick(
        _ eligible: [Int], _ reasons: [UnitChoice.Reason], _ near: [Near], _ demand: UnitDemand
    ) -> (number: Int, cost: Double)? {
        if eligible.isEmpty { return nil }
        guard let position = demand.position else { return fairest(eligible.map { ($0, .infinity) }) }
        let reach = travel == nil ? demand.fairMetres : demand.fairSeconds
        let target = travel == nil ? nil : areas.number(ofCode: demand.area)
        func cost(_ number: Int) -> (number: Int, cost: Double) {
            let metres = fixes[number].map { position.metres(to: $0.position) } ?? .infinity
            return (number, travel?.seconds(from: areaOfUnit(number), kind: kindOf[number], to: target, metres: metres) ?? metres)
        }
        // Mostly the explanation's nearest hold it.
        if travel == nil, let first = near.first(where: { reasons[$0.number] == .eligible }), first.metres.isFinite {
            if near.count < UnitChoice.kept || near[near.count - 1].metres > first.metres + reach {
                return fairest(near.filter { reasons[$0.number] == .eligible && $0.metres <= first.metres + reach }.map { ($0.number, $0.metres) })
            }
        }
        var found: [(number: Int, cost: Double)] = []
        var least = Double.infinity
        if eligible.count > UnitBoard.few && travel?.hasTable != true {
            let pace = travel?.leastPace ?? 1
            let isComplete = index.search(around: position) { number in
                guard reasons[number] == .eligible else { return }
                found.append(cost(number))
                least = min(least, found[found.count - 1].cost)
            } isEnough: { bound in least + reach <= bound * pace }
            if isComplete { return fairest(found.filter { $0.cost <= least + reach }) }
            found.removeAll(keepingCapacity: true)
        }
        found = eligible.map(cost)
        least = found.reduce(.infinity) { min($0, $1.cost) }
        return fairest(found.filter { $0.cost <= least + reach })
    }

    /// So few are looked at one by one.
    private static let few = 200

    private func fairest(_ equal: [(number: Int, cost: Double)]) -> (number: Int, cost: Double)? {
        equal.min { a, b in
            let (left, right) = tie == .idle ? (sentAt[a.number]?.milliseconds ?? .min, sentAt[b.number]?.milliseconds ?? .min) : (0, 0)
            return left != right ? left < right : a.number < b.number
        }
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
