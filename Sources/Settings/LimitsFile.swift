import Telemetry
import Yams

/// `limits.yaml`: the boundaries of the day, and limits by standard and zone, each with its certainty.
enum LimitsFile {
    private static let certainties = Certainty.allCases.map(\.rawValue)

    static func load(path: String, text: String? = nil) -> Loaded<NoiseLimits> {
        let reader = YAMLReader(path: path)
        guard let root = text.map({ reader.root(of: $0) }) ?? reader.root() else { return Loaded(.delivered, reader.problems) }
        let top = reader.mapping(root, "the limits", known: ["day", "standards"])
        var limits = NoiseLimits.delivered
        if let node = top["day"] {
            let day = reader.mapping(node, "day", known: ["hours", "certainty"])
            if let text = reader.text(day["hours"], "day.hours") {
                if let hours = HourRange(text), !hours.crossesMidnight, hours != .wholeDay {
                    limits.day = hours
                } else {
                    reader.problem("day.hours is hours of one day such as 06:00-22:00, not '\(text)'; the rest is night", at: day["hours"])
                }
            }
            limits.dayCertainty = certainty(day["certainty"], reader)
        }
        guard let list = top["standards"] else { return Loaded(limits, reader.problems) }
        guard case .sequence(let nodes) = list else {
            reader.problem("standards is a list", at: list)
            return Loaded(limits, reader.problems)
        }
        var taken = TakenNames("standard")
        limits.standards = nodes.compactMap { standard($0, reader, &taken) }
        return Loaded(limits, reader.problems)
    }

    private static func certainty(_ node: Node?, _ reader: YAMLReader) -> Certainty {
        reader.choice(node, "certainty", certainties).flatMap(Certainty.init) ?? .unverified
    }

    private static func standard(_ node: Node, _ reader: YAMLReader, _ taken: inout TakenNames) -> NoiseLimits.Standard? {
        let members = reader.mapping(node, "a standard", known: ["id", "name", "limits", "night_lmax_excess"])
        guard let id = reader.id(members["id"], of: "a standard", at: node, &taken) else { return nil }
        var standard = NoiseLimits.Standard(id: id, name: reader.text(members["name"], "name") ?? id, limits: [])
        if let node = members["night_lmax_excess"] {
            let excess = reader.mapping(node, "night_lmax_excess", known: ["value", "certainty"])
            standard.nightMaximumExcessDecibels = decibels(excess["value"], "value", 0...60, in: node, reader)
            standard.nightMaximumCertainty = certainty(excess["certainty"], reader)
        }
        guard case .sequence(let nodes)? = members["limits"], !nodes.isEmpty else {
            reader.problem("a standard needs 'limits', a list of { zone, day, night, certainty }", at: members["limits"] ?? node)
            return standard
        }
        for node in nodes {
            let limit = reader.mapping(node, "a limit", known: ["zone", "day", "night", "certainty"])
            let zone = reader.text(limit["zone"], "zone")
            if standard.limits.contains(where: { $0.zone == zone }) {
                reader.problem("the standard has a limit \(zone.map { "for zone '\($0)'" } ?? "for any zone") already", at: limit["zone"] ?? node)
            }
            let day = decibels(limit["day"], "day", 20...120, in: node, reader)
            let night = decibels(limit["night"], "night", 20...120, in: node, reader)
            guard let day, let night else { continue }
            standard.limits.append(
                NoiseLimits.Limit(zone: zone, dayDecibels: day, nightDecibels: night, certainty: certainty(limit["certainty"], reader)))
        }
        return standard
    }

    private static func decibels(_ node: Node?, _ key: String, _ range: ClosedRange<Double>, in parent: Node, _ reader: YAMLReader) -> Double? {
        guard let node else {
            reader.problem("the key '\(key)' is missing, a level in dB(A)", at: parent)
            return nil
        }
        guard let value = reader.number(node, key) else { return nil }
        if range.contains(value) { return value }
        reader.problem("\(key) is a level from \(Int(range.lowerBound)) to \(Int(range.upperBound)) dB(A), not \(value)", at: node)
        return nil
    }
}

extension YAMLReader {
    /// A needed id, checked and taken; nil, with a problem, where it is none.
    func id(_ node: Node?, of what: String, at parent: Node, _ taken: inout TakenNames) -> String? {
        guard let node else {
            problem("\(what) needs the key 'id'", at: parent)
            return nil
        }
        guard let id = text(node, "id") else { return nil }
        guard isID(id) else {
            problem("an id has \(idRule)", at: node)
            return nil
        }
        let place = "\(path):\(node.mark?.line ?? 1):\(node.mark?.column ?? 1)"
        guard let message = taken.take(id, at: place) else { return id }
        problem(message, at: node)
        return nil
    }

    /// The members of a list, or the node itself where it is none.
    func list(_ node: Node?) -> [Node] {
        guard let node else { return [] }
        if case .sequence(let nodes) = node { return Array(nodes) }
        return [node]
    }
}
