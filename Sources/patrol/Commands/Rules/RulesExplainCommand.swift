import ArgumentParser
import Foundation
import Rules
import Settings
import Store
import Telemetry

struct RulesExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Why an alert fired, or why none did: each rule's state and the readings it stands on.",
        discussion: """
            The store's readings run through the rules up to the moment asked for; the last ones of the device are shown with
            what became of its alerts.

            EXAMPLES
              patrol rules explain a3f0c2 --from patrol.db --config patrol.yaml
              patrol rules explain --device meter-7 --at 2024-06-07T22:10 --from patrol.db --config patrol.yaml
            """)

    @Argument(help: "An alert's id, or its beginning.") var alert: String?
    @Option(help: "A device.") var device: String?
    @Option(help: "The moment: 10m, 2024-06-07T22:10, RFC 3339; with --device.") var at: String?
    @Option(name: .customLong("rules"), help: "Rule files or folders; without them those of the settings.") var files: [String] = []
    @Option(help: "Settings; ./patrol.yaml where it is there.") var config: String?
    @Option(help: "One rule only.") var rule: String?
    @Option(help: "Readings shown.") var readings = 20
    @OptionGroup var source: ReadingSource

    func run() throws {
        Output.ignoreBrokenPipe()
        var sources = RuleSources()
        (sources.rules, sources.config) = (files, config)
        let loaded = try sources.load()
        let store = try source.open()
        defer { store.close() }
        let devices = try store.devices(loaded.settings)
        let question = try question(store, devices, loaded.world)
        guard let target = devices.first(where: { $0.id == question.device && (question.kind == nil || $0.kind == question.kind) })
        else { throw Exit.fail("the store has no device '\(question.device)'", Exit.usage) }

        var run = RuleRun(rules: RuleSet(loaded.rules), world: loaded.world)
        for device in devices { run.add(device: device) }
        var clock = Timestamp.distantPast
        var shown: [Reading] = []
        try Exit.onStoreFailure {
            try ReadingRun(path: store.path).forEach(damaged: { Exit.warn($0) }, contested: { run.contest($0) }) { reading, text in
                guard max(clock, reading.received) <= question.at || (reading.ts <= question.at && reading.device == target.number)
                else { return }
                clock = max(clock, reading.received)
                run.take(copy reading, text: text, clock: clock)
                guard reading.device == target.number else { return }
                shown.append(copy reading)
                if shown.count > readings { shown.removeFirst() }
            }
        }
        run.advance(to: question.at)
        let rows = BacktestReport(
            Backtest.Outcome(alerts: run.alerts, devices: devices, readings: 0, end: question.at), rules: loaded.rules, zone: loaded.world.zone)
        show(run, target, question, loaded.rules, rows, shown)
    }

    private struct Question {
        var device: String
        var kind: Kind?
        var at: Timestamp
        var rule: String?
    }

    private func question(_ store: ReadingStore, _ devices: [Device], _ world: World) throws -> Question {
        if let alert {
            let rows = try Exit.onStoreFailure {
                try StoreReader(path: store.path).rows(
                    "SELECT rule, device, kind, coalesce(fired_at, started_at) FROM alert WHERE id LIKE ? || '%' LIMIT 2", [.text(alert)]
                ).rows
            }
            guard let row = rows.first else { throw Exit.fail("the store has no alert '\(alert)'", Exit.usage) }
            guard rows.count == 1 else { throw Exit.fail("more than one alert begins with '\(alert)'", Exit.usage) }
            return Question(
                device: row[1].text, kind: Kind(name: row[2].text), at: Timestamp(milliseconds: row[3].integer), rule: row[0].text)
        }
        guard let device else { throw Exit.fail("name an alert, or --device and --at", Exit.usage) }
        let zone = TimeZone(identifier: world.zone.identifier) ?? .gmt
        let moment = try at.map { Timestamp(milliseconds: try MomentOption.parse($0, timezone: zone)) }
        return Question(
            device: device, kind: nil, at: moment ?? Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)), rule: rule)
    }

    private func show(
        _ run: RuleRun, _ device: Device, _ question: Question, _ rules: [RuleDefinition], _ report: BacktestReport,
        _ readings: [Reading]
    ) {
        let place = [device.site.map { "site \($0)" }, device.area.map { "area \($0)" }, device.zone.map { "zone \($0)" }]
            .compactMap { $0 }.joined(separator: ", ")
        Output.line("\(device.kind.name) \(device.id)\(place.isEmpty ? "" : " (\(place))") at \(report.shown(question.at))")
        let explanations = run.engine.explain(device: device.number, at: question.at)
        if explanations.isEmpty { Output.line("no rule applies to it: see 'on' and 'where' of the rules") }
        for explanation in explanations {
            let rule = rules[explanation.rule]
            if let wanted = question.rule, rule.id != wanted { continue }
            var head = "\n\(rule.id): \(explanation.phase)"
            if let time = explanation.startedAt { head += ", began \(report.shown(time))" }
            if let time = explanation.firedAt { head += ", fired \(report.shown(time))" }
            if explanation.phase == "pending", rule.holdMilliseconds > 0 { head += ", must hold for \(durationText(rule.holdMilliseconds))" }
            if let time = explanation.wakesAt { head += " until \(report.shown(time)) or later" }
            if let other = explanation.inhibitor { head += ", held back by \(other)" }
            Output.line(head)
            for line in explanation.lines {
                var text = "  \(line.isKnown ? (line.holds ? "holds    " : "does not ") : "not known") \(line.leaf)"
                if let value = line.value { text += " \(value)" }
                if let bound = line.bound { text += " against \(bound)" }
                if let coverage = line.coverage { text += ", \(Int((coverage * 100).rounded())) % covered" }
                Output.line(text)
            }
        }
        let own = report.rows.filter { $0.device == device.id && (question.rule == nil || $0.rule == question.rule) }.suffix(10)
        if !own.isEmpty {
            Output.line("\nAlerts up to then")
            let cells = own.map { row -> [String] in
                [row.rule, report.shown(row.started), report.shown(row.fired), row.resolved.map(report.shown) ?? "open", "\(row.value)", row.reason]
            }
            for line in BacktestReport.aligned([["rule", "began", "fired", "resolved", "value", "reason"]] + cells) { Output.line(line) }
        }
        Output.line("\nIts last readings")
        for reading in readings {
            var text = report.shown(reading.ts)
            for field in device.kind.description.fields {
                switch field.storage {
                case .number(let index, _, _): if let value = reading.value(index) { text += " \(field.name) \(value)" }
                case .bool(let bit): if let on = reading.bit(bit) { text += " \(field.name) \(on)" }
                case .flags(let first, let names):
                    for (index, name) in names.enumerated() where reading.bits >> UInt16(first + index) & 1 == 1 { text += " \(name)" }
                case .time, .text, .period: break
                }
            }
            Output.line("  \(text)\(reading.isBackfill ? " (backfill: raises nothing)" : "")")
        }
    }
}
