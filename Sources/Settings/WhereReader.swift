import Rules
import Telemetry
import Yams

/// The `where` of a rule.
struct WhereReader {
    let reader: YAMLReader
    let world: World?

    func scope(_ node: Node) -> Scope {
        let members = reader.mapping(node, "a scope", known: RuleLanguage.scope.names)
        var scope = Scope()
        func texts(_ key: String, _ check: (String, Node, World) -> Void = { _, _, _ in }) -> [String] {
            reader.texts(members[key], key).map { text, node in
                if let world { check(text, node, world) }
                return text
            }
        }
        scope.devices = texts("devices")
        scope.tags = texts("tags")
        scope.teams = texts("teams")
        scope.zones = texts("zones") { text, node, world in
            if !world.limits.zones.contains(text) { unknown("zone", text, world.limits.zones, node) }
        }
        scope.areas = texts("areas") { text, node, world in
            guard !world.areas.isEmpty, world.areas.number(ofCode: text) == nil else { return }
            unknown("area", text, world.areas.areas.map(\.code), node)
        }
        scope.sites = texts("sites") { text, node, world in
            if world.sites[text] == nil { unknown("site", text, world.sites.all.map(\.id), node) }
        }
        scope.siteKinds = texts("site_kinds", checkKind)
        scope.fences = texts("fences", reader.check(fence:at:in:))
        if let near = members["near"] { scope.near = self.near(near) }
        if members.isEmpty, case .mapping = node { reader.problem("an empty scope: leave 'where' out", at: node) }
        return scope
    }

    private func near(_ node: Node) -> Scope.Near? {
        let members = reader.mapping(node, "near", known: RuleLanguage.near.names)
        for name in RuleLanguage.near.names where members[name] == nil {
            reader.problem("near needs the key '\(name)'", at: node)
        }
        let kind = members["kind"].flatMap { reader.text($0, "kind") }
        if let world, let kind, let node = members["kind"] { checkKind(kind, node, world) }
        guard let kind, let within = members["within"], let metres = reader.metres(within, "within") else { return nil }
        return Scope.Near(siteKind: kind, metres: metres)
    }

    private func checkKind(_ kind: String, _ node: Node, _ world: World) {
        if !world.sites.kinds.contains(kind) { unknown("site of the kind", kind, world.sites.kinds, node) }
    }

    private func unknown(_ what: String, _ name: String, _ known: [String], _ node: Node) {
        reader.problem("there is no \(what) '\(name)'\(hint(name, among: known))", at: node)
    }
}

extension YAMLReader {
    /// A fence's id, or `kind:` and a kind.
    func check(fence name: String, at node: Node, in world: World) {
        if name.hasPrefix("kind:") {
            let kind = String(name.dropFirst(5))
            if !world.fences.kinds.contains(kind) {
                problem("no fence is of the kind '\(kind)'\(hint(kind, among: world.fences.kinds))", at: node)
            }
        } else if world.fences[name] == nil {
            problem("there is no fence '\(name)'\(hint(name, among: world.fences.all.map(\.id)))", at: node)
        }
    }
}
