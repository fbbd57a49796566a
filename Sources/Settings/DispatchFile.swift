import Dispatching
import Foundation
import Telemetry
import Yams

/// `dispatch.yaml`: what a district decides about its tasks.
enum DispatchFile {
    private static let keys = ["mode", "units", "clocks", "escalation", "receivers", "leads", "priority", "kinds"]
    private static let unitKeys = ["acknowledge_within", "look_again_after", "fix_age", "accuracy_m", "camera_age", "widen", "fair_within_m", "fair_within_s", "ties", "travel"]
    private static let kindKeys = ["clocks", "pauses_while_suspended", "feedback", "check", "reopen_within", "still_firing_after", "capabilities", "camera"]

    /// - Parameter areas: nil where there are none, or none that can be read: codes are not checked then.
    static func load(path: String, areas: AreaTree?, world: World) -> (settings: DispatchSettings, problems: [Problem]) {
        let reader = YAMLReader(path: path)
        guard let root = reader.root() else { return (DispatchSettings(), reader.problems) }
        return (read(root, reader, areas, world), reader.problems)
    }

    static func parse(
        _ text: String, path: String, areas: AreaTree? = nil, world: World = World(zone: .utc)
    ) -> (settings: DispatchSettings, problems: [Problem]) {
        let reader = YAMLReader(path: path)
        let settings = reader.root(of: text).map { read($0, reader, areas, world) } ?? DispatchSettings()
        return (settings, reader.problems)
    }

    private static func read(_ root: Node, _ reader: YAMLReader, _ areas: AreaTree?, _ world: World) -> DispatchSettings {
        var settings = DispatchSettings()
        let top = reader.mapping(root, "the dispatch settings", known: keys)
        if let mode = reader.choice(top["mode"], "mode", DispatchSettings.Mode.allCases.map(\.rawValue)) {
            settings.mode = DispatchSettings.Mode(rawValue: mode) ?? settings.mode
        }
        units(top["units"], reader, areas, &settings)
        clocks(top["clocks"], "clocks", reader, &settings.otherKinds)
        settings.escalation = list(top["escalation"], "escalation", reader).compactMap { step($0, reader) }
        let times = settings.escalation.map(\.afterMilliseconds)
        if times != times.sorted() { reader.problem("the steps of 'escalation' stand in the order of 'after'", at: top["escalation"]) }
        settings.receivers = list(top["receivers"], "receivers", reader).compactMap { receiver($0, reader, areas) }
        leads(top["leads"], reader, &settings)
        settings.priority = list(top["priority"], "priority", reader).compactMap { priority($0, reader, areas, world) }
        if case .mapping(let kinds)? = top["kinds"] {
            for (name, node) in kinds {
                guard let name = name.string else { continue }
                settings.kinds[name] = kind(node, name, reader, settings.otherKinds)
            }
        } else if top["kinds"] != nil {
            reader.problem("'kinds' is a mapping of a kind's name to its settings", at: top["kinds"])
        }
        return settings
    }

    private static func list(_ node: Node?, _ what: String, _ reader: YAMLReader) -> [Node] { reader.sequence(node, what) }

    /// `{ speeds: [{ area, kind, kmh }], table: travel.csv }`
    private static func travel(_ node: Node, _ reader: YAMLReader, _ areas: AreaTree?) -> Travel {
        var travel = Travel()
        let members = reader.mapping(node, "travel", known: ["speeds", "table"])
        func check(_ code: String?, _ node: Node?) {
            if let code, let areas, areas.number(ofCode: code) == nil {
                reader.problem("no area has the code '\(code)'\(hint(code, among: areas.areas.map(\.code)))", at: node)
            }
        }
        for entry in list(members["speeds"], "speeds", reader) {
            let parts = reader.mapping(entry, "a speed", known: ["area", "kind", "kmh"])
            guard let speed = reader.number(parts["kmh"], "kmh") else {
                if parts["kmh"] == nil { reader.problem("a speed needs the key 'kmh'", at: entry) }
                continue
            }
            if !(1...300).contains(speed) { reader.problem("kmh is a number from 1 to 300", at: parts["kmh"]) }
            let area = reader.text(parts["area"], "area")
            check(area, parts["area"])
            travel.speeds.append(Travel.Speed(area: area, kind: reader.text(parts["kind"], "kind"), kilometresPerHour: max(1, speed)))
        }
        if let name = reader.text(members["table"], "table") {
            let folder = (reader.path as NSString).deletingLastPathComponent
            let path = name.hasPrefix("/") || folder.isEmpty ? name : folder + "/" + name
            let loaded = TravelFile.load(path: path, areas: areas)
            travel.seconds = loaded.value
            for problem in loaded.problems { reader.add(problem) }
        }
        if areas == nil && (members["table"] != nil || travel.speeds.contains { $0.area != nil }) {
            reader.problem("travel by area needs the settings' 'areas'", at: node)
        }
        return travel
    }

    private static func units(_ node: Node?, _ reader: YAMLReader, _ areas: AreaTree?, _ settings: inout DispatchSettings) {
        guard let node else { return }
        let members = reader.mapping(node, "units", known: unitKeys)
        func duration(_ key: String, _ target: inout Int64) {
            if let value = reader.duration(members[key], key) { target = value }
        }
        duration("acknowledge_within", &settings.unitAcknowledgeMilliseconds)
        duration("camera_age", &settings.cameraAgeMilliseconds)
        duration("look_again_after", &settings.lookAgainMilliseconds)
        duration("fix_age", &settings.fixAgeMilliseconds)
        if settings.lookAgainMilliseconds < 1000 {
            reader.problem("look_again_after is at least 1s", at: members["look_again_after"])
        }
        if let metres = reader.number(members["accuracy_m"], "accuracy_m") {
            settings.accuracyMetres = metres
            if metres <= 0 { reader.problem("accuracy_m is a number of metres over 0", at: members["accuracy_m"]) }
        }
        for (key, path) in [("fair_within_m", \DispatchSettings.fairMetres), ("fair_within_s", \DispatchSettings.fairSeconds)] {
            guard let value = reader.number(members[key], key) else { continue }
            if !(0...100_000).contains(value) { reader.problem("\(key) is a number from 0 to 100000", at: members[key]) }
            settings[keyPath: path] = value
        }
        if let tie = reader.choice(members["ties"], "ties", UnitBoard.Tie.allCases.map(\.rawValue)) {
            settings.tie = UnitBoard.Tie(rawValue: tie) ?? settings.tie
        }
        if let node = members["travel"] { settings.travel = travel(node, reader, areas) }
        if let widens = flag(members["widen"], "widen", reader) { settings.widens = widens }
    }

    private static func leads(_ node: Node?, _ reader: YAMLReader, _ settings: inout DispatchSettings) {
        guard let node else { return }
        let members = reader.mapping(node, "leads", known: ["join_within", "join_m", "site_m"])
        if let time = reader.duration(members["join_within"], "join_within") { settings.joinMilliseconds = time }
        for (key, path) in [("join_m", \DispatchSettings.joinMetres), ("site_m", \DispatchSettings.siteMetres)] {
            guard let metres = reader.number(members[key], key) else { continue }
            if !(0...10_000).contains(metres) { reader.problem("\(key) is a number of metres from 0 to 10000", at: members[key]) }
            settings[keyPath: path] = metres
        }
    }

    private static func flag(_ node: Node?, _ what: String, _ reader: YAMLReader) -> Bool? {
        reader.choice(node, what, ["true", "false"]).map { $0 == "true" }
    }

    private static func clocks(_ node: Node?, _ what: String, _ reader: YAMLReader, _ kind: inout DispatchSettings.Kind) {
        guard let node else { return }
        let members = reader.mapping(node, what, known: TaskClock.allCases.map(\.name))
        for clock in TaskClock.allCases {
            guard let node = members[clock.name] else { continue }
            let rule = reader.mapping(node, clock.name, known: ["within", "warn", "from", "until"])
            var value = kind[clock]
            if let limit = reader.duration(rule["within"], "within") { value.limitMilliseconds = limit }
            if let warn = reader.duration(rule["warn"], "warn") { value.warnMilliseconds = warn }
            if let start = reader.choice(rule["from"], "from", DispatchSettings.ClockStart.allCases.map(\.rawValue)) {
                value.start = DispatchSettings.ClockStart(rawValue: start) ?? value.start
            }
            let stops = TaskStage.allCases.filter { $0.progress != nil && $0 != .reported }
            if let stop = reader.choice(rule["until"], "until", stops.map(\.rawValue)) {
                value.stop = TaskStage(rawValue: stop) ?? value.stop
            }
            if value.limitMilliseconds <= 0 { reader.problem("'within' is more than 0", at: rule["within"]) }
            if value.warnMilliseconds >= value.limitMilliseconds {
                reader.problem("'warn' is how long before the end it is warned, so less than 'within'", at: rule["warn"] ?? node)
            }
            if let start = TaskStage(rawValue: value.start.rawValue)?.progress, start >= value.stop.progress! {
                reader.problem("the clock would stop ('until: \(value.stop.rawValue)') before it starts ('from: \(value.start.rawValue)')", at: node)
            }
            kind[clock] = value
        }
    }

    private static func kind(
        _ node: Node, _ name: String, _ reader: YAMLReader, _ base: DispatchSettings.Kind
    ) -> DispatchSettings.Kind {
        var kind = base
        if name.hasPrefix("noise") { kind.feedback = .noise }
        let members = reader.mapping(node, "the kind '\(name)'", known: kindKeys)
        clocks(members["clocks"], "clocks", reader, &kind)
        if let pauses = flag(members["pauses_while_suspended"], "pauses_while_suspended", reader) { kind.pausesWhileSuspended = pauses }
        if let template = reader.choice(members["feedback"], "feedback", FeedbackTemplate.allCases.map(\.rawValue)) {
            kind.feedback = FeedbackTemplate(rawValue: template) ?? kind.feedback
        }
        if let camera = flag(members["camera"], "camera", reader) { kind.needsCamera = camera }
        if let check = flag(members["check"], "check", reader) { kind.needsCheck = check }
        if let time = reader.duration(members["reopen_within"], "reopen_within") { kind.reopenMilliseconds = time }
        if let time = reader.duration(members["still_firing_after"], "still_firing_after") { kind.stillFiringMilliseconds = time }
        kind.capabilities = Set(list(members["capabilities"], "capabilities", reader).compactMap { reader.text($0, "a capability") })
        return kind
    }

    /// `{ kinds, areas, sites, near, within_m, when }`
    private static func priority(
        _ node: Node, _ reader: YAMLReader, _ areas: AreaTree?, _ world: World
    ) -> DispatchSettings.PriorityLine? {
        let members = reader.mapping(node, "a line of 'priority'", known: ["kinds", "areas", "sites", "near", "within_m", "when"])
        if members.isEmpty { reader.problem("a line of 'priority' says which tasks come earlier: kinds, areas, sites, near or when", at: node) }
        func texts(_ key: String) -> [String] { list(members[key], key, reader).compactMap { reader.text($0, key) } }
        func check(_ kind: String, _ key: String) {
            let kinds = world.sites.kinds
            if !kinds.isEmpty && !kinds.contains(kind) {
                reader.problem("no site is of the kind '\(kind)'\(hint(kind, among: kinds))", at: members[key])
            }
        }
        var line = DispatchSettings.PriorityLine()
        (line.kinds, line.areas, line.siteKinds) = (texts("kinds"), texts("areas"), texts("sites"))
        if let areas {
            for code in line.areas where areas.number(ofCode: code) == nil {
                reader.problem("no area has the code '\(code)'\(hint(code, among: areas.areas.map(\.code)))", at: members["areas"])
            }
        }
        for kind in line.siteKinds { check(kind, "sites") }
        line.nearKind = reader.text(members["near"], "near")
        if let kind = line.nearKind { check(kind, "near") }
        if let metres = reader.number(members["within_m"], "within_m") {
            line.nearMetres = metres
            if !(1...50_000).contains(metres) { reader.problem("within_m is a number of metres from 1 to 50000", at: members["within_m"]) }
            if line.nearKind == nil { reader.problem("'within_m' goes with 'near'", at: members["within_m"]) }
        }
        guard let when = WhenReader.when(members["when"], reader, world) else { return nil }
        line.when = when
        return line
    }

    private static func step(_ node: Node, _ reader: YAMLReader) -> DispatchSettings.Step? {
        let members = reader.mapping(node, "a step of 'escalation'", known: ["after", "unless", "tell"])
        for key in ["after", "unless", "tell"] where members[key] == nil { reader.problem("a step of 'escalation' needs the key '\(key)'", at: node) }
        let stages = TaskStage.allCases.filter { ($0.progress ?? 0) > 0 }
        let unless = reader.choice(members["unless"], "unless", stages.map(\.rawValue)).flatMap(TaskStage.init)
        let level = reader.choice(members["tell"], "tell", Area.Level.allCases.map(\.rawValue)).flatMap(Area.Level.init)
        guard let after = reader.duration(members["after"], "after"), let unless, let level else { return nil }
        return DispatchSettings.Step(afterMilliseconds: after, unless: unless, level: level)
    }

    private static func receiver(_ node: Node, _ reader: YAMLReader, _ areas: AreaTree?) -> DispatchSettings.Receiver? {
        let members = reader.mapping(node, "a receiver", known: ["name", "level", "area", "shift"])
        for key in ["name", "level"] where members[key] == nil { reader.problem("a receiver needs the key '\(key)'", at: node) }
        let level = reader.choice(members["level"], "level", Area.Level.allCases.map(\.rawValue)).flatMap(Area.Level.init)
        guard let name = reader.text(members["name"], "name"), let level else { return nil }
        var receiver = DispatchSettings.Receiver(name: name, level: level, area: reader.text(members["area"], "area"))
        if let area = receiver.area, let areas, areas.area(ofCode: area) == nil {
            reader.problem("no area has the code '\(area)'", at: members["area"])
        }
        if let text = reader.text(members["shift"], "shift") {
            receiver.shift = HourRange(text)
            if receiver.shift == nil { reader.problem("shift is hours such as 08:00-20:00, not '\(text)'", at: members["shift"]) }
        }
        return receiver
    }
}
