import Delivery
import Rules
import Store
import Telemetry

/// Silences: what they hold back, and what happens when they end. They stand beside the rules: an alert's state is the
/// same with and without them. Their clock is the wall's, as the clock of tasks has it.
extension Engine {
    private var wallClock: Timestamp { serverClock + -clockCorrection }

    func restoreSilences() throws(StoreError) {
        silences = SilenceBook()
        silences.standing = try silenceRows.standing()
        for (alert, silence) in try silenceRows.silenced() { silences.silenced[alert] = silence }
    }

    /// What is due next: a clock of tasks or the end of a silence.
    func refreshNextDue() {
        nextDue = dispatcher.nextDue
        guard !silences.standing.isEmpty, options.knowsRules, !options.isAtRest else { return }
        nextDue = min(nextDue, (silences.nextEnd + clockCorrection).milliseconds)
    }

    private func note(_ step: SilenceBook.Step) {
        silences.steps.append((dispatchJournal.seenTransitions, dispatchJournal.events.count, step))
    }

    // MARK: Transitions

    /// Whether the dispatcher is not to know of a transition, since its alert is silenced.
    func isHeldBack(_ snapshot: AlertSnapshot, number: Int) -> Bool {
        let alert = alert(snapshot)
        switch snapshot.state {
        case .pending: return false
        case .resolved:
            guard let silence = silences.silenced.removeValue(forKey: alert.id) else { return false }
            silences.ofTransitions[number] = silence
            return true
        case .firing:
            if snapshot.isEscalation && silences.silenced[alert.id] == nil { return false }
            if let silence = silences.match(alert, at: wallClock, options.world.areas) {
                silences.silenced[alert.id] = silence.id
                silences.ofTransitions[number] = silence.id
                return true
            }
            // Grown worse than what is silenced: behind the escalation it speaks.
            if snapshot.isEscalation {
                var current = snapshot
                (current.isEscalation, current.escalatedAt) = (false, nil)
                speak(current, alert, at: serverClock)
                return true
            }
            return false
        }
    }

    /// An alert whose silence is over acts as if it fired now.
    private func speak(_ snapshot: AlertSnapshot, _ alert: Alert, at moment: Timestamp) {
        silences.silenced[alert.id] = nil
        note(.speaks(snapshot, at: moment))
        guard let kind = options.rules.definitions[snapshot.rule].taskKind else { return }
        let device = table.devices[Int(snapshot.device)]
        let place = fencePlace(snapshot).map { ($0.latitude, $0.longitude) } ?? device.lat.flatMap { lat in device.lon.map { (lat, $0) } }
        dispatcher.alertFired(alert, kind: kind, place: place, at: moment)
        noteDispatch()
    }

    // MARK: Ends

    /// Ends what is over at a moment of the clock of tasks; alerts that still fire and that no other silence matches speak.
    /// - Parameter server: the clock of tasks as it is now: who speaks does so now.
    /// - Returns: whether one was.
    func endSilences(at moment: Timestamp, now server: Timestamp) -> Bool {
        let now = moment + -clockCorrection
        guard options.knowsRules, !options.isAtRest, silences.nextEnd <= now else { return false }
        let over = silences.standing.filter { $0.silence.endsAt <= now }
        silences.standing.removeAll { $0.silence.endsAt <= now }
        for (number, silence) in over {
            var ended = silence
            ended.endedAt = server
            note(.expired(number: number, ended))
        }
        let ids = Set(over.map(\.silence.id))
        let freed = silences.silenced.filter { ids.contains($0.value) }
        if !freed.isEmpty {
            let firing = alerts.firing().map { ($0, alert($0)) }.filter { freed[$0.1.id] != nil }
            for (snapshot, alert) in firing.sorted(by: { $0.1.id < $1.1.id }) {
                if let other = silences.match(alert, at: now, options.world.areas) {
                    silences.silenced[alert.id] = other.id
                    note(.moved(alert: alert.id, silence: other.id))
                } else {
                    speak(snapshot, alert, at: server)
                }
            }
        }
        refreshNextDue()
        return true
    }

    // MARK: Writing

    /// Writes what came before a transition and before the task's event that is written next.
    func writeSilences(beforeTransition number: Int, into result: inout Committed) throws(StoreError) {
        while let (transitions, events, step) = silences.steps.first, transitions <= number, events <= dispatchJournal.written {
            silences.steps.removeFirst()
            switch step {
            case .moved(let alert, let silence): try silenceRows.set(silence, of: alert)
            case .expired(let number, let silence):
                try silenceRows.write(silence, number: number)
                try publish(CloudEvents.silence(silence, "expired", at: silence.endedAt ?? silence.endsAt, options: options), into: &result)
            case .speaks(let snapshot, let moment):
                let row = alert(snapshot)
                let detail = AlertDetail(snapshot, device: table.devices[Int(snapshot.device)], self)
                try ruleRows.write(detail: detail, of: row.id)
                try store.writeAlertEvent(alert: row.id, state: "unsilenced", at: moment, value: row.value, clock: moment)
                try publish(CloudEvents.alert(row, detail, options: options, unsilencedAt: moment), into: &result)
            }
        }
    }

    // MARK: Actions

    func addSilence(
        _ action: Action, at clock: Timestamp, into result: inout Committed
    ) throws(StoreError) -> Result<String, ActionRefusal> {
        let now = wallClock
        func moment(_ name: String) -> Timestamp? { action.number(name).map { Timestamp(milliseconds: Int64($0)) } }
        let number = try silenceRows.nextNumber()
        let starts = moment("from") ?? now
        var silence = Silence(
            id: Identifier.silence(number: number), author: action.author, role: action.role.rawValue,
            reason: action.text("reason") ?? "", createdAt: clock, startsAt: starts, endsAt: moment("until") ?? starts, match: [:])
        for matcher in Silence.Matcher.allCases where !action.list(matcher.rawValue).isEmpty {
            silence.match[matcher] = action.list(matcher.rawValue)
        }
        if let refusal = refusal(of: silence, now: now) { return .failure(refusal) }
        silences.standing.append((number, silence))
        refreshNextDue()
        try silenceRows.write(silence, number: number)
        try publish(CloudEvents.silence(silence, "created", at: clock, options: options), into: &result)
        return .success(CloudEvent.data(silence).text)
    }

    private func refusal(of silence: Silence, now: Timestamp) -> ActionRefusal? {
        func invalid(_ text: String, _ field: String?) -> ActionRefusal { ActionRefusal(.invalid, text, field: field) }
        if silence.match.isEmpty {
            let names = Silence.Matcher.allCases.map(\.rawValue).joined(separator: ", ")
            return invalid("a silence says what it silences: one of \(names)", nil)
        }
        if silence.endsAt <= max(now, silence.startsAt) {
            return invalid("until \(silence.endsAt.rfc3339()) is not after the start, or is over already", "until")
        }
        if silence.endsAt - max(now, silence.startsAt) > Silence.maximumMilliseconds {
            return invalid("a silence lasts a year at most", "until")
        }
        if silences.standing.count >= Silence.maximumStanding {
            return ActionRefusal(.unavailable, "\(Silence.maximumStanding) silences stand already; expire some")
        }
        let severities = RuleDefinition.Severity.allCases.map(\.rawValue)
        var known: [Silence.Matcher: [String]] = [.severities: severities, .kinds: Kind.allCases.map(\.name)]
        if options.knowsRules && !options.isAtRest { known[.rules] = options.rules.definitions.map(\.id) }
        for (matcher, names) in known {
            let unknown = silence.match[matcher]?.first { name in
                name.hasSuffix("*") && matcher == .rules ? !names.contains { $0.hasPrefix(name.dropLast()) } : !names.contains(name)
            }
            if let unknown {
                return invalid("\(matcher.rawValue): there is no '\(unknown)'; there are \(names.prefix(20).joined(separator: ", "))", matcher.rawValue)
            }
        }
        let areas = options.world.areas
        if !areas.isEmpty, let unknown = silence.match[.areas]?.first(where: { areas.area(ofCode: $0) == nil }) {
            return invalid("areas: no area has the code '\(unknown)'", "areas")
        }
        return nil
    }

    func expireSilence(
        _ action: Action, at clock: Timestamp, into result: inout Committed
    ) throws(StoreError) -> Result<String, ActionRefusal> {
        let id: String
        switch try find(action.subject, in: "silence") {
        case .success(let found): id = found
        case .failure(let refusal): return .failure(refusal)
        }
        guard let index = silences.standing.firstIndex(where: { $0.silence.id == id }) else {
            return .failure(ActionRefusal(.conflict, "the silence \(id) is over already", possible: []))
        }
        silences.standing[index].silence.endsAt = wallClock
        silences.standing[index].silence.endedBy = action.author
        let (number, silence) = silences.standing[index]
        try silenceRows.write(silence, number: number)
        // At rest it is over for the next Patrol, which knows the rules.
        _ = endSilences(at: serverClock, now: serverClock)
        try writeDispatch(into: &result)
        var answer = CloudEvent.data(silence)
        answer.add("alerts_silenced", raw: "\(silences.silenced.values.filter { $0 == id }.count)")
        return .success(answer.text)
    }
}
