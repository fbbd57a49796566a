import Rules
import Telemetry
import Yams

/// One scenario of a ``RuleTestFile``.
struct RuleTestReader {
    let reader: YAMLReader
    let zone: LocalZone
    let rules: [String]

    func test(_ node: Node) -> RuleTest? {
        let before = reader.problems.count
        let members = reader.mapping(node, "a test", known: RuleTestFile.testKeys)
        for key in ["name", "start", "devices", "readings"] where members[key] == nil {
            reader.problem("a test needs the key '\(key)'", at: node)
        }
        guard let name = reader.text(members["name"], "name"), let start = moment(members["start"]) else { return nil }
        let every = reader.duration(members["every"], "every") ?? 1000
        if !(1...86_400_000).contains(every) {
            reader.problem("every is from 1ms to 24h", at: members["every"])
            return nil
        }
        var test = RuleTest(name: name, line: node.mark?.line ?? 1, start: start, until: start)
        test.devices = list(members["devices"], "devices").enumerated().compactMap { device($0.element, UInt32($0.offset)) }
        for item in list(members["readings"], "readings") { series(item, every, &test) }
        // Of one moment in the order of the file.
        test.steps = test.steps.enumerated()
            .sorted { ($0.element.reading.ts, $0.offset) < ($1.element.reading.ts, $1.offset) }.map(\.element)
        test.until = max(test.until, start + (reader.duration(members["until"], "until") ?? 0))
        for item in list(members["actions"], "actions") { action(item, &test) }
        test.actions.sort { $0.at < $1.at }
        for item in list(members["expect"], "expect") { expected(item, &test) }
        return reader.problems.count == before ? test : nil
    }

    private func list(_ node: Node?, _ what: String) -> [Node] {
        guard let node else { return [] }
        guard case .sequence(let list) = node else {
            reader.problem("'\(what)' is a list", at: node)
            return []
        }
        return Array(list)
    }

    /// RFC 3339, or without an offset in the settings' zone.
    private func moment(_ node: Node?) -> Timestamp? {
        guard let node, let text = reader.text(node, "start") else { return nil }
        if let moment = Timestamp(rfc3339: text) { return moment }
        if let shown = Timestamp(rfc3339: text + "Z") {
            let midnight = shown.bucketStart(widthMilliseconds: 86_400_000)
            return zone.moment(LocalDay(number: Int32(midnight.milliseconds / 86_400_000)), shown - midnight)
        }
        reader.problem("start is a time such as 2024-06-07T22:00:00, not '\(text)'", at: node)
        return nil
    }

    private func device(_ node: Node, _ number: UInt32) -> Device? {
        let members = reader.mapping(node, "a device", known: RuleTestFile.deviceKeys)
        guard let id = reader.text(members["id"], "id") else {
            reader.problem("a device needs the key 'id'", at: node)
            return nil
        }
        let name = reader.choice(members["kind"], "kind", Kind.allCases.map(\.name))
        if members["kind"] == nil { reader.problem("a device needs the key 'kind'", at: node) }
        guard let kind = name.flatMap({ Kind(name: $0) }) else { return nil }
        func text(_ key: String) -> String? { reader.text(members[key], key) }
        return Device(
            number: number, kind: kind, id: id, gateway: "test", name: text("name"), area: text("area"), site: text("site"),
            zone: text("zone"), lat: reader.number(members["lat"], "lat"), lon: reader.number(members["lon"], "lon"),
            team: text("team"), tags: text("tags"))
    }

    private func known(_ node: Node?, _ test: RuleTest) -> Device? {
        guard let node, let id = reader.text(node, "device") else { return nil }
        if let device = test.devices.first(where: { $0.id == id }) { return device }
        reader.problem("the test has no device '\(id)'\(hint(id, among: test.devices.map(\.id)))", at: node)
        return nil
    }

    // MARK: Series

    private func series(_ node: Node, _ every: Int64, _ test: inout RuleTest) {
        guard case .mapping(let mapping) = node, let device = known(mapping["device"], test) else {
            reader.problem("readings are mappings with 'device' and a series for each value", at: node)
            return
        }
        let fields = device.kind.description.fields
        let members = reader.mapping(node, "readings of \(device.kind.name)", known: ["device", "from", "late"] + fields.map(\.name))
        let from = reader.duration(members["from"], "from") ?? 0
        let late = reader.duration(members["late"], "late") ?? 0
        var columns: [(field: Field, cells: [String?])] = []
        for field in fields {
            guard let value = members[field.name], let cells = expand(value, field.name) else { continue }
            columns.append((field, cells))
        }
        let count = columns.map(\.cells.count).max() ?? 0
        guard count + test.steps.count <= RuleTestFile.maximumSteps else {
            reader.problem("a test has at most \(RuleTestFile.maximumSteps) readings", at: node)
            return
        }
        for step in 0..<count {
            var reading = Reading(kind: device.kind, periodMilliseconds: UInt32(every))
            reading.device = device.number
            reading.ts = test.start + (from + Int64(step) * every)
            reading.received = reading.ts + late
            var officer: [UInt8] = [], boot: [UInt8] = []
            var isEmpty = true
            for (field, cells) in columns where step < cells.count {
                guard let cell = cells[step] else { continue }
                isEmpty = false
                if !set(cell, field, &reading, &officer, &boot) {
                    reader.problem("'\(cell)' is no value of \(field.name)", at: members[field.name])
                    return
                }
            }
            if isEmpty { continue }
            reading.officerBytes = UInt8(officer.count)
            reading.bootBytes = UInt8(boot.count)
            test.steps.append(RuleTest.Step(reading: reading, text: officer + boot))
        }
        test.until = max(test.until, test.start + (from + Int64(count) * every + late))
    }

    /// `72x40 _x10 55` to cells; `_` is nil.
    private func expand(_ node: Node, _ what: String) -> [String?]? {
        guard let text = reader.text(node, what) else { return nil }
        var cells: [String?] = []
        for part in text.split(separator: " ") {
            var value = part
            var times = 1
            if let cross = part.lastIndex(of: "x"), cross > part.startIndex, let number = Int(part[part.index(after: cross)...]) {
                (value, times) = (part[..<cross], number)
            }
            guard (1...RuleTestFile.maximumSteps).contains(times), cells.count + times <= RuleTestFile.maximumSteps else {
                reader.problem("'\(part)': a series has 1 to \(RuleTestFile.maximumSteps) steps", at: node)
                return nil
            }
            cells += Array(repeating: value == "_" ? nil : String(value), count: times)
        }
        return cells
    }

    private func set(
        _ cell: String, _ field: Field, _ reading: inout Reading, _ officer: inout [UInt8], _ boot: inout [UInt8]
    ) -> Bool {
        switch field.storage {
        case .number(let index, let range, _):
            guard let value = Double(cell), range.contains(value) else { return false }
            reading.set(index, value)
        case .bool(let bit):
            guard cell == "true" || cell == "false" else { return false }
            reading.setBit(bit, cell == "true")
        case .flags(let firstBit, let names):
            for name in cell.split(separator: "+") {
                guard let index = names.firstIndex(of: String(name)) else { return false }
                reading.setBit(firstBit + index, true)
            }
        case .period:
            guard let seconds = Double(cell), seconds > 0, seconds < 86_400 else { return false }
            reading.periodMilliseconds = UInt32(seconds * 1000)
        case .text(.officer): officer = Array(cell.utf8.prefix(Limits.textBytes / 2))
        case .text(.boot): boot = Array(cell.utf8.prefix(Limits.textBytes / 2))
        case .time: return false
        }
        return true
    }

    // MARK: Actions and alerts

    private func rule(_ node: Node?) -> String? {
        guard let node, let id = reader.text(node, "rule") else { return nil }
        if rules.contains(id) { return id }
        reader.problem("there is no rule '\(id)'\(hint(id, among: rules))", at: node)
        return nil
    }

    private func action(_ node: Node, _ test: inout RuleTest) {
        let members = reader.mapping(node, "an action", known: ["at", "end", "device", "second_gateway"])
        let isEnd = members["second_gateway"] == nil
        for key in isEnd ? ["at", "end", "device"] : ["at"] where members[key] == nil {
            reader.problem("an action needs the key '\(key)'", at: node)
        }
        let rule = isEnd ? rule(members["end"]) : nil
        guard let at = reader.duration(members["at"], "at"), rule != nil || !isEnd,
            let device = known(members[isEnd ? "device" : "second_gateway"], test)
        else { return }
        test.actions.append(RuleTest.Action(at: test.start + at, rule: rule, device: device.id))
        test.until = max(test.until, test.start + at)
    }

    private func expected(_ node: Node, _ test: inout RuleTest) {
        let members = reader.mapping(node, "an expected alert", known: RuleTestFile.expectKeys)
        guard let rule = rule(members["rule"]) else {
            if members["rule"] == nil { reader.problem("an expected alert needs the key 'rule'", at: node) }
            return
        }
        var expected = RuleTest.Expected(rule: rule)
        if members["device"] != nil { expected.device = known(members["device"], test)?.id }
        expected.subject = reader.text(members["subject"], "subject")
        expected.started = reader.duration(members["started"], "started")
        expected.fired = reader.duration(members["fired"], "fired")
        if members["resolved"]?.string == "never" {
            expected.isOpen = true
        } else {
            expected.resolved = reader.duration(members["resolved"], "resolved")
        }
        expected.value = reader.number(members["value"], "value")
        expected.severity = reader.choice(members["severity"], "severity", RuleDefinition.Severity.allCases.map(\.rawValue))
        expected.reason = reader.text(members["reason"], "reason")
        expected.english = reader.text(members["en"], "en")
        expected.chinese = reader.text(members["zh"], "zh")
        test.expected.append(expected)
    }
}
