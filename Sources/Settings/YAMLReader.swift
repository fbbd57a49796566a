import Foundation
import Yams

/// A YAML document read with all its problems gathered, each at its place.
final class YAMLReader {
    static let largestBytes = 1 << 20

    let path: String
    private(set) var problems: [Problem] = []

    init(path: String) { self.path = path }

    func problem(_ message: String, at node: Node? = nil) {
        problems.append(
            Problem(path: path, line: node?.mark?.line ?? 1, column: node?.mark?.column ?? 1, message: message))
    }

    /// The document's root; nil, with a problem, where there is none.
    func root() -> Node? {
        guard let data = FileManager.default.contents(atPath: path) else {
            problem("the file cannot be read")
            return nil
        }
        guard data.count <= YAMLReader.largestBytes else {
            problem("the file has \(data.count) bytes; a settings file has at most \(YAMLReader.largestBytes)")
            return nil
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            problem("the file is not UTF-8")
            return nil
        }
        return root(of: text)
    }

    func root(of text: String) -> Node? {
        do {
            let parser = try Parser(yaml: text)
            guard let node = try parser.singleRoot() else {
                problem("the file is empty")
                return nil
            }
            return node
        } catch let error as YamlError {
            switch error {
            case .scanner(_, let what, let mark, _), .parser(_, let what, let mark, _), .composer(_, let what, let mark, _):
                problems.append(Problem(path: path, line: mark.line, column: mark.column, message: "not YAML: \(what)"))
            case .duplicatedKeysInMapping(let duplicates, _):
                for key in duplicates { problem("the key '\(key)' stands in one mapping twice") }
            default: problem("not YAML: \(error)")
            }
        } catch {
            problem("not YAML: \(error)")
        }
        return nil
    }

    /// A mapping whose keys are all among `known`; others are problems with the nearest right key.
    func mapping(_ node: Node?, _ what: String, known: [String]) -> [String: Node] {
        guard let node else { return [:] }
        guard case .mapping(let mapping) = node else {
            problem("\(what) is a mapping of \(known.joined(separator: ", "))", at: node)
            return [:]
        }
        var result: [String: Node] = [:]
        for (key, value) in mapping {
            guard let name = key.string, known.contains(name) else {
                let name = key.string ?? "?"
                let hint = nearest(name, in: known).map { "; did you mean '\($0)'?" } ?? "; known: \(known.joined(separator: ", "))"
                problem("unknown key '\(name)' in \(what)\(hint)", at: key)
                continue
            }
            result[name] = value
        }
        return result
    }

    func text(_ node: Node?, _ what: String) -> String? {
        guard let node else { return nil }
        guard case .scalar(let scalar) = node else {
            problem("\(what) is a text", at: node)
            return nil
        }
        return scalar.string
    }

    func number(_ node: Node?, _ what: String) -> Double? {
        guard let node else { return nil }
        guard let text = text(node, what) else { return nil }
        guard let value = Double(text), value.isFinite else {
            problem("\(what) is a number, not '\(text)'", at: node)
            return nil
        }
        return value
    }

    func choice(_ node: Node?, _ what: String, _ allowed: [String]) -> String? {
        guard let node, let text = text(node, what) else { return nil }
        guard allowed.contains(text) else {
            let hint = nearest(text, in: allowed).map { "; did you mean '\($0)'?" } ?? ""
            problem("\(what) is one of \(allowed.joined(separator: ", ")), not '\(text)'\(hint)", at: node)
            return nil
        }
        return text
    }

    /// `500ms`, `30s`, `10m`, `1h`, `30d`, in milliseconds.
    func duration(_ node: Node?, _ what: String) -> Int64? {
        guard let node, let text = text(node, what) else { return nil }
        if let milliseconds = durationMilliseconds(text) { return milliseconds }
        problem("\(what) is a duration such as 30s, 10m or 1h, not '\(text)'", at: node)
        return nil
    }
}

/// `500ms`, `30s`, `10m`, `1h`, `30d`; nil where the text is none.
public func durationMilliseconds(_ text: String) -> Int64? {
    let units: [(String, Double)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
    for (unit, scale) in units where text.hasSuffix(unit) {
        guard let value = Double(text.dropLast(unit.count)), value >= 0, value * scale < 1e15 else { continue }
        return Int64((value * scale).rounded())
    }
    return nil
}
