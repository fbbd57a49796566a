public import Rules
public import Telemetry

/// Runs a ``RuleTest`` and compares. Pure.
public enum RuleScenario {
    public struct Outcome: Sendable {
        public var isWell: Bool
        /// Expected and got, aligned: what fits is marked `=`, what is missing `-`, what is too much `+`.
        public var lines: [String]
    }

    public static func run(_ test: RuleTest, rules: [RuleDefinition], world: World) -> Outcome {
        var run = RuleRun(rules: RuleSet(rules), world: world)
        for device in test.devices { run.add(device: device) }
        // In the order of arrival; what a person does comes before a reading of the same moment.
        var actions = test.actions[...]
        var refused: [String] = []
        func act(_ run: inout RuleRun, until moment: Timestamp) {
            while let action = actions.first, action.at <= moment {
                actions.removeFirst()
                guard let device = test.devices.first(where: { $0.id == action.device }) else { continue }
                guard let id = action.rule else {
                    run.contest(device.number)
                    continue
                }
                guard let rule = rules.firstIndex(where: { $0.id == id }) else { continue }
                if !run.end(rule: rule, device: device.number, at: action.at) {
                    refused.append("! at \(after(action.at, test)): no alert of \(id) fires at \(action.device)")
                }
            }
        }
        for step in test.steps.enumerated().sorted(by: {
            ($0.element.reading.received, $0.offset) < ($1.element.reading.received, $1.offset)
        }).map(\.element) {
            act(&run, until: step.reading.received)
            run.take(step.reading, text: step.text, clock: step.reading.received)
        }
        act(&run, until: test.until)
        run.advance(to: test.until)

        var left = run.alerts.map { (fired: $0, isTaken: false) }
        var lines: [String] = []
        var isWell = refused.isEmpty
        for expected in test.expected {
            let index = left.firstIndex { !$0.isTaken && fits(expected, $0.fired, test, rules, world) }
            if let index {
                left[index].isTaken = true
                lines.append("= " + describe(left[index].fired, test, rules))
            } else {
                isWell = false
                lines.append("- " + describe(expected))
            }
        }
        for (fired, isTaken) in left where !isTaken {
            isWell = false
            let words = words(fired, test, rules, world)
            lines.append("+ " + describe(fired, test, rules) + (words.english.isEmpty ? "" : "  en: \"\(words.english)\""))
        }
        return Outcome(isWell: isWell, lines: lines + refused)
    }

    private static func device(_ fired: RuleRun.Fired, _ test: RuleTest) -> Device {
        test.devices.first { $0.number == fired.last.device } ?? test.devices[0]
    }

    private static func words(
        _ fired: RuleRun.Fired, _ test: RuleTest, _ rules: [RuleDefinition], _ world: World
    ) -> (english: String, chinese: String) {
        let ids = fired.last.devices.compactMap { number in test.devices.first { $0.number == number }?.id }
        let facts = AlertFacts(
            alert: fired.last, rule: rules[fired.last.rule], device: device(fired, test), devices: ids, world: world)
        return (facts.english, facts.chinese)
    }

    private static func fits(
        _ expected: RuleTest.Expected, _ fired: RuleRun.Fired, _ test: RuleTest, _ rules: [RuleDefinition], _ world: World
    ) -> Bool {
        let alert = fired.last
        func same(_ wanted: Int64?, _ moment: Timestamp?) -> Bool {
            guard let wanted else { return true }
            return moment.map { $0 - test.start == wanted } ?? false
        }
        guard rules[alert.rule].id == expected.rule, same(expected.started, alert.startedAt),
            same(expected.fired, alert.firedAt), same(expected.resolved, fired.resolvedAt),
            !expected.isOpen || fired.resolvedAt == nil
        else { return false }
        if let device = expected.device, self.device(fired, test).id != device { return false }
        if let subject = expected.subject, alert.subject != subject { return false }
        if let value = expected.value, abs(alert.value - value) > 0.005 { return false }
        if let severity = expected.severity, alert.severity.rawValue != severity { return false }
        if let reason = expected.reason, fired.resolvedAt == nil || alert.reason.rawValue != reason { return false }
        let words = words(fired, test, rules, world)
        if let english = expected.english, !words.english.contains(english) { return false }
        if let chinese = expected.chinese, !words.chinese.contains(chinese) { return false }
        return true
    }

    // MARK: For people

    private static func after(_ moment: Timestamp, _ test: RuleTest) -> String {
        let milliseconds = moment - test.start
        return milliseconds == 0 ? "0s" : milliseconds < 0 ? "-" + durationText(-milliseconds) : durationText(milliseconds)
    }

    private static func columns(_ cells: [(String, String?)]) -> String {
        cells.map { name, value in
            let text = "\(name) \(value ?? "*")"
            return text + String(repeating: " ", count: max(0, 16 - text.count))
        }.joined(separator: " ").trimmingTrailingSpaces
    }

    private static func describe(_ fired: RuleRun.Fired, _ test: RuleTest, _ rules: [RuleDefinition]) -> String {
        let alert = fired.last
        return columns([
            ("rule", rules[alert.rule].id), ("device", alert.subject ?? device(fired, test).id),
            ("started", after(alert.startedAt, test)), ("fired", alert.firedAt.map { after($0, test) }),
            ("resolved", fired.resolvedAt.map { after($0, test) } ?? "never"), ("value", "\(alert.value)"),
            ("severity", alert.severity.rawValue), ("reason", fired.resolvedAt == nil ? "-" : alert.reason.rawValue),
        ])
    }

    private static func describe(_ expected: RuleTest.Expected) -> String {
        func time(_ milliseconds: Int64?) -> String? { milliseconds.map { $0 == 0 ? "0s" : durationText($0) } }
        var text = columns([
            ("rule", expected.rule), ("device", expected.subject ?? expected.device), ("started", time(expected.started)),
            ("fired", time(expected.fired)), ("resolved", expected.isOpen ? "never" : time(expected.resolved)),
            ("value", expected.value.map { "\($0)" }), ("severity", expected.severity), ("reason", expected.reason),
        ])
        if let english = expected.english { text += "  en: \"\(english)\"" }
        if let chinese = expected.chinese { text += "  zh: \"\(chinese)\"" }
        return text
    }
}

extension String {
    fileprivate var trimmingTrailingSpaces: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
