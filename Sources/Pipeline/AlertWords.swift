import Rules
import Store
import Telemetry

extension AlertDetail {
    /// What an alert says to people.
    init(_ alert: AlertSnapshot, device: Device, _ engine: Engine) {
        let rule = engine.options.rules.definitions[alert.rule]
        let devices = alert.devices.map { engine.table.devices[Int($0)].id }
        let facts = AlertFacts(alert: alert, rule: rule, device: device, devices: devices, world: engine.options.world)
        self.init(
            titleEnglish: rule.titleEnglish, titleChinese: rule.titleChinese, textEnglish: facts.english,
            textChinese: facts.chinese, unit: rule.unit, bound: facts.bound, standard: facts.standard,
            coverage: facts.coverage, devices: devices.isEmpty ? nil : devices.joined(separator: ","),
            reason: alert.state == .resolved ? alert.reason.rawValue : nil)
    }
}

extension Engine {
    /// A firing alert whose severity has risen.
    func writeEscalation(_ snapshot: AlertSnapshot, _ row: Alert, into result: inout Committed) throws(StoreError) {
        try store.writeAlertEvent(
            alert: row.id, state: "escalated", at: snapshot.escalatedAt ?? row.startedAt, value: row.value,
            clock: snapshot.clock)
        guard options.publishes else { return }
        var event = CloudEvents.alert(
            row, rule: options.rules.definitions[snapshot.rule], options: options, step: "escalated-\(row.severity)")
        event.sequence = try store.append(outbox: event)
        result.events.append(event)
    }

    /// Open alerts of rules that were changed or taken away.
    func writeEndedAlerts(into result: inout Committed) throws(StoreError) {
        for var row in endedByRules {
            guard row.state == "firing" else {
                try store.deletePendingAlert(id: row.id)
                continue
            }
            dispatcher.alertEnded(row.id)
            row.state = "resolved"
            row.resolvedAt = state.clock
            try store.write(alert: row)
            try ruleRows.write(reason: AlertSnapshot.Reason.rule.rawValue, of: row.id)
            try store.writeAlertEvent(
                alert: row.id, state: row.state, at: state.clock, value: row.value, clock: state.clock)
            guard options.publishes else { continue }
            // The rule may be gone: its name is all that is known of it.
            let rule = options.rules.definitions.first { $0.id == row.rule }
            var event = CloudEvents.alert(
                row,
                rule: rule
                    ?? RuleDefinition(
                        id: row.rule, titleEnglish: row.rule, titleChinese: row.rule, kind: row.kind,
                        condition: .all([.leaf(Leaf(.missed(1), .holds))]), holdMilliseconds: 0, severity: .info,
                        taskKind: nil), options: options)
            event.sequence = try store.append(outbox: event)
            result.events.append(event)
        }
        endedByRules.removeAll()
    }
}
