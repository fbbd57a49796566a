public import Telemetry

/// One-key dispatch (一键调度): all free units of some areas or within a radius are sent to one place, as one task whose crew
/// they are.
extension Dispatcher {
    /// - Throws: where it names no place, nobody to send, or nobody is free.
    @discardableResult
    public func muster(_ action: Action, at: Timestamp) throws(ActionRefusal) -> TaskState {
        var lead = Lead(kind: action.text("kind") ?? "muster", text: action.text("text"))
        (lead.site, lead.area, lead.lat, lead.lon) = (action.text("site"), action.text("area"), action.number("lat"), action.number("lon"))
        lead = try placed(lead)
        let areas = action.list("areas")
        let within = action.number("within")
        guard !areas.isEmpty || within != nil else {
            throw ActionRefusal(.invalid, "say whom to send: 'areas', or 'within' so many metres, or both", field: "areas")
        }
        for code in areas where !units.areas.isEmpty && units.areas.number(ofCode: code) == nil {
            throw ActionRefusal(.invalid, "no area has the code '\(code)'", field: "areas")
        }
        let position = lead.lat.flatMap { lat in lead.lon.map { Position(latitude: lat, longitude: $0) } }
        guard within == nil || position != nil else {
            throw ActionRefusal(.invalid, "a radius needs a place with coordinates", field: "within")
        }
        let (chosen, choice) = units.muster(
            areas: areas, around: position, within: within, fixAge: settings.fixAgeMilliseconds, at: at)
        guard !chosen.isEmpty else {
            throw ActionRefusal(.conflict, units.isEmpty ? "there are no units" : "nobody is free: \(choice.summary)", field: "areas")
        }
        let id = Identifier.lead(kind: lead.kind, reference: "muster\n\(action.author)\n\(at.milliseconds)\n\(nextNumber)")
        var task = TaskState(
            id: id, number: 0, situation: "muster\n\(id)", kind: lead.kind, area: lead.area ?? "unknown", severity: "warning",
            createdAt: at, by: action.author)
        (task.site, task.lat, task.lon, task.subject) = (lead.site, lead.lat, lead.lon, lead.text)
        task.crew = chosen.map { TaskState.Member(unit: $0, at: at) }
        let made = make(
            task, who: action.author, role: action.role, why: "one-key dispatch",
            source: TaskSource(kind: "muster", reference: id, text: lead.text))
        return move(made, from: .reported, to: .assigned, at: at, who: action.author, role: action.role, why: "\(chosen.count) units") {
            $0.choice = choice
        }
    }

    /// What a unit of a crew does; nil where the task has none, or the verb is about the task as a whole.
    func applyToCrew(_ verb: TaskVerb, _ task: TaskState, _ action: Action, at: Timestamp) throws(ActionRefusal) -> TaskState? {
        guard task.crew.contains(where: { $0.stage != .returned }), task.stage.occupiesUnit, [.assign, .acknowledge, .setOut, .arrive, .giveBack].contains(verb) else { return nil }
        var next = task
        if verb == .assign {
            var one = task
            try assign(&one, action, at: at)
            guard !task.crew.contains(where: { $0.unit == one.unit && $0.stage != .returned }) else {
                throw ActionRefusal(.conflict, "the unit \(one.unit!) is on its way already", field: "unit")
            }
            next.crew.removeAll { $0.unit == one.unit }
            next.crew.append(TaskState.Member(unit: one.unit!, at: at))
            (next.lastBy, next.lastAt) = (action.author, at)
            return record(next, "assigned", from: nil, at: at, who: action.author, role: action.role, why: action.text("why")) { $0.unit = one.unit }
        }
        let index = try member(of: task, action)
        let member = task.crew[index]
        guard verb.isPossible(in: member.stage), let target = verb.target else {
            throw ActionRefusal(
                .conflict, "\(verb.rawValue) is not possible: the unit \(member.unit) is \(member.stage.rawValue) since \(member.at.rfc3339())",
                field: "unit", possible: TaskVerb.possible(in: member.stage).map(\.rawValue))
        }
        (next.crew[index].stage, next.crew[index].at) = (target, at)
        let note: (inout TaskEvent) -> Void = {
            $0.unit = member.unit
            ($0.lat, $0.lon) = (action.number("lat"), action.number("lon"))
        }
        let why = action.text("why")
        let isLast = target == .returned && !next.crew.contains { $0.stage != .returned }
        if isLast || (target.progress ?? 0) > (task.stage.progress ?? 0) {
            return move(next, from: task.stage, to: target, at: at, who: action.author, role: action.role, why: why, note)
        }
        (next.lastBy, next.lastAt) = (action.author, at)
        return record(next, target.rawValue, from: nil, at: at, who: action.author, role: action.role, why: why, note)
    }

    /// The unit that is named, or else that of the author.
    private func member(of task: TaskState, _ action: Action) throws(ActionRefusal) -> Int {
        let named = action.text("unit")
        let index = task.crew.firstIndex { member in
            if let named { return member.unit == named }
            return member.unit == action.author || units.number(ofUnit: member.unit).map { units.units[$0].officer == action.author } ?? false
        }
        guard let index else {
            throw ActionRefusal(
                .invalid, named.map { "the unit \($0) was not sent to \(task.id)" } ?? "\(task.crew.count) units were sent: 'unit' says which",
                field: "unit")
        }
        return index
    }
}

extension UnitBoard {
    /// All free units of some areas (any where empty) within a radius, the nearest first, and of the others why not.
    /// O(units).
    func muster(
        areas codes: [String], around position: Position?, within: Double?, fixAge: Int64, at now: Timestamp
    ) -> (chosen: [String], choice: UnitChoice) {
        var choice = UnitChoice(candidates: [], counts: Array(repeating: 0, count: UnitChoice.Reason.allCases.count))
        let isOfAreas = areaLists.map { list in
            codes.isEmpty || list.isEmpty || list.contains { own in
                codes.contains { UnitBoard.isWithin(own, $0, areas) || UnitBoard.isWithin($0, own, areas) }
            }
        }
        var found: [(number: Int, metres: Double, reason: UnitChoice.Reason)] = []
        for number in units.indices {
            let fix = fixes[number]
            let metres = fix.flatMap { fix in position.map { $0.metres(to: fix.position) } } ?? .infinity
            let reason: UnitChoice.Reason =
                if duties[number] == .off { .offDuty } else if !isOnDuty(number, at: now) { .offShift } else if tasks[number] != nil {
                    .busy
                } else if !isOfAreas[areasOf[number]] { .area } else if within == nil { .eligible } else if fix == nil { .noFix } else if now - fix!.at > fixAge {
                    .staleFix
                } else { metres <= within! ? .eligible : .tooFar }
            choice.counts[Int(reason.rawValue)] += 1
            found.append((number, metres, reason))
        }
        found.sort { ($0.metres, $0.number) < ($1.metres, $1.number) }
        choice.candidates = found.prefix(UnitChoice.kept).map { entry in
            UnitChoice.Candidate(
                unit: units[entry.number].id, metres: entry.metres.isFinite ? entry.metres : nil,
                fixAgeMilliseconds: fixes[entry.number].map { now - $0.at }, reason: entry.reason)
        }
        return (found.filter { $0.reason == .eligible }.map { units[$0.number].id }, choice)
    }
}
