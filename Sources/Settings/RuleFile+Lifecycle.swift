import Rules
import Yams

extension RuleFile {
    /// The keys that say how an alert lives and ends.
    static func lifecycle(_ members: [String: Node], _ rule: inout RuleDefinition, _ reader: YAMLReader) {
        rule.keepFiringMilliseconds = reader.duration(members["keep_firing_for"], "keep_firing_for") ?? 0
        rule.resolveAfterMilliseconds = reader.duration(members["resolve_after"], "resolve_after")
        if let time = rule.resolveAfterMilliseconds, time < 1000 {
            reader.problem("resolve_after is at least 1s", at: members["resolve_after"])
        }
        let watchesSilence = rule.condition.leaves.contains {
            switch $0.subject {
            case .absence, .missed: true
            default: false
            }
        }
        if watchesSilence, let node = members["resolve_after"] {
            reader.problem("a rule on absence cannot resolve for want of readings", at: node)
        }
        rule.coolDownMilliseconds = reader.duration(members["cool_down"], "cool_down") ?? 0
        rule.isLatched = reader.flag(members["latched"], "latched") ?? false
        if rule.isLatched {
            for name in ["keep_firing_for", "resolve_after"] {
                if let node = members[name] { reader.problem("'\(name)' has no meaning for a latched alert: a person ends it", at: node) }
            }
        }
        escalations(members["escalate"], &rule, reader)
        maximumRate(members["max_rate"], &rule, reader)
        inhibitors(members["inhibited_by"], &rule, reader)
        group(members["group"], &rule, reader)
    }

    private static func escalations(_ node: Node?, _ rule: inout RuleDefinition, _ reader: YAMLReader) {
        guard let node else { return }
        guard case .sequence(let list) = node else {
            reader.problem("'escalate' is a list", at: node)
            return
        }
        for item in list {
            let members = reader.mapping(item, "an escalation", known: RuleLanguage.escalation.names)
            guard let to = severity(members["to"], "to", reader) else {
                if members["to"] == nil { reader.problem("an escalation needs the key 'to'", at: item) }
                continue
            }
            if RuleDefinition.Severity.allCases.firstIndex(of: to)! <= RuleDefinition.Severity.allCases.firstIndex(of: rule.severity)! {
                reader.problem("it does not rise: the rule's severity is \(rule.severity.rawValue)", at: members["to"])
            }
            switch (members["after"], members["beyond"]) {
            case (let after?, nil):
                guard let time = reader.duration(after, "after") else { continue }
                if time <= 0 { reader.problem("after is longer than nothing", at: after) }
                rule.escalations.append(.init(to: to, when: .after(milliseconds: time)))
            case (nil, let beyond?):
                switch rule.leadingLeaf.test {
                case .above, .below, .aboveLimit, .aboveFenceLimit: break
                case .equals, .holds: reader.problem("'beyond' needs a condition with 'above', 'below' or 'limit'", at: beyond)
                }
                if let level = reader.number(beyond, "beyond") { rule.escalations.append(.init(to: to, when: .beyond(level))) }
            default: reader.problem("an escalation has either 'after' or 'beyond'", at: item)
            }
        }
        if list.count > 4 { reader.problem("a rule has at most 4 escalations", at: node) }
    }

    private static func maximumRate(_ node: Node?, _ rule: inout RuleDefinition, _ reader: YAMLReader) {
        guard let node else { return }
        let members = reader.mapping(node, "max_rate", known: RuleLanguage.maximumRate.names)
        for name in RuleLanguage.maximumRate.names where members[name] == nil { reader.problem("max_rate needs the key '\(name)'", at: node) }
        guard let alerts = reader.whole(members["alerts"], "alerts", 1...1000), let per = reader.duration(members["per"], "per")
        else { return }
        if per <= 0 { reader.problem("per is longer than nothing", at: members["per"]) }
        rule.maximumRate = .init(alerts: alerts, milliseconds: per)
    }

    private static func inhibitors(_ node: Node?, _ rule: inout RuleDefinition, _ reader: YAMLReader) {
        for (id, place) in reader.texts(node, "inhibited_by") {
            if id == rule.id { reader.problem("a rule cannot inhibit itself", at: place) }
            rule.inhibitedBy.append(id)
        }
        if rule.inhibitedBy.count > 8 { reader.problem("at most 8 rules inhibit one", at: node) }
    }

    private static func group(_ node: Node?, _ rule: inout RuleDefinition, _ reader: YAMLReader) {
        guard let node else { return }
        let members = reader.mapping(node, "a group", known: RuleLanguage.group.names)
        guard let by = reader.choice(members["by"], "by", RuleDefinition.Group.Subject.allCases.map(\.rawValue)) else {
            if members["by"] == nil { reader.problem("group needs the key 'by'", at: node) }
            return
        }
        let least = reader.whole(members["at_least"], "at_least", 1...100_000) ?? 1
        let within = reader.duration(members["within"], "within")
        if let within, !(1000...86_400_000).contains(within) { reader.problem("within is from 1s to 24h", at: members["within"]) }
        if within != nil && least > RuleDefinition.Group.maximumEvents {
            reader.problem("with 'within', at_least is \(RuleDefinition.Group.maximumEvents) at most", at: members["at_least"])
        }
        let hasFence = rule.condition.leaves.contains { if case .fence = $0.subject { true } else { false } }
        if by == "fence" && !hasFence {
            reader.problem("a group by fence needs a condition on a fence: inside, outside, entered or left", at: members["by"])
        }
        rule.group = RuleDefinition.Group.Subject(rawValue: by).map { .init(by: $0, atLeast: least, withinMilliseconds: within) }
    }
}
