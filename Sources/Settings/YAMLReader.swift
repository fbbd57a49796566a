import Foundation
import Yams

/// A YAML document read with all its problems gathered, each at its place.
final class YAMLReader {
    static let largestBytes = 1 << 20

    let path: String
    /// Variables that stand in for keys: see ``mapping(_:_:known:variables:)``.
    private let environment: [String: String]
    private(set) var problems: [Problem] = []
    // Nodes hold their anchors weakly.
    private var variables: [Anchor] = []

    init(path: String, environment: [String: String] = [:]) {
        self.path = path
        self.environment = environment
    }

    /// - Parameter node: a node without a place is that of the environment variable which its anchor names.
    func problem(_ message: String, at node: Node? = nil) {
        if let variable = node?.anchor?.rawValue, environment[variable] != nil {
            problems.append(Problem(path: variable, message: message))
            return
        }
        problems.append(
            Problem(path: path, line: node?.mark?.line ?? 1, column: node?.mark?.column ?? 1, message: message))
    }

    /// A problem of a file that this one names.
    func add(_ problem: Problem) { problems.append(problem) }

    /// The document's root; nil, with a problem, where there is none.
    func root() -> Node? {
        let text: String
        do throws(Problem) {
            text = try FileText.read(path, largestBytes: YAMLReader.largestBytes, "a settings file")
        } catch {
            problems.append(error)
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
            refuseAnchors(node)
            return node
        } catch let error as YamlError {
            switch error {
            case .scanner(_, let what, let mark, _), .parser(_, let what, let mark, _), .composer(_, let what, let mark, _):
                problems.append(Problem(path: path, line: mark.line, column: mark.column, message: "not YAML: \(what)"))
            case .duplicatedKeysInMapping(let names, let context):
                // Told at its place and renamed, so that it does not hide what else is wrong.
                if let rest = refuseDuplicate(of: names, in: text, from: context.mark.line) { return root(of: rest) }
                problem("the key '\(names.sorted().joined(separator: "', '"))' stands in one mapping twice")
            default: problem("not YAML: \(error)")
            }
        } catch {
            problem("not YAML: \(error)")
        }
        return nil
    }

    private static let renamed = "~"

    /// The text with the first second key renamed; nil where none is found.
    private func refuseDuplicate(of names: [String], in text: String, from line: Int) -> String? {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        for name in names.sorted() {
            let plain = name.trimmingCharacters(in: CharacterSet(charactersIn: YAMLReader.renamed))
            var first: (line: Int, column: Int)?
            for index in lines.indices.dropFirst(max(0, line - 1)) {
                for column in YAMLReader.columns(ofKey: name, in: lines[index]) {
                    guard let (firstLine, firstColumn) = first else {
                        first = (index, column)
                        continue
                    }
                    guard column == firstColumn || index == firstLine else { continue }
                    problems.append(
                        Problem(
                            path: path, line: index + 1, column: column + 1,
                            message: "the key '\(plain)' stands in line \(firstLine + 1) already"))
                    let start = lines[index].index(lines[index].startIndex, offsetBy: column + name.count)
                    lines[index].insert(contentsOf: String(repeating: YAMLReader.renamed, count: problems.count), at: start)
                    return lines.joined(separator: "\n")
                }
            }
        }
        return nil
    }

    /// Where in a line the key begins a member of a mapping, counted from 0.
    private static func columns(ofKey name: String, in line: String) -> [Int] {
        line.ranges(of: name).compactMap { range in
            let before = line[..<range.lowerBound].last { $0 != " " }
            let after = line[range.upperBound...].first { $0 != " " }
            let opens = before == nil || before == "{" || before == "," || before == "-"
            return opens && after == ":" ? line.distance(from: line.startIndex, to: range.lowerBound) : nil
        }
    }

    /// One value has one place in a file that people read at night.
    private func refuseAnchors(_ node: Node) {
        if node.anchor != nil {
            problem("anchors and aliases ('&', '*') are not read; write the value out", at: node)
            // No further down: a few aliases of aliases make more values than there is memory for.
            return
        }
        switch node {
        case .mapping(let mapping): for (_, value) in mapping { refuseAnchors(value) }
        case .sequence(let sequence): for value in sequence { refuseAnchors(value) }
        case .scalar, .alias: break
        }
    }

    /// A mapping whose keys are all among `known`; others are problems with the nearest right key.
    /// - Parameter variables: beginning of the names of the environment variables that override its keys.
    func mapping(_ node: Node?, _ what: String, known: [String], variables: String? = nil) -> [String: Node] {
        var result: [String: Node] = [:]
        if let variables {
            for name in known {
                let variable = variables + name.uppercased()
                guard let value = environment[variable], !value.isEmpty else { continue }
                let anchor = Anchor(rawValue: variable)
                self.variables.append(anchor)
                result[name] = Node(value, .implicit, .any, anchor)
            }
        }
        guard let node else { return result }
        guard case .mapping(let mapping) = node else {
            problem("\(what) is a mapping of \(known.joined(separator: ", "))", at: node)
            return result
        }
        for (key, value) in mapping {
            guard let name = key.string, known.contains(name) else {
                let name = key.string ?? "?"
                if name.hasSuffix(YAMLReader.renamed) { continue }
                let hint = nearest(name, in: known).map { "; did you mean '\($0)'?" } ?? "; known: \(known.joined(separator: ", "))"
                problem("unknown key '\(name)' in \(what)\(hint)", at: key)
                continue
            }
            if result[name] == nil { result[name] = value }
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
