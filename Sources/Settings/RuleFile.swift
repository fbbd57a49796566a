public import Rules
import Foundation
import Telemetry
import Yams

/// Rule files to definitions.
public enum RuleFile {
    private static let keys = ["id", "title", "on", "condition", "severity", "task", "text"]
    private static let conditionKeys = ["metric", "above", "below", "for", "clear_below", "clear_above"]

    /// Loads files and folders (`*.yaml`, `*.yml`, sorted), all or nothing.
    public static func load(_ paths: [String]) throws(Problems) -> [RuleDefinition] {
        var problems: [Problem] = []
        var rules: [RuleDefinition] = []
        var places: [String: String] = [:]
        for file in files(paths, &problems) {
            let reader = YAMLReader(path: file)
            if let root = reader.root() { rules += read(root, reader, &places) }
            problems += reader.problems
        }
        guard problems.isEmpty else { throw Problems(problems) }
        return rules
    }

    /// Rules from text, for what is built in.
    public static func parse(_ text: String, path: String) throws(Problems) -> [RuleDefinition] {
        let reader = YAMLReader(path: path)
        var places: [String: String] = [:]
        let rules = reader.root(of: text).map { read($0, reader, &places) } ?? []
        guard reader.problems.isEmpty else { throw Problems(reader.problems) }
        return rules
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

    private static func read(_ root: Node, _ reader: YAMLReader, _ places: inout [String: String]) -> [RuleDefinition] {
        let top = reader.mapping(root, "a rule file", known: ["rules"])
        guard let list = top["rules"] else {
            if reader.problems.isEmpty { reader.problem("a rule file has the key 'rules'", at: root) }
            return []
        }
        guard case .sequence(let nodes) = list else {
            reader.problem("'rules' is a list", at: list)
            return []
        }
        return nodes.compactMap { rule($0, reader, &places) }
    }

    private static func rule(_ node: Node, _ reader: YAMLReader, _ places: inout [String: String]) -> RuleDefinition? {
        let before = reader.problems.count
        let members = reader.mapping(node, "a rule", known: keys)
        for key in ["id", "on", "condition", "severity"] where members[key] == nil {
            reader.problem("a rule needs the key '\(key)'", at: node)
        }
        let id = reader.text(members["id"], "id") ?? ""
        let isName = id.utf8.allSatisfy { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
                || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "._-".utf8.contains(byte)
        }
        if members["id"] != nil && (id.isEmpty || id.utf8.count > 64 || !isName) {
            reader.problem("an id has 1 to 64 letters, digits, '.', '_' and '-', not '\(id)'", at: members["id"])
        } else if let other = places[id], members["id"] != nil {
            reader.problem("the id '\(id)' is taken by the rule at \(other)", at: members["id"])
        } else if let mark = members["id"]?.mark {
            places[id] = "\(reader.path):\(mark.line):\(mark.column)"
        }
        let (english, chinese) = title(members["title"], id, reader)
        let kind = reader.choice(members["on"], "on", Kind.allCases.map(\.name)).flatMap { Kind(name: $0) }
        let severity = reader.choice(
            members["severity"], "severity", RuleDefinition.Severity.allCases.map(\.rawValue))
            .flatMap(RuleDefinition.Severity.init)
        let condition = reader.mapping(members["condition"], "a condition", known: conditionKeys)
        let metric = kind.flatMap { metricName(condition["metric"], $0, members["condition"], reader) }
        let bound = self.bound(condition, members["condition"], reader)
        if let kind, let metric, let bound { checkRange(kind, metric, bound, condition, reader) }
        let clear = self.clear(condition, bound, reader)
        let hold = reader.duration(condition["for"], "for") ?? 0
        let task = reader.mapping(members["task"], "a task", known: ["kind"])
        if members["task"] != nil && task["kind"] == nil { reader.problem("a task needs the key 'kind'", at: members["task"]) }
        _ = reader.text(members["text"], "text")
        guard reader.problems.count == before, let kind, let metric, let bound, let severity else { return nil }
        return RuleDefinition(
            id: id, titleEnglish: english, titleChinese: chinese, kind: kind, metric: metric, bound: bound,
            holdMilliseconds: hold, clear: clear, severity: severity, taskKind: reader.text(task["kind"], "kind"))
    }

    private static func title(_ node: Node?, _ id: String, _ reader: YAMLReader) -> (String, String) {
        guard let node else { return (id, id) }
        if case .scalar(let scalar) = node { return (scalar.string, scalar.string) }
        let titles = reader.mapping(node, "a title", known: ["en", "zh"])
        let english = reader.text(titles["en"], "en") ?? reader.text(titles["zh"], "zh") ?? id
        return (english, reader.text(titles["zh"], "zh") ?? english)
    }

    /// Numbers and booleans can be compared; a boolean is 0 or 1.
    private static func metricName(_ node: Node?, _ kind: Kind, _ parent: Node?, _ reader: YAMLReader) -> String? {
        let metrics = kind.description.fields.filter { field in
            switch field.storage {
            case .number, .bool: true
            case .flags, .text, .time, .period: false
            }
        }.map(\.name)
        guard node != nil else {
            if parent != nil { reader.problem("a condition needs the key 'metric'", at: parent) }
            return nil
        }
        return reader.choice(node, "metric of \(kind.name)", metrics)
    }

    private static func bound(_ condition: [String: Node], _ node: Node?, _ reader: YAMLReader) -> RuleDefinition.Bound? {
        switch (condition["above"], condition["below"]) {
        case (let above?, nil): return reader.number(above, "above").map { .above($0) }
        case (nil, let below?): return reader.number(below, "below").map { .below($0) }
        case (nil, nil):
            if node != nil { reader.problem("a condition needs 'above' or 'below'", at: node) }
            return nil
        case (_, let below?):
            reader.problem("a condition has 'above' or 'below', not both", at: below)
            return nil
        }
    }

    private static func checkRange(
        _ kind: Kind, _ metric: String, _ bound: RuleDefinition.Bound, _ condition: [String: Node], _ reader: YAMLReader
    ) {
        guard let field = kind.description.field(named: metric) else { return }
        let range: ClosedRange<Double>
        if case .number(_, let allowed, _) = field.storage { range = allowed } else { range = 0...1 }
        switch bound {
        case .above(let level) where level >= range.upperBound || level < range.lowerBound:
            reader.problem(
                "no \(metric) is above \(level): it goes from \(range.lowerBound) to \(range.upperBound) \(field.unit)",
                at: condition["above"])
        case .below(let level) where level <= range.lowerBound || level > range.upperBound:
            reader.problem(
                "no \(metric) is below \(level): it goes from \(range.lowerBound) to \(range.upperBound) \(field.unit)",
                at: condition["below"])
        default: break
        }
    }

    private static func clear(
        _ condition: [String: Node], _ bound: RuleDefinition.Bound?, _ reader: YAMLReader
    ) -> Double? {
        let below = reader.number(condition["clear_below"], "clear_below")
        let above = reader.number(condition["clear_above"], "clear_above")
        switch bound {
        case .above(let level):
            if condition["clear_above"] != nil {
                reader.problem("'above' clears with 'clear_below'", at: condition["clear_above"])
            }
            if let below, below > level {
                reader.problem("clear_below \(below) is over the level \(level): it would clear at once", at: condition["clear_below"])
            }
            return below
        case .below(let level):
            if condition["clear_below"] != nil {
                reader.problem("'below' clears with 'clear_above'", at: condition["clear_below"])
            }
            if let above, above < level {
                reader.problem("clear_above \(above) is under the level \(level): it would clear at once", at: condition["clear_above"])
            }
            return above
        case nil: return nil
        }
    }
}
