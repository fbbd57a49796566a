import Rules
import Telemetry
import Yams

/// The condition of a rule. Every problem is told at its place.
struct ConditionReader {
    let kind: Kind
    let reader: YAMLReader
    /// What other files of the settings define; nil leaves names unchecked.
    let world: World?

    /// The outermost condition and its `for`.
    func read(_ node: Node) -> (condition: Condition, holdMilliseconds: Int64)? {
        let members = reader.mapping(node, "a condition", known: RuleLanguage.condition.names)
        let hold = reader.duration(members["for"], "for") ?? 0
        guard let condition = read(members, node, depth: 0, isNegated: false) else { return nil }
        if condition.leaves.count > Condition.maximumLeaves {
            reader.problem("a rule has at most \(Condition.maximumLeaves) leaves, not \(condition.leaves.count)", at: node)
            return nil
        }
        let percentiles = condition.leaves.filter { if case .window(_, let value, _) = $0.subject { value == .l10 || value == .l90 } else { false } }
        if percentiles.count > 1 {
            reader.problem("a rule has at most one window of l10 or l90", at: node)
            return nil
        }
        return (condition, hold)
    }

    private func nested(_ node: Node, depth: Int, isNegated: Bool) -> Condition? {
        let members = reader.mapping(node, "a condition", known: RuleLanguage.condition.names)
        if let inner = members["for"] {
            reader.problem("'for' belongs to the outermost condition", at: inner)
        }
        return read(members, node, depth: depth, isNegated: isNegated)
    }

    private static let subjects = [
        "all", "any", "not", "metric", "rate", "changes", "returns", "absent_for", "missed_heartbeats", "count", "inside",
        "outside", "entered", "left",
    ]

    private func read(_ members: [String: Node], _ node: Node, depth: Int, isNegated: Bool) -> Condition? {
        guard depth < Condition.maximumDepth else {
            reader.problem("conditions stand in at most \(Condition.maximumDepth) others", at: node)
            return nil
        }
        let found = ConditionReader.subjects.filter { members[$0] != nil }
        guard let subject = found.first, let value = members[subject] else {
            if case .mapping = node {
                // The smallest rule has a metric: that is what is missing most often.
                reader.problem("a condition needs the key 'metric'", at: node)
            }
            return nil
        }
        guard found.count == 1 else {
            reader.problem(
                "a condition has one of \(found.map { "'\($0)'" }.joined(separator: " and ")); put both under 'all' or 'any'",
                at: members[found[1]])
            return nil
        }
        switch subject {
        case "all", "any":
            guard case .sequence(let list) = value, !list.isEmpty else {
                reader.problem("'\(subject)' is a list of conditions", at: value)
                return nil
            }
            refuse(members, but: ["for", subject])
            let parts = list.map { nested($0, depth: depth + 1, isNegated: isNegated) }
            guard !parts.contains(where: { $0 == nil }) else { return nil }
            return subject == "all" ? .all(parts.compactMap { $0 }) : .any(parts.compactMap { $0 })
        case "not":
            refuse(members, but: ["for", "not"])
            return nested(value, depth: depth + 1, isNegated: true).map { .not($0) }
        default:
            return leaf(subject, value, members, node, depth: depth, isNegated: isNegated).map { .leaf($0) }
        }
    }

    /// Keys that have no meaning beside the subject.
    private func refuse(_ members: [String: Node], but allowed: [String]) {
        for name in RuleLanguage.condition.names where !allowed.contains(name) {
            if let node = members[name] { reader.problem("'\(name)' has no meaning here", at: node) }
        }
    }

    // MARK: Leaves

    private func leaf(
        _ subject: String, _ value: Node, _ members: [String: Node], _ node: Node, depth: Int, isNegated: Bool
    ) -> Leaf? {
        if isNegated {
            for name in ["clear_below", "clear_above"] {
                if let node = members[name] { reader.problem("'\(name)' has no meaning under 'not'", at: node) }
            }
        }
        switch subject {
        case "metric":
            guard let metric = metric(value, allowsText: false) else { return nil }
            guard members["window"] != nil else {
                refuse(members, but: ["for", "metric", "above", "below", "equals", "limit", "margin", "clear_below", "clear_above"])
                return tested(.metric(metric), metric, members, node)
            }
            return window(metric, members, node)
        case "rate":
            refuse(members, but: ["for", "rate", "per", "above", "below", "clear_below", "clear_above"])
            guard let metric = metric(value, allowsText: false) else { return nil }
            let per = reader.duration(members["per"], "per") ?? 60_000
            if per <= 0 { reader.problem("per is longer than nothing", at: members["per"]) }
            return tested(.rate(metric, perMilliseconds: per), nil, members, node)
        case "changes", "returns":
            refuse(members, but: ["for", subject])
            guard let metric = metric(value, allowsText: true) else { return nil }
            return Leaf(subject == "changes" ? .changes(metric) : .returns(metric), .holds)
        case "absent_for":
            refuse(members, but: ["for", subject])
            guard let time = reader.duration(value, subject) else { return nil }
            if time < 1000 { reader.problem("absent_for is at least 1s", at: value) }
            return Leaf(.absence(milliseconds: time), .holds)
        case "missed_heartbeats":
            refuse(members, but: ["for", subject])
            return whole(value, subject, 1...10_000).map { Leaf(.missed($0), .holds) }
        case "count": return count(value, members, node, depth: depth)
        case "inside", "outside", "entered", "left": return fence(subject, value, members)
        default: return nil
        }
    }

    private func metric(_ node: Node, allowsText: Bool) -> RuleMetric? {
        let known = RuleMetric.all(of: kind).filter { allowsText || !$0.isText }
        guard let name = reader.choice(node, "metric of \(kind.name)", known.map(\.name)) else { return nil }
        return known.first { $0.name == name }
    }

    private func window(_ metric: RuleMetric, _ members: [String: Node], _ node: Node) -> Leaf? {
        refuse(
            members,
            but: ["for", "metric", "window", "value", "above", "below", "limit", "margin", "clear_below", "clear_above", "coverage", "background"])
        let before = reader.problems.count
        let length = windowLength(members["window"])
        let allowed = Aggregate.allCases.filter { aggregate in
            switch aggregate {
            case .leq: metric.isLevel
            case .mean: !metric.isLevel
            case .max, .min: true
            case .l10, .l90: metric.name == "laeq"
            }
        }
        var aggregate = metric.isLevel ? (metric.name == "lmax" ? Aggregate.max : metric.name == "lmin" ? .min : .leq) : .mean
        if let name = reader.choice(members["value"], "value of a window of \(metric.name)", allowed.map(\.rawValue)) {
            aggregate = Aggregate(rawValue: name) ?? aggregate
        }
        if aggregate == .l10 || aggregate == .l90, let length, length > 3_600_000 {
            reader.problem("a window of \(aggregate.rawValue) is 1h at most", at: members["window"])
        }
        let background = reader.text(members["background"], "background")
        if let node = members["background"], metric.name != "laeq" || aggregate != .leq {
            reader.problem("'background' belongs to a leq window of laeq", at: node)
        }
        var coverage = Leaf.defaultCoverage
        if let node = members["coverage"], let percent = reader.number(node, "coverage") {
            if !(0...100).contains(percent) { reader.problem("coverage is from 0 to 100 percent, not \(percent)", at: node) }
            coverage = percent / 100
        }
        guard reader.problems.count == before, let length else { return nil }
        guard var leaf = tested(.window(metric, aggregate, milliseconds: length), metric, members, node) else { return nil }
        leaf.minimumCoverage = coverage
        leaf.background = background
        return leaf
    }

    private func windowLength(_ node: Node?) -> Int64? {
        guard let length = reader.duration(node, "window") else { return nil }
        guard (1000...86_400_000).contains(length), length % 20 == 0 else {
            reader.problem("a window is from 1s to 24h and slides in whole milliseconds: a multiple of 20ms", at: node)
            return nil
        }
        return length
    }

    private func fence(_ relation: String, _ value: Node, _ members: [String: Node]) -> Leaf? {
        refuse(members, but: ["for", relation, "after", "accuracy"])
        guard let relation = FenceLeaf.Relation(rawValue: relation) else { return nil }
        if kind == .noise {
            reader.problem("a noise meter stands still: fences are for vehicles and cameras, 'where' for meters", at: value)
        }
        let fences = reader.texts(value, relation.rawValue).map { text, node in
            if let world { reader.check(fence: text, at: node, in: world) }
            return text
        }
        let after = reader.duration(members["after"], "after") ?? 0
        let accuracy = members["accuracy"].flatMap { reader.metres($0, "accuracy") } ?? 50
        guard !fences.isEmpty else { return nil }
        return Leaf(.fence(FenceLeaf(relation, fences, debounceMilliseconds: after, accuracyMetres: accuracy)), .holds)
    }

    private func count(_ value: Node, _ members: [String: Node], _ node: Node, depth: Int) -> Leaf? {
        refuse(members, but: ["for", "count", "window", "above", "below", "clear_below", "clear_above"])
        guard members["window"] != nil else {
            reader.problem("'count' needs the key 'window'", at: node)
            return nil
        }
        let length = windowLength(members["window"])
        guard let inner = nested(value, depth: depth + 1, isNegated: true) else { return nil }
        for leaf in inner.leaves {
            switch leaf.subject {
            case .metric, .rate, .changes, .returns, .fence: break
            case .window, .absence, .missed, .count:
                reader.problem("'count' counts conditions on a reading, not windows, absence or counts", at: value)
                return nil
            }
        }
        guard let length else { return nil }
        return tested(.count(inner, milliseconds: length), nil, members, node)
    }

    /// The leaf with its test; `metric` where the values are the metric's own and have its range.
    private func tested(_ subject: Leaf.Subject, _ metric: RuleMetric?, _ members: [String: Node], _ node: Node) -> Leaf? {
        let tests = ["above", "below", "equals", "limit"].filter { members[$0] != nil }
        guard let name = tests.first, let value = members[name] else {
            reader.problem("a condition needs 'above' or 'below'", at: node)
            return nil
        }
        guard tests.count == 1 else {
            reader.problem("a condition has '\(tests[0])' or '\(tests[1])', not both", at: members[tests[1]])
            return nil
        }
        let before = reader.problems.count
        if name != "limit", let margin = members["margin"] { reader.problem("'margin' belongs to 'limit'", at: margin) }
        var leaf: Leaf?
        switch name {
        case "above": leaf = reader.number(value, name).map { Leaf(subject, .above($0)) }
        case "below": leaf = reader.number(value, name).map { Leaf(subject, .below($0)) }
        case "equals": leaf = equals(value, subject)
        default: leaf = limit(value, subject, metric, members)
        }
        guard var leaf, reader.problems.count == before else { return nil }
        if let metric { checkRange(metric, leaf.test, value) }
        leaf.clear = clear(leaf.test, members)
        return reader.problems.count == before ? leaf : nil
    }

    private func equals(_ node: Node, _ subject: Leaf.Subject) -> Leaf? {
        switch node.string {
        case "true": Leaf(subject, .equals(1))
        case "false": Leaf(subject, .equals(0))
        default: reader.number(node, "equals").map { Leaf(subject, .equals($0)) }
        }
    }

    private func limit(_ node: Node, _ subject: Leaf.Subject, _ metric: RuleMetric?, _ members: [String: Node]) -> Leaf? {
        if node.string == "fence", let metric, metric.unit == "km/h", case .metric = subject {
            return Leaf(subject, .aboveFenceLimit(margin: reader.number(members["margin"], "margin") ?? 0))
        }
        guard let metric, metric.isLevel else {
            reader.problem("limits are for sound levels, and 'limit: fence' for speeds", at: node)
            return nil
        }
        guard let standard = reader.text(node, "limit") else { return nil }
        let margin = reader.number(members["margin"], "margin") ?? 0
        if let world, world.limits[standard] == nil {
            reader.problem("there is no standard '\(standard)' in the limits\(hint(standard, among: world.limits.standards.map(\.id)))", at: node)
        }
        return Leaf(subject, .aboveLimit(standard: standard, margin: margin))
    }

    private func checkRange(_ metric: RuleMetric, _ test: Leaf.Test, _ node: Node) {
        let range = metric.range
        let isImpossible: Bool
        let words: String
        switch test {
        case .above(let level): (isImpossible, words) = (level >= range.upperBound || level < range.lowerBound, "above \(level)")
        case .below(let level): (isImpossible, words) = (level <= range.lowerBound || level > range.upperBound, "below \(level)")
        case .equals(let level): (isImpossible, words) = (!range.contains(level), "equal to \(level)")
        case .aboveLimit, .aboveFenceLimit, .holds: return
        }
        if isImpossible {
            reader.problem(
                "no \(metric.name) is \(words): it goes from \(range.lowerBound) to \(range.upperBound) \(metric.unit)", at: node)
        }
    }

    private func clear(_ test: Leaf.Test, _ members: [String: Node]) -> Double? {
        let below = reader.number(members["clear_below"], "clear_below")
        let above = reader.number(members["clear_above"], "clear_above")
        switch test {
        case .above(let level):
            if members["clear_above"] != nil {
                reader.problem("'above' clears with 'clear_below'", at: members["clear_above"])
            }
            if let below, below > level {
                reader.problem("clear_below \(below) is over the level \(level): it would clear at once", at: members["clear_below"])
            }
            return below
        case .below(let level):
            if members["clear_below"] != nil {
                reader.problem("'below' clears with 'clear_above'", at: members["clear_below"])
            }
            if let above, above < level {
                reader.problem("clear_above \(above) is under the level \(level): it would clear at once", at: members["clear_above"])
            }
            return above
        case .equals, .aboveLimit, .aboveFenceLimit, .holds:
            for name in ["clear_below", "clear_above"] {
                if let node = members[name] { reader.problem("'\(name)' belongs to 'above' and 'below'", at: node) }
            }
            return nil
        }
    }

    private func whole(_ node: Node, _ what: String, _ range: ClosedRange<Int>) -> Int? {
        reader.whole(node, what, range)
    }
}

extension YAMLReader {
    /// `500m`, `2km`, in metres.
    func metres(_ node: Node, _ what: String) -> Double? {
        guard let text = text(node, what) else { return nil }
        for (unit, scale) in [("km", 1000.0), ("m", 1.0)] where text.hasSuffix(unit) {
            if let value = Double(text.dropLast(unit.count)), value > 0, value * scale <= 1_000_000 { return value * scale }
        }
        problem("\(what) is a distance such as 500m or 2km, not '\(text)'", at: node)
        return nil
    }

    /// A whole number of a range.
    func whole(_ node: Node?, _ what: String, _ range: ClosedRange<Int>) -> Int? {
        guard let node, let text = text(node, what) else { return nil }
        if let value = Int(text), range.contains(value) { return value }
        problem("\(what) is a whole number from \(range.lowerBound) to \(range.upperBound), not '\(text)'", at: node)
        return nil
    }

    /// A list of texts; one text is a list of one.
    func texts(_ node: Node?, _ what: String) -> [(text: String, node: Node)] {
        guard let node else { return [] }
        guard case .sequence(let list) = node else { return text(node, what).map { [($0, node)] } ?? [] }
        if list.isEmpty { problem("\(what) is an empty list: leave the key out", at: node) }
        return list.compactMap { item in text(item, what).map { ($0, item) } }
    }

    func flag(_ node: Node?, _ what: String) -> Bool? { choice(node, what, ["true", "false"]).map { $0 == "true" } }
}
