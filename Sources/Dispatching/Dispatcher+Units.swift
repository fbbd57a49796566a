public import Telemetry

extension Dispatcher {
    /// Looks for a unit where the task needs one and the district does not do that by hand: the nearest that can be sent
    /// is reserved at once, so that two tasks never take the same. Where there is none that is said, units of other
    /// areas are asked, the next level is told, and it is looked again after a while. Tasks that wait and come before this
    /// one by their priority are served first.
    @discardableResult
    func seek(_ task: TaskState, at: Timestamp) -> TaskState {
        var found = choose(task, at: at)
        if found?.chosen != nil && serveThoseBefore(task, at: at) { found = choose(task, at: at) }
        guard let choice = found else { return task }
        guard let unit = choice.chosen else { return unserved(task, choice, at: at) }
        var next = task
        next.isUnserved = false
        let metres = choice.candidates.first { $0.unit == unit }?.metres
        let why = "the nearest that can be sent" + (metres.map { ": \(Int($0.rounded())) m" } ?? ", distance unknown")
            + (choice.seconds.map { ", \(Int($0.rounded())) s" } ?? "") + (choice.isWidened ? ", of another area" : "")
        if settings.mode == .proposal {
            next.proposed = unit
            return record(next, "proposed", from: nil, at: at, who: "patrol", role: .patrol, why: "\(unit): \(why)") { $0.choice = choice }
        }
        next.unit = unit
        next.unitDue = at + settings.unitAcknowledgeMilliseconds
        return move(next, from: task.stage, to: .assigned, at: at, who: "patrol", role: .patrol, why: why) { $0.choice = choice }
    }

    /// Nil where nobody is to be looked for.
    private func choose(_ task: TaskState, at: Timestamp) -> UnitChoice? {
        guard !units.isEmpty, settings.mode != .manual, task.unit == nil, task.crew.isEmpty, task.stage.needsUnit else { return nil }
        let kind = settings.kind(task.kind)
        var demand = UnitDemand(
            position: task.lat.flatMap { lat in task.lon.map { Position(latitude: lat, longitude: $0) } }, area: task.area)
        demand.capabilities = kind.capabilities
        demand.matter = settings.matters[task.kind]
        demand.cameraAgeMilliseconds = kind.needsCamera ? settings.cameraAgeMilliseconds : nil
        demand.tried = task.tried
        (demand.fairMetres, demand.fairSeconds) = (settings.fairMetres, settings.fairSeconds)
        demand.fixAgeMilliseconds = settings.fixAgeMilliseconds
        demand.accuracyMetres = settings.accuracyMetres
        var choice = units.choose(demand, at: at)
        if choice.chosen == nil && settings.widens {
            demand.isWidened = true
            choice = units.choose(demand, at: at)
        }
        return choice
    }

    /// None can be sent: said once a round; those that did not answer are asked again the next time.
    private func unserved(_ task: TaskState, _ choice: UnitChoice, at: Timestamp) -> TaskState {
        var next = task
        next.tried = []
        next.unitDue = at + settings.lookAgainMilliseconds
        if task.isUnserved {
            put(next)
            return next
        }
        next.isUnserved = true
        let said = record(next, "no_unit", from: nil, at: at, who: "patrol", role: .patrol, why: choice.summary) { $0.choice = choice }
        return escalate(said, at: at, why: "no unit can be sent")
    }

    /// The unit has not acknowledged in time: it is told by the event, and the next nearest is sent.
    func unitIsSilent(_ task: TaskState, at: Timestamp) {
        guard let unit = task.unit else { return }
        var next = task
        next.tried.append(unit)
        next.unitDue = nil
        next.unit = nil
        next.stage = .accepted
        let said = record(next, "unit_silent", from: .assigned, at: at, who: "patrol", role: .patrol, why: "\(unit) has not acknowledged")
        seek(said, at: at)
    }

    /// Checks and takes the unit that somebody names, or the one that was proposed.
    func assign(_ task: inout TaskState, _ action: Action, at: Timestamp) throws(ActionRefusal) {
        guard let unit = action.text("unit") ?? task.proposed, !unit.isEmpty else {
            throw ActionRefusal(.invalid, "assign needs the field 'unit': none is proposed", field: "unit")
        }
        if !units.isEmpty {
            guard let number = units.number(ofUnit: unit) else {
                throw ActionRefusal(.unknown, "no unit has the id '\(unit)'", field: "unit")
            }
            if let other = units.tasks[number], other != task.id {
                throw ActionRefusal(.conflict, "the unit \(unit) is on the task \(other)", field: "unit")
            }
            if let matter = settings.matters[task.kind], let obstacle = units.obstacle(number, matter, area: task.area, at: at) {
                throw ActionRefusal(.forbidden, "the unit \(unit) \(obstacle)", field: "unit")
            }
            guard units.duties[number] != .off else { throw ActionRefusal(.conflict, "the unit \(unit) is off duty", field: "unit") }
        }
        try mayReplace(task, with: unit, action)
        task.unit = unit
        task.unitDue = units.isEmpty || settings.mode == .manual ? nil : at + settings.unitAcknowledgeMilliseconds
    }

    /// Nobody takes back what another person has just decided without knowing of it: who sends another unit names the one
    /// that it stands in for. What Patrol has decided, and one's own, may be changed at will.
    private func mayReplace(_ task: TaskState, with unit: String, _ action: Action) throws(ActionRefusal) {
        let instead = action.text("instead")
        guard let current = task.stage.occupiesUnit ? task.unit : nil else {
            guard let instead else { return }
            throw ActionRefusal(.conflict, "the unit \(instead) is not on the task \(task.id) any more", field: "instead")
        }
        if instead == current || instead == nil && task.stage == .assigned && ["patrol", action.author].contains(task.lastBy) { return }
        throw ActionRefusal(
            .conflict, "the unit \(current) was sent by \(task.lastBy) at \(task.lastAt.rfc3339()) (the task is \(task.stage.rawValue)); to send \(unit) "
                + "in its place, say so: instead=\(current)", field: "instead")
    }

    /// Whether the unit is on another task than this one.
    func isTaken(_ unit: String, otherThan task: String) -> Bool {
        units.number(ofUnit: unit).flatMap { units.tasks[$0] }.map { $0 != task } ?? false
    }

    /// Says that a unit works, works not, or works as its shift says.
    public func setDuty(_ duty: UnitBoard.Duty, of unit: String, by author: String, at: Timestamp) throws(ActionRefusal) -> UnitBoard.State {
        guard let number = units.number(ofUnit: unit) else { throw ActionRefusal(.unknown, "no unit has the id '\(unit)'", field: "id") }
        units.setDuty(duty, of: number, by: author, at: at)
        return units.state(number)
    }

    // MARK: Escalation

    /// Tells the receivers of the next step that is not done yet; where there is none nothing happens.
    @discardableResult
    func escalate(_ task: TaskState, at: Timestamp, why: String? = nil) -> TaskState {
        guard let number = task.nextStep(settings) else { return task }
        let step = settings.escalation[number]
        let why = why ?? "not \(step.unless.rawValue) after \((at - task.roundAt) / 1000) s"
        var next = task
        next.escalated = number + 1
        let told = settings.receivers.filter { receiver in
            receiver.level == step.level && receiver.holds(task.area, in: units.areas)
                && (receiver.shift.map { $0.day(of: at, in: units.zone) != nil } ?? true)
        }.map(\.name)
        return record(
            next, "escalated", from: nil, at: at, who: "patrol", role: .patrol,
            why: "\(step.level.rawValue): \(why)" + (told.isEmpty ? "; nobody there to be told" : "")
        ) {
            $0.level = step.level
            $0.told = told
        }
    }
}
