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
        metric = facts.metric
        (readingsFrom, readingsUntil) = (facts.readings.lowerBound, facts.readings.upperBound)
    }
}

extension AlertDetail {
    /// Of an alert of a Patrol that kept none.
    fileprivate init(ofUnknown alert: Alert) {
        self.init(
            titleEnglish: alert.rule, titleChinese: alert.rule, textEnglish: "", textChinese: "", unit: "", bound: nil,
            standard: nil, coverage: nil, devices: nil, reason: AlertSnapshot.Reason.rule.rawValue)
    }
}

/// Where a group's alert is: at its fence, whatever its vehicles' records say.
extension Engine {
    func isElsewhere(_ snapshot: AlertSnapshot) -> Bool {
        snapshot.subject.map { $0.hasPrefix("fence/") || $0.hasPrefix("rule/") } ?? false
    }

    /// The middle of the corners of its fence.
    func fencePlace(_ snapshot: AlertSnapshot) -> Position? {
        guard let subject = snapshot.subject, subject.hasPrefix("fence/"),
            let corners = options.world.fences[String(subject.dropFirst(6))]?.shape.polygons.first?.rings.first, !corners.isEmpty
        else { return nil }
        let places = corners.map(\.position)
        return Position(
            latitude: places.map(\.latitude).reduce(0, +) / Double(places.count),
            longitude: places.map(\.longitude).reduce(0, +) / Double(places.count))
    }

    func areaOfFence(_ snapshot: AlertSnapshot) -> String? {
        let areas = options.world.areas
        return fencePlace(snapshot).flatMap { areas.number(at: $0) }.map { areas.areas[$0].code }
    }
}

extension Engine {
    /// A firing alert whose severity has risen.
    func writeEscalation(
        _ snapshot: AlertSnapshot, _ row: Alert, _ detail: AlertDetail, into result: inout Committed
    ) throws(StoreError) {
        try store.writeAlertEvent(
            alert: row.id, state: "escalated", at: snapshot.escalatedAt ?? row.startedAt, value: row.value,
            clock: snapshot.clock)
        try publish(CloudEvents.alert(row, detail, options: options, step: "escalated-\(row.severity)"), into: &result)
    }

    /// Open alerts of rules that were changed or taken away.
    func writeEndedAlerts(into result: inout Committed) throws(StoreError) {
        for var row in endedByRules {
            guard row.state == "firing" else {
                try store.deletePendingAlert(id: row.id)
                continue
            }
            dispatcher.alertEnded(row.id)
            silences.silenced[row.id] = nil
            row.state = "resolved"
            row.resolvedAt = state.clock
            try store.write(alert: row)
            try ruleRows.write(reason: AlertSnapshot.Reason.rule.rawValue, of: row.id)
            try store.writeAlertEvent(
                alert: row.id, state: row.state, at: state.clock, value: row.value, clock: state.clock)
            // The rule may be gone: what the alert has said is all that is known.
            let detail = try ruleRows.detail(of: row.id)
            try publish(CloudEvents.alert(row, detail ?? AlertDetail(ofUnknown: row), options: options), into: &result)
        }
        endedByRules.removeAll()
    }
}
