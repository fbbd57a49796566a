import Telemetry

/// One leaf in the form the hot path evaluates: flat, no references.
struct CompiledLeaf: BitwiseCopyable, Sendable {
    enum Subject: UInt8, BitwiseCopyable { case value, window, rate, changes, returns, silence, count, fence }
    enum Source: UInt8, BitwiseCopyable { case value, bit, officer, boot, impliedSpeed, jump, secondGateway, none }
    enum Test: UInt8, BitwiseCopyable { case above, below, equals, limit, fenceLimit, holds }
    enum Fold: UInt8, BitwiseCopyable { case leq, mean, max, min, percentile }

    var subject: Subject
    var source = Source.none
    var test: Test
    var fold = Fold.mean
    var index: Int32 = 0
    /// Where its words begin in the state's extent, and where those of its source do.
    var words: Int32 = 0
    var sourceWords: Int32 = 0
    /// `count`: its condition's operations.
    var firstOperation: Int32 = 0, operations: Int32 = 0
    /// Index into ``RuleSet/limitNames``.
    var limit: Int32 = -1
    /// Whether the values are maxima, which have a limit of their own.
    var isMaximum = false
    var clearsAtBound = true
    /// The bound, or the margin over a limit.
    var level = 0.0
    var clear = 0.0
    /// A window's twentieth; a rate's time; an absence in ms; periods missed as a negative number.
    var milliseconds: Int64 = 0
    var minimumCovered: Int64 = 0
    /// A millisecond's share of the window.
    var perMillisecond = 0.0
    /// Of a Leq over a number: with less energy it is not over, and has cleared.
    var quietEnergy = 0.0
    /// Of a `percentile`: percent of the time that the level is exceeded.
    var percent: Int64 = 0
    /// Index into ``RuleSet/backgrounds``.
    var background: Int32 = -1
    /// Index into ``RuleSet/fenceLeaves``.
    var fences: Int32 = -1
    /// Fixes less accurate say nothing.
    var accuracyMetres = 0.0
    /// `count` of what is over as soon as it has happened: each reading counts, not only the first of a row.
    var countsEach = false

    @inline(__always)
    func isOver(_ value: Double, _ bound: Double) -> Bool {
        switch test {
        case .above, .limit, .fenceLimit: value > bound
        case .below: value < bound
        case .equals: value == bound
        case .holds: value != 0
        }
    }

    @inline(__always)
    func isClear(_ value: Double, _ bound: Double) -> Bool {
        if clearsAtBound { return !isOver(value, bound) }
        return test == .below ? value > clear : value < clear
    }
}

/// A rule in the form the hot path evaluates: flat, no references.
struct CompiledRule: BitwiseCopyable, Sendable {
    /// Index into ``RuleSet/definitions``.
    let index: Int32
    let kind: Kind
    /// One leaf on a value of the reading itself and awake at all times: its state begins with an alert.
    var isPlain: Bool
    var isLatched: Bool
    var watchesSilence = false
    /// Nothing but silence: no reading can make it hold.
    var isSilenceOnly = false
    /// One leaf of silence, awake at all times.
    var isBareSilence = false
    var hasSchedule: Bool
    var isLifted: Bool
    var hasGroup: Bool
    var hasEscalation: Bool
    var hasInhibitor: Bool
    var hasRate: Bool
    /// One leaf, a Leq over a number: nobody asks for its value before it is over.
    var isOneLevel = false
    /// Sees nothing for now.
    var isSuspended = false
    /// Noise flags that put a reading aside.
    var flagMask: UInt16
    var firstLeaf: Int32
    var leaves: Int32
    var firstOperation: Int32
    var operations: Int32
    /// Words of its states' extent.
    var words: Int32
    var leading: Int32
    let holdMilliseconds: Int64
    let keepMilliseconds: Int64
    /// 0 where silence does not resolve.
    let resolveAfterMilliseconds: Int64
    let coolDownMilliseconds: Int64

    /// Whether a device's state must be kept while nothing is pending.
    var isStateful: Bool { !isPlain || coolDownMilliseconds > 0 }
}

/// A condition as operations on a stack: 0…15 a leaf, then `all` and `any` of so many and `not`.
enum Operation {
    static let all: UInt8 = 0x40, any: UInt8 = 0x80, not: UInt8 = 0xC0
}

/// The rules of one configuration, in the order of their files.
public struct RuleSet: Sendable {
    public let definitions: [RuleDefinition]
    public let hashes: [UInt64]
    let rules: [CompiledRule]
    let leaves: [CompiledLeaf]
    let operations: [UInt8]
    /// Standards that rules name.
    let limitNames: [String]
    let fenceLeaves: [FenceLeaf]
    /// Rules that inhibit come before those that they inhibit; else the order of the files.
    let order: [Int32]
    let inhibitors: [[Int32]]
    /// Reference meters: the rule that keeps each one's window.
    let backgrounds: [(device: String, rule: Int32)]

    /// - Parameter written: behind them stands a rule for each reference meter and window that they name, which keeps the
    ///   window and never raises an alert.
    public init(_ written: [RuleDefinition] = []) {
        var builder = RuleCompiler()
        var known: [Background] = []
        for leaf in written.flatMap(\.condition.leaves) {
            if let background = Background(leaf), !known.contains(background) { known.append(background) }
        }
        builder.backgrounds = known
        let definitions = written + known.map(\.rule)
        self.definitions = definitions
        backgrounds = known.enumerated().map { ($0.element.device, Int32(written.count + $0.offset)) }
        hashes = definitions.map(\.contentHash)
        rules = definitions.enumerated().map { builder.compile($0.element, index: Int32($0.offset)) }
        leaves = builder.leaves
        operations = builder.operations
        limitNames = builder.limitNames
        fenceLeaves = builder.fenceLeaves
        let numbers = Dictionary(definitions.enumerated().map { ($0.element.id, Int32($0.offset)) }) { first, _ in first }
        let inhibitors = definitions.map { $0.inhibitedBy.compactMap { numbers[$0] } }
        self.inhibitors = inhibitors
        var order: [Int32] = []
        var placed = Set<Int32>()
        func place(_ rule: Int32, _ depth: Int) {
            guard depth <= definitions.count, placed.insert(rule).inserted else { return }
            for other in inhibitors[Int(rule)] { place(other, depth + 1) }
            order.append(rule)
        }
        for rule in definitions.indices { place(Int32(rule), 0) }
        self.order = order
    }
}

extension RuleSet {
    /// Rules in at most so many parts of about the same size, each as indices in their order: rules that inhibit each other
    /// stay together. Alerts of one part say nothing to another.
    public static func independent(_ rules: [RuleDefinition], parts count: Int) -> [[Int]] {
        let numbers = Dictionary(rules.enumerated().map { ($0.element.id, $0.offset) }) { first, _ in first }
        var family = Array(rules.indices)
        for (index, rule) in rules.enumerated() {
            for other in rule.inhibitedBy.compactMap({ numbers[$0] }) {
                let (old, new) = (family[other], family[index])
                for number in family.indices where family[number] == old { family[number] = new }
            }
        }
        var parts: [[Int]] = Array(repeating: [], count: max(1, min(count, Set(family).count)))
        for members in Dictionary(grouping: rules.indices, by: { family[$0] }).values.sorted(by: { ($1.count, $0[0]) < ($0.count, $1[0]) }) {
            guard let least = parts.indices.min(by: { parts[$0].count < parts[$1].count }) else { continue }
            parts[least] += members
        }
        return parts.map { $0.sorted() }
    }
}

/// A reference meter and the length of its window.
struct Background: Equatable {
    let device: String
    let milliseconds: Int64

    init?(_ leaf: Leaf) {
        guard let device = leaf.background, case .window(_, _, let milliseconds) = leaf.subject else { return nil }
        self.device = device
        self.milliseconds = milliseconds
    }

    /// Keeps the window; no level is so high.
    var rule: RuleDefinition {
        let metric = RuleMetric.named("laeq", of: .noise)!
        var rule = RuleDefinition(
            id: "background/\(device)/\(durationText(milliseconds))", titleEnglish: "Background", titleChinese: "背景噪声", kind: .noise,
            condition: .leaf(Leaf(.window(metric, .leq, milliseconds: milliseconds), .above(1000))), holdMilliseconds: 0,
            severity: .info, taskKind: nil)
        rule.scope.devices = [device]
        return rule
    }
}

/// Definitions to flat programs.
struct RuleCompiler {
    var leaves: [CompiledLeaf] = []
    var operations: [UInt8] = []
    var limitNames: [String] = []
    var fenceLeaves: [FenceLeaf] = []
    var backgrounds: [Background] = []
    private var firstLeaf = 0
    private var words: Int32 = 0

    init() {}

    mutating func compile(_ definition: RuleDefinition, index: Int32) -> CompiledRule {
        firstLeaf = leaves.count
        words = 0
        let program = compile(definition.condition)
        let firstOperation = operations.count
        operations += program
        let own = leaves[firstLeaf...]
        let leading = own.firstIndex { $0.test != .holds } ?? firstLeaf
        let isAwake = definition.when == .always && definition.liftedBy.isEmpty
        let isPlain = own.count == 1 && own[firstLeaf].subject == .value && own[firstLeaf].limit < 0 && own[firstLeaf].test != .fenceLimit && isAwake
            && (own[firstLeaf].source == .value || own[firstLeaf].source == .bit)
        let isAboutLevels = definition.condition.leaves.contains { leaf in
            if case .count(let inner, _) = leaf.subject { return inner.leaves.contains { $0.metric?.isLevel ?? false } }
            return leaf.metric?.isLevel ?? false
        }
        var rule = CompiledRule(
            index: index, kind: definition.kind, isPlain: isPlain, isLatched: definition.isLatched,
            hasSchedule: definition.when != .always, isLifted: !definition.liftedBy.isEmpty,
            hasGroup: definition.group != nil, hasEscalation: !definition.escalations.isEmpty,
            hasInhibitor: !definition.inhibitedBy.isEmpty, hasRate: definition.maximumRate != nil,
            flagMask: isAboutLevels && !definition.countsFlagged ? 0b1111 : 0, firstLeaf: Int32(firstLeaf),
            leaves: Int32(own.count), firstOperation: Int32(firstOperation), operations: Int32(program.count), words: words,
            leading: Int32(leading - firstLeaf), holdMilliseconds: definition.holdMilliseconds,
            keepMilliseconds: definition.keepFiringMilliseconds,
            resolveAfterMilliseconds: definition.resolveAfterMilliseconds ?? 0,
            coolDownMilliseconds: definition.coolDownMilliseconds)
        rule.watchesSilence = own.contains { $0.subject == .silence }
        rule.isSilenceOnly = own.allSatisfy { $0.subject == .silence }
        rule.isOneLevel = own.count == 1 && program.count == 1 && own[firstLeaf].quietEnergy > 0
        rule.isBareSilence = rule.isSilenceOnly && own.count == 1 && program.count == 1 && isAwake
        return rule
    }

    private mutating func compile(_ condition: Condition) -> [UInt8] {
        switch condition {
        case .all(let parts): return parts.flatMap { compile($0) } + [Operation.all | UInt8(parts.count)]
        case .any(let parts): return parts.flatMap { compile($0) } + [Operation.any | UInt8(parts.count)]
        case .not(let part): return compile(part) + [Operation.not]
        case .leaf(let leaf):
            add(leaf)
            return [UInt8(leaves.count - 1 - firstLeaf)]
        }
    }

    private mutating func take(_ count: Int32) -> Int32 {
        defer { words += count }
        return words
    }

    private mutating func add(_ leaf: Leaf) {
        var compiled: CompiledLeaf
        switch leaf.subject {
        case .metric(let metric):
            compiled = CompiledLeaf(subject: .value, test: .holds)
            source(metric, &compiled)
            compiled.isMaximum = metric.name == "lmax"
        case .window(let metric, let aggregate, let milliseconds):
            compiled = CompiledLeaf(subject: .window, test: .holds)
            source(metric, &compiled)
            compiled.fold =
                switch aggregate {
                case .leq: .leq
                case .mean: .mean
                case .max: .max
                case .min: .min
                case .l10, .l90: .percentile
                }
            compiled.percent = aggregate.percent ?? 0
            compiled.isMaximum = metric.name == "lmax"
            compiled.milliseconds = milliseconds / 20
            compiled.background = Int32(Background(leaf).flatMap { backgrounds.firstIndex(of: $0) } ?? -1)
            compiled.perMillisecond = 1 / Double(milliseconds)
            compiled.minimumCovered = Int64((Double(milliseconds) * leaf.minimumCoverage).rounded(.up))
            compiled.words = take(aggregate.percent == nil ? Window.words : LevelWindow.words(step: milliseconds / 20))
        case .rate(let metric, let per):
            compiled = CompiledLeaf(subject: .rate, test: .holds)
            source(metric, &compiled)
            compiled.milliseconds = per
            compiled.words = take(2)
        case .changes(let metric), .returns(let metric):
            var isReturn = false
            if case .returns = leaf.subject { isReturn = true }
            compiled = CompiledLeaf(subject: isReturn ? .returns : .changes, test: .holds)
            source(metric, &compiled)
            compiled.words = take(3)
        case .absence(let milliseconds):
            compiled = CompiledLeaf(subject: .silence, test: .holds)
            compiled.milliseconds = milliseconds
        case .missed(let periods):
            compiled = CompiledLeaf(subject: .silence, test: .holds)
            compiled.milliseconds = -Int64(periods)
        case .count(let inner, let milliseconds):
            let program = compile(inner)
            compiled = CompiledLeaf(subject: .count, test: .holds)
            compiled.firstOperation = Int32(operations.count)
            compiled.operations = Int32(program.count)
            operations += program
            compiled.milliseconds = milliseconds / 20
            compiled.words = take(Window.words)
            compiled.countsEach = inner.leaves.allSatisfy { leaf in
                switch leaf.subject {
                case .changes, .returns: true
                case .fence(let fence): fence.relation == .entered || fence.relation == .left
                default: false
                }
            }
        case .fence(let fence):
            compiled = CompiledLeaf(subject: .fence, test: .holds)
            compiled.milliseconds = fence.debounceMilliseconds
            compiled.accuracyMetres = fence.accuracyMetres
            compiled.words = take(2)
            compiled.fences = Int32(fenceLeaves.count)
            fenceLeaves.append(fence)
        }
        switch leaf.test {
        case .above(let level): (compiled.test, compiled.level) = (.above, level)
        case .below(let level): (compiled.test, compiled.level) = (.below, level)
        case .equals(let level): (compiled.test, compiled.level) = (.equals, level)
        case .aboveLimit(let standard, let margin):
            (compiled.test, compiled.level) = (.limit, margin)
            if let known = limitNames.firstIndex(of: standard) {
                compiled.limit = Int32(known)
            } else {
                compiled.limit = Int32(limitNames.count)
                limitNames.append(standard)
            }
        case .aboveFenceLimit(let margin): (compiled.test, compiled.level) = (.fenceLimit, margin)
        case .holds: break
        }
        compiled.clearsAtBound = leaf.clear == nil
        compiled.clear = leaf.clear ?? compiled.level
        if compiled.fold == .leq && compiled.subject == .window && compiled.test == .above {
            // Less than the rounding of the level.
            compiled.quietEnergy = energy(ofLevel: min(compiled.level, compiled.clear) - 0.01)
        } else if compiled.fold == .leq && compiled.subject == .window && compiled.test == .limit && compiled.clearsAtBound {
            // That of the limit which holds then.
            compiled.quietEnergy = .infinity
        }
        leaves.append(compiled)
    }

    private mutating func source(_ metric: RuleMetric, _ leaf: inout CompiledLeaf) {
        switch metric.source {
        case .value(let index): (leaf.source, leaf.index) = (.value, Int32(index))
        case .bit(let bit): (leaf.source, leaf.index) = (.bit, Int32(bit))
        case .text(.officer): leaf.source = .officer
        case .text(.boot): leaf.source = .boot
        case .impliedSpeed: (leaf.source, leaf.sourceWords) = (.impliedSpeed, take(3))
        case .jump: (leaf.source, leaf.sourceWords) = (.jump, take(3))
        case .secondGateway: leaf.source = .secondGateway
        }
    }
}
