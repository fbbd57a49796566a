import Dispatching
import Telemetry
import Yams

/// `matters.yaml`: the catalogue of what can be the matter, and the departments.
enum MattersFile {
    private static let keys = ["code", "name", "law", "departments", "officers", "feedback", "joint", "authority"]

    /// - Parameter areas: nil where there is no file of areas; nothing is asked then.
    static func load(path: String, text: String? = nil, areas: AreaTree?, zone: LocalZone) -> Loaded<[Matter]> {
        let reader = YAMLReader(path: path)
        guard let root = text.map({ reader.root(of: $0) }) ?? reader.root() else { return Loaded([], reader.problems) }
        let top = reader.mapping(root, "the catalogue of matters", known: ["departments", "matters"])
        var departments: [String] = []
        for node in reader.sequence(top["departments"], "departments") {
            let members = reader.mapping(node, "a department", known: ["id", "name"])
            guard let id = reader.needed(members, "id", "a department", at: node) else { continue }
            if !isID(id) { reader.problem("an id has \(idRule)", at: members["id"]) }
            if departments.contains(id) { reader.problem("the department '\(id)' stands here twice", at: members["id"]) }
            _ = reader.names(members["name"], "name")
            departments.append(id)
        }
        var matters: [Matter] = []
        for node in reader.sequence(top["matters"], "matters") {
            guard let matter = matter(node, reader, departments: departments, areas: areas, zone: zone) else { continue }
            if matters.contains(where: { $0.code == matter.code }) { reader.problem("the matter '\(matter.code)' stands here twice", at: node) }
            matters.append(matter)
        }
        return Loaded(matters, reader.problems)
    }

    private static func matter(
        _ node: Node, _ reader: YAMLReader, departments: [String], areas: AreaTree?, zone: LocalZone
    ) -> Matter? {
        let members = reader.mapping(node, "a matter", known: keys)
        guard let code = reader.needed(members, "code", "a matter", at: node) else { return nil }
        if !isID(code) { reader.problem("a code has \(idRule)", at: members["code"]) }
        let (english, chinese) = reader.names(members["name"], "name") ?? (code, code)
        if members["name"] == nil { reader.problem("the matter '\(code)' needs the key 'name'", at: node) }
        var matter = Matter(code: code, nameEnglish: english, nameChinese: chinese)
        if let law = members["law"] {
            let parts = reader.mapping(law, "law", known: ["name", "clause"])
            matter.law = reader.needed(parts, "name", "law", at: law)
            matter.clause = reader.text(parts["clause"], "clause")
        }
        func known(_ node: Node?, _ what: String) -> [String] {
            reader.sequence(node, what).compactMap { item in
                guard let id = reader.text(item, "a department") else { return nil }
                if !departments.contains(id) { reader.problem("no department has the id '\(id)'\(hint(id, among: departments))", at: item) }
                return id
            }
        }
        matter.departments = known(members["departments"], "departments")
        if let number = reader.number(members["officers"], "officers") {
            if !(1...50).contains(number) || number != number.rounded() {
                reader.problem("officers is a whole number from 1 to 50", at: members["officers"])
            } else {
                matter.officers = Int(number)
            }
        }
        matter.feedback = reader.choice(members["feedback"], "feedback", FeedbackTemplate.allCases.map(\.rawValue)).flatMap(FeedbackTemplate.init)
        matter.isJoint = reader.choice(members["joint"], "joint", ["true", "false"]) == "true"
        if matter.isJoint && matter.departments.count < 2 {
            reader.problem("a joint matter has two departments at least", at: members["joint"])
        }
        if members["authority"] != nil && matter.departments.isEmpty {
            reader.problem("authority is given to departments: the matter names none", at: members["authority"])
        }
        for grant in reader.sequence(members["authority"], "authority") {
            let parts = reader.mapping(grant, "a grant", known: ["area", "departments", "since"])
            guard let area = reader.needed(parts, "area", "a grant", at: grant) else { continue }
            if let areas, areas.number(ofCode: area) == nil {
                reader.problem("no area has the code '\(area)'\(hint(area, among: areas.areas.map(\.code)))", at: parts["area"])
            }
            var since: Timestamp?
            if let text = reader.text(parts["since"], "since") {
                since = LocalTimeText.moment(text, zone: zone, isEnd: false)
                if since == nil { reader.problem("since is \(LocalTimeText.form), not '\(text)'", at: parts["since"]) }
            }
            let named = known(parts["departments"], "departments")
            for id in named where departments.contains(id) && !matter.departments.contains(id) {
                reader.problem("the department '\(id)' is not one of the matter '\(code)'", at: parts["departments"])
            }
            matter.authority.append(Matter.Grant(area: area, departments: named.isEmpty ? matter.departments : named, since: since))
        }
        return matter
    }
}

extension YAMLReader {
    /// The members of a list; empty, with a problem, where it is none.
    func sequence(_ node: Node?, _ what: String) -> [Node] {
        guard let node else { return [] }
        guard case .sequence(let sequence) = node else {
            problem("'\(what)' is a list", at: node)
            return []
        }
        return Array(sequence)
    }

    /// A text that must be there.
    func needed(_ members: [String: Node], _ key: String, _ what: String, at node: Node) -> String? {
        guard members[key] != nil else {
            problem("\(what) needs the key '\(key)'", at: node)
            return nil
        }
        return text(members[key], key)
    }

    /// A name in both languages; one stands for the other where it is missing.
    func names(_ node: Node?, _ what: String) -> (english: String, chinese: String)? {
        guard let node else { return nil }
        if case .scalar(let scalar) = node { return (scalar.string, scalar.string) }
        let members = mapping(node, what, known: ["en", "zh"])
        guard let english = text(members["en"], "en") ?? text(members["zh"], "zh") else { return nil }
        return (english, text(members["zh"], "zh") ?? english)
    }
}
