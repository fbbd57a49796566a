public import Rules
import Foundation
import Telemetry
import Yams

/// Rule files to definitions.
public enum RuleFile {
    /// Rules of one configuration at most.
    public static let maximumRules = 10_000

    /// Loads files and folders (`*.yaml`, `*.yml`, sorted), all or nothing.
    /// - Parameter world: what other files of the settings define; without it the names that rules use are not checked,
    ///   but for calendars.
    public static func load(_ paths: [String], world: World? = nil) throws(Problems) -> [RuleDefinition] {
        var problems: [Problem] = []
        var rules: [RuleDefinition] = []
        var places: [String: Place] = [:]
        for file in files(paths, &problems) {
            let reader = YAMLReader(path: file)
            if let root = reader.root() { rules += read(root, reader, world, &places) }
            problems += reader.problems
        }
        problems += relations(rules, places)
        guard problems.isEmpty else { throw Problems(problems) }
        return rules
    }

    /// Rules from text, for what is built in.
    public static func parse(_ text: String, path: String, world: World? = nil) throws(Problems) -> [RuleDefinition] {
        let reader = YAMLReader(path: path)
        var places: [String: Place] = [:]
        let rules = reader.root(of: text).map { read($0, reader, world, &places) } ?? []
        let problems = reader.problems + relations(rules, places)
        guard problems.isEmpty else { throw Problems(problems) }
        return rules
    }

    /// Where the id of a rule stands.
    struct Place {
        var path: String
        var line: Int, column: Int
    }

    /// What can only be judged with all rules at hand.
    private static func relations(_ rules: [RuleDefinition], _ places: [String: Place]) -> [Problem] {
        var problems: [Problem] = []
        func problem(_ rule: RuleDefinition, _ message: String) {
            let place = places[rule.id] ?? Place(path: rule.id, line: 1, column: 1)
            problems.append(Problem(path: place.path, line: place.line, column: place.column, message: message))
        }
        if rules.count > maximumRules, let rule = rules.dropFirst(maximumRules).first {
            problem(rule, "there are \(rules.count) rules; at most \(maximumRules) are read")
        }
        if Set(rules.flatMap(\.liftedBy)).count > 64, let rule = rules.first(where: { !$0.liftedBy.isEmpty }) {
            problem(rule, "all rules together name more than 64 kinds of permits in 'lifted_by'")
        }
        let byID = Dictionary(rules.map { ($0.id, $0) }) { first, _ in first }
        let ids = rules.map(\.id)
        for rule in rules {
            for other in rule.inhibitedBy {
                guard let inhibitor = byID[other] else {
                    let hint = nearest(other, in: ids).map { "; did you mean '\($0)'?" } ?? ""
                    problem(rule, "inhibited_by: there is no rule '\(other)'\(hint)")
                    continue
                }
                if inhibitor.kind != rule.kind {
                    problem(rule, "inhibited_by: the rule '\(other)' is on \(inhibitor.kind.name): it never fires at the same device")
                }
            }
            if let cycle = cycle(from: rule.id, byID) { problem(rule, "rules inhibit each other in a circle: \(cycle.joined(separator: " → "))") }
        }
        return problems
    }

    /// A way from a rule by `inhibited_by` back to it; told at the first of its rules only.
    private static func cycle(from start: String, _ rules: [String: RuleDefinition]) -> [String]? {
        var seen: Set<String> = []
        var stack = [[start]]
        while let path = stack.popLast() {
            for next in rules[path.last ?? ""]?.inhibitedBy ?? [] {
                if next == start { return path.min() == start ? path + [start] : nil }
                if seen.insert(next).inserted { stack.append(path + [next]) }
            }
        }
        return nil
    }

    private static func files(_ paths: [String], _ problems: inout [Problem]) -> [String] {
        var result: [String] = []
        for path in paths {
            var isFolder: ObjCBool = false
            guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
                problems.append(Problem(path: path, message: "there is no such file or folder of rules"))
                continue
            }
            guard isFolder.boolValue else {
                result.append(path)
                continue
            }
            let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            result += names.filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.sorted().map { path + "/" + $0 }
        }
        return result
    }

    private static func read(
        _ root: Node, _ reader: YAMLReader, _ world: World?, _ places: inout [String: Place]
    ) -> [RuleDefinition] {
        let top = reader.mapping(root, "a rule file", known: ["rules"])
        guard let list = top["rules"] else {
            if reader.problems.isEmpty { reader.problem("a rule file has the key 'rules'", at: root) }
            return []
        }
        guard case .sequence(let nodes) = list else {
            reader.problem("'rules' is a list", at: list)
            return []
        }
        return nodes.compactMap { rule($0, reader, world, &places) }
    }

    private static func rule(
        _ node: Node, _ reader: YAMLReader, _ world: World?, _ places: inout [String: Place]
    ) -> RuleDefinition? {
        let before = reader.problems.count
        let members = reader.mapping(node, "a rule", known: RuleLanguage.rule.names)
        for key in ["id", "on", "condition", "severity"] where members[key] == nil {
            reader.problem("a rule needs the key '\(key)'", at: node)
        }
        let id = id(members["id"], reader, &places)
        let (english, chinese) = words(members["title"], "a title", reader) ?? (id, id)
        let kind = reader.choice(members["on"], "on", Kind.allCases.map(\.name)).flatMap { Kind(name: $0) }
        let severity = severity(members["severity"], "severity", reader)
        var condition: (condition: Condition, holdMilliseconds: Int64)?
        if let kind, let node = members["condition"] {
            condition = ConditionReader(kind: kind, reader: reader, world: world).read(node)
        }
        let task = reader.mapping(members["task"], "a task", known: RuleLanguage.task.names)
        if members["task"] != nil && task["kind"] == nil { reader.problem("a task needs the key 'kind'", at: members["task"]) }
        let texts = texts(members["text"], reader)
        guard let kind, let severity else { return nil }
        // A condition that is wrong is told already; the rest is looked at all the same, so that all is told at once.
        var rule = RuleDefinition(
            id: id, titleEnglish: english, titleChinese: chinese, kind: kind, condition: condition?.condition ?? .all([]),
            holdMilliseconds: condition?.holdMilliseconds ?? 0, severity: severity, taskKind: reader.text(task["kind"], "kind"))
        (rule.textEnglish, rule.textChinese) = texts
        if let node = members["when"] {
            rule.when = WhenReader.when(node, reader, world ?? World(zone: .utc)) ?? .always
            checkHold(rule, members["condition"], reader)
        }
        if let node = members["where"] { rule.scope = WhereReader(reader: reader, world: world).scope(node) }
        rule.liftedBy = reader.texts(members["lifted_by"], "lifted_by").map(\.text)
        if rule.liftedBy.count > 8 { reader.problem("at most 8 kinds of permits lift a rule", at: members["lifted_by"]) }
        if let choice = reader.choice(members["flagged"], "flagged", ["skip", "count"]) {
            rule.countsFlagged = choice == "count"
            if kind != .noise { reader.problem("flags are of noise readings", at: members["flagged"]) }
        }
        lifecycle(members, &rule, reader)
        return condition != nil && reader.problems.count == before ? rule : nil
    }

    private static func id(_ node: Node?, _ reader: YAMLReader, _ places: inout [String: Place]) -> String {
        guard let node, let id = reader.text(node, "id") else { return "" }
        let isName = id.utf8.allSatisfy { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
                || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "._-".utf8.contains(byte)
        }
        if id.isEmpty || id.utf8.count > 64 || !isName {
            reader.problem("an id has 1 to 64 letters, digits, '.', '_' and '-', not '\(id)'", at: node)
        } else if let other = places[id] {
            reader.problem("the id '\(id)' is taken by the rule at \(other.path):\(other.line):\(other.column)", at: node)
        } else if let mark = node.mark {
            places[id] = Place(path: reader.path, line: mark.line, column: mark.column)
        }
        return id
    }

    /// A text for both languages, or one for each.
    private static func words(_ node: Node?, _ what: String, _ reader: YAMLReader) -> (String, String)? {
        guard let node else { return nil }
        if case .scalar(let scalar) = node { return (scalar.string, scalar.string) }
        let titles = reader.mapping(node, what, known: ["en", "zh"])
        guard let english = reader.text(titles["en"], "en") ?? reader.text(titles["zh"], "zh") else { return nil }
        return (english, reader.text(titles["zh"], "zh") ?? english)
    }

    /// The templates of both languages, empty where there are none.
    private static func texts(_ node: Node?, _ reader: YAMLReader) -> (String, String) {
        guard let (english, chinese) = words(node, "a text", reader) else { return ("", "") }
        for template in english == chinese ? [english] : [english, chinese] {
            for field in AlertText.fields(in: template) where !AlertText.fieldNames.contains(field) {
                let hint = nearest(field, in: AlertText.fieldNames).map { "; did you mean '{\($0)}'?" }
                    ?? "; known: \(AlertText.fieldNames.joined(separator: ", "))"
                reader.problem("a text has no field '{\(field)}'\(hint)", at: node)
            }
        }
        return (english, chinese)
    }

    /// A rule that must hold longer than it is ever awake at a stretch.
    private static func checkHold(_ rule: RuleDefinition, _ node: Node?, _ reader: YAMLReader) {
        guard case .hours(let days) = rule.when, !days.hours.isEmpty else { return }
        let longest = days.hours.map { $0.untilMinutes - $0.fromMinutes }.max() ?? 0
        if rule.holdMilliseconds > Int64(longest) * 60_000 {
            reader.problem(
                "it can never fire: 'for' is \(durationText(rule.holdMilliseconds)), but it is awake for \(longest) minutes at most",
                at: node)
        }
    }

    static func severity(_ node: Node?, _ what: String, _ reader: YAMLReader) -> RuleDefinition.Severity? {
        reader.choice(node, what, RuleDefinition.Severity.allCases.map(\.rawValue)).flatMap(RuleDefinition.Severity.init)
    }
}
