public import Telemetry

/// What a rule makes of a device now, for people.
public struct RuleExplanation: Sendable {
    public struct Line: Sendable {
        /// As it would stand in a rule file.
        public var leaf: String
        /// Nil where nothing is known.
        public var value: Double?
        public var bound: Double?
        /// Of a window, 0 to 1.
        public var coverage: Double?
        public var holds: Bool
        public var isKnown: Bool
    }

    public var rule: Int
    /// `asleep` by its schedule, `lifted` by a permit, `unseen` where no reading has come yet, else the alert's phase.
    public var phase: String
    public var startedAt: Timestamp?
    public var firedAt: Timestamp?
    public var wakesAt: Timestamp?
    public var lines: [Line] = []
    /// A rule that fires at the device and holds this one back.
    public var inhibitor: String?
}

extension AlertEngine {
    /// Every rule that applies to a device, as of a moment that ``advance(to:)`` has reached.
    public func explain(device: UInt32, at moment: Timestamp) -> [RuleExplanation] {
        guard Int(device) < entryCount else { return [] }
        let entry = unsafe entries[Int(device)]
        let list = list(of: entry)
        return (0..<Int(list.count)).map { place in
            let rule = unsafe ruleTable[Int(rule(at: place, list))]
            var result = RuleExplanation(rule: Int(rule.index), phase: "unseen")
            let awake = awake(rule, entry, at: moment)
            if !awake.isActive {
                let wake = unsafe wakes[Int(rule.index)]
                let isAsleep = rule.hasSchedule && !wake.isActive
                result.phase = isAsleep ? "asleep" : "lifted"
                result.wakesAt = awake.ends < .distantFuture ? awake.ends : nil
            }
            let slot = slot(at: place, entry)
            guard slot >= 0 else {
                if rule.isPlain { result.phase = "inactive" }
                return result
            }
            let state = states[slot]
            if awake.isActive { result.phase = state.phase == .firing ? "firing" : state.phase == .pending ? "pending" : "inactive" }
            if state.phase != .inactive { result.startedAt = state.startedAt }
            if state.phase == .firing { result.firedAt = state.firedAt }
            result.lines = lines(slot, rule, state, since: awake.since)
            if state.phase == .pending {
                result.inhibitor = rules.inhibitors[Int(rule.index)].first {
                    let other = self.slot(of: $0, device)
                    return other >= 0 && states[other].phase == .firing
                }.map { rules.definitions[Int($0)].id }
            }
            return result
        }
    }

    private func lines(
        _ slot: Int32, _ rule: CompiledRule, _ state: RuleState, since: Timestamp
    ) -> [RuleExplanation.Line] {
        (0..<Int(rule.leaves)).map { number in
            let leaf = unsafe leafTable[Int(rule.firstLeaf) + number]
            let bit = UInt16(1) << UInt16(number)
            let isLeading = number == Int(rule.leading)
            var line = RuleExplanation.Line(
                leaf: "\(leaf.subject)", value: nil, bound: nil, coverage: nil, holds: state.over & bit != 0,
                isKnown: rule.isPlain || state.known & bit != 0)
            if rule.isPlain { line.holds = state.phase != .inactive }
            if isLeading && state.bound.isFinite && leaf.test != .holds { line.bound = state.bound }
            if isLeading && state.phase != .inactive { line.value = state.value }
            if leaf.subject == .window {
                var from = since
                if leaf.test == .limit { from = max(from, night.state.from) }
                let extent = unsafe words.words(state.extent + leaf.words)
                let folded = unsafe leaf.fold == .percentile
                    ? LevelWindow(extent, step: leaf.milliseconds).level(exceeded: leaf.percent, since: from, scratch: levelScratch)
                    : Window(extent, step: leaf.milliseconds).fold(leaf.fold, since: from)
                line.coverage = min(1, Double(folded.covered) / Double(leaf.milliseconds * 20))
                if folded.covered > 0 {
                    let value = leaf.fold == .leq ? level(ofEnergy: folded.value) : folded.value
                    line.value = (value * 100).rounded() / 100
                }
            }
            return line
        }
    }
}
