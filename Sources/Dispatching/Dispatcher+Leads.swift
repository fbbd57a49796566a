public import Telemetry

/// What a person or another system reports: place, matter, text, source.
public struct Lead: Sendable, Equatable {
    /// The kind of the task it asks for.
    public var kind: String
    public var text: String?
    public var area: String?
    public var site: String?
    /// Degrees, WGS-84.
    public var lat: Double?, lon: Double?
    /// The reporting system's own number: the same again is the same lead.
    public var source: String?
    /// A reference, not the picture.
    public var picture: String?
    public var severity = "warning"
    /// Of a joint task.
    public var departments: [String] = []

    public init(kind: String, text: String? = nil) {
        self.kind = kind
        self.text = text
    }

    /// Of two leads that are equal in this the later is the same lead again: the source's number, or else all that is said.
    func key(author: String) -> String {
        if let source { return "\(kind)\n\(source)" }
        let said = [author, site, area, lat.map { "\($0)" }, lon.map { "\($0)" }, text, picture].map { $0 ?? "" }
        return "\(kind)\n\(author)#\(Identifier.lead(kind: kind, reference: said.joined(separator: "\n")).dropFirst())"
    }

    /// What stands in `task_source`; without a source's number with the moment, so that it may be said again another day.
    func reference(author: String, at: Timestamp) -> String {
        source ?? "\(key(author: author).dropFirst(kind.count + 1))@\(at.milliseconds)"
    }
}

/// From where a task was asked for: a row of `task_source`.
public struct TaskSource: Sendable, Equatable {
    /// `alert` or `lead`.
    public var kind: String
    public var reference: String
    public var text: String?, picture: String?

    public init(kind: String, reference: String, text: String? = nil, picture: String? = nil) {
        self.kind = kind
        self.reference = reference
        self.text = text
        self.picture = picture
    }
}

/// What became of a lead.
public struct LeadOutcome: Sendable, Equatable {
    /// The task that has it.
    public var task: TaskState
    /// It is the same lead again: nothing was changed.
    public var isKnown = false
}

extension Dispatcher {
    /// A lead that came before is the task that has it, as it stands. Any other joins the open task of its kind and site,
    /// or one of its kind near it within a time, or makes one.
    /// - Throws: where it names no place, or one that is not known.
    @discardableResult
    public func report(_ said: Lead, author: String, role: Action.Role, at: Timestamp) throws(ActionRefusal) -> LeadOutcome {
        // A gateway's name may stand before the number.
        if let source = said.source, source.isEmpty || source.utf8.count > 2 * Limits.idBytes + 1 || source.contains(where: \.isNewline) {
            throw ActionRefusal(.invalid, "a source's number has 1 to \(2 * Limits.idBytes + 1) bytes in one line", field: "source")
        }
        if let task = known(said, author: author, at: at) { return LeadOutcome(task: task, isKnown: true) }
        try checkMatter(said.kind)
        let lead = try placed(said)
        let parts = try self.parts(said.departments, kind: lead.kind)
        let reference = said.reference(author: author, at: at)
        let source = TaskSource(kind: "lead", reference: reference, text: lead.text, picture: lead.picture)
        if let task = task(joining: lead, at: at) {
            var next = task
            next.note(lead: reference)
            if !lead.departments.isEmpty && TaskVerb.joint.isPossible(in: task.stage) {
                next.parts += parts.filter { part in !task.parts.contains { $0.department == part.department } }
            }
            if Dispatcher.rank(lead.severity) > Dispatcher.rank(task.severity) {
                next.severity = lead.severity
                next.priority = min(task.priority, priority(of: next, at: at))
            }
            let joined = record(next, "joined", from: nil, at: at, who: author, role: role, why: "lead \(reference)") {
                $0.source = source
            }
            guard (task.stage.progress ?? 0) >= TaskStage.disposed.progress! else { return LeadOutcome(task: joined) }
            return LeadOutcome(task: reopen(joined, at: at, who: author, role: role, why: "lead \(reference) of the same situation"))
        }
        let id = Identifier.lead(kind: lead.kind, reference: reference)
        let situation = Dispatcher.situation(kind: lead.kind, site: lead.site, subject: "place\n\(id)")
        var task = TaskState(
            id: id, number: 0, situation: situation, kind: lead.kind, area: lead.area ?? "unknown", severity: lead.severity,
            createdAt: at, by: author)
        task.site = lead.site
        (task.lat, task.lon) = (lead.lat, lead.lon)
        task.subject = lead.text
        task.parts = parts
        task.note(lead: reference)
        return LeadOutcome(task: make(task, who: author, role: role, why: "lead \(reference)", source: source))
    }

    /// The task that has this very lead. What has no number is the same again within a while only.
    private func known(_ lead: Lead, author: String, at: Timestamp) -> TaskState? {
        let key = lead.key(author: author)
        guard let (id, since) = taskOfLead[key], let task = self[id] else { return nil }
        guard lead.source == nil else { return task }
        return at - since <= settings.joinMilliseconds ? task : nil
    }

    /// The task that a lead belongs to.
    private func task(joining lead: Lead, at: Timestamp) -> TaskState? {
        if let site = lead.site {
            return task(of: Dispatcher.situation(kind: lead.kind, site: site, subject: "")).flatMap { isJoinable($0, at: at) ? $0 : nil }
        }
        let position = lead.lat.flatMap { lat in lead.lon.map { Position(latitude: lat, longitude: $0) } }
        var best: (metres: Double, task: TaskState)?
        for id in tasksWithoutSite[lead.kind] ?? [] {
            guard let task = self[id], isJoinable(task, at: at), at - task.roundAt <= settings.joinMilliseconds else { continue }
            let metres: Double
            switch (position, task.lat.flatMap { lat in task.lon.map { Position(latitude: lat, longitude: $0) } }) {
            case (let here?, let there?): metres = here.metres(to: there)
            case (nil, nil): metres = Area.shortCode(task.area) == Area.shortCode(lead.area ?? "") ? 0 : .infinity
            default: metres = .infinity
            }
            guard metres <= settings.joinMetres else { continue }
            if best.map({ (metres, task.number) < ($0.metres, $0.task.number) }) ?? true { best = (metres, task) }
        }
        return best?.task
    }

    private func checkMatter(_ kind: String) throws(ActionRefusal) {
        if settings.matters[kind] == nil, !settings.matters.isEmpty {
            throw ActionRefusal(.invalid, "no matter has the code '\(kind)'", field: "kind")
        }
    }

    /// The lead with its site and its area, from each other and from its coordinates.
    func placed(_ said: Lead) throws(ActionRefusal) -> Lead {
        var lead = said
        guard lead.site != nil || lead.area != nil || lead.lat != nil else {
            throw ActionRefusal(.invalid, "a lead names a place: site, area, or lat and lon", field: "site")
        }
        if let id = lead.site, sites[id] == nil, !sites.all.isEmpty {
            throw ActionRefusal(.invalid, "no site has the id '\(id)'", field: "site")
        }
        if let code = lead.area, !units.areas.isEmpty, units.areas.number(ofCode: code) == nil {
            throw ActionRefusal(.invalid, "no area has the code '\(code)'", field: "area")
        }
        let position = lead.lat.flatMap { lat in lead.lon.map { Position(latitude: lat, longitude: $0) } }
        if lead.site == nil, let position {
            var nearest = (metres: Double.infinity, id: "")
            for site in sites.all {
                let metres = site.place.metres(from: position)
                if metres < nearest.metres { nearest = (metres, site.id) }
            }
            if nearest.metres <= settings.siteMetres { lead.site = nearest.id }
        }
        let site = lead.site.flatMap { sites[$0] }
        if let middle = position ?? site?.place.middle {
            (lead.lat, lead.lon) = (middle.latitude, middle.longitude)
            if let number = units.areas.number(at: middle) { lead.area = units.areas.areas[number].code }
        }
        if let area = site?.area { lead.area = area }
        return lead
    }

    // MARK: Merge and split

    /// The task's matter goes on in another one.
    func merge(_ task: TaskState, into other: TaskState, _ action: Action, at: Timestamp) throws(ActionRefusal) -> TaskState {
        guard task.id != other.id else { throw ActionRefusal(.invalid, "a task cannot be merged into itself", field: "into") }
        guard other.stage.isOpen else {
            throw ActionRefusal(.conflict, "the task \(other.id) is \(other.stage.rawValue)", field: "into", possible: ["reopen"])
        }
        var target = other
        target.firing += task.firing.filter { !target.firing.contains($0) }
        if Dispatcher.rank(task.severity) > Dispatcher.rank(target.severity) { target.severity = task.severity }
        var source = task
        source.firing = []
        source.mergedInto = other.id
        let merged = move(
            source, from: task.stage, to: .cancelled, at: at, who: action.author, role: action.role,
            why: "merged into \(other.id)" + (action.text("why").map { ": \($0)" } ?? ""))
        record(target, "joined", from: nil, at: at, who: action.author, role: action.role, why: "task \(task.id)") {
            $0.source = TaskSource(kind: "task", reference: task.id)
        }
        return merged
    }

    /// One of the task's alerts becomes a task of its own.
    func split(_ task: TaskState, _ action: Action, at: Timestamp) throws(ActionRefusal) -> TaskState {
        let wanted = action.text("alert") ?? ""
        let matching = task.firing.filter { $0.hasPrefix(wanted) }
        guard task.firing.count > 1, matching.count == 1 else {
            throw ActionRefusal(
                .conflict,
                task.firing.count < 2 ? "the task \(task.id) has no second alert that fires" : "'alert' is one of \(task.firing.joined(separator: ", "))",
                field: "alert")
        }
        let alert = matching[0]
        let id = Identifier.lead(kind: task.kind, reference: "\(task.id)\n\(alert)")
        guard self[id] == nil else { throw ActionRefusal(.conflict, "the alert \(alert) has the task \(id) already", field: "alert") }
        var rest = task
        rest.firing.removeAll { $0 == alert }
        var part = TaskState(
            id: id, number: 0, situation: "\(task.situation)\nsplit\n\(id)", kind: task.kind, area: task.area,
            severity: task.severity, createdAt: at, by: action.author)
        (part.site, part.lat, part.lon, part.alertID, part.firing) = (task.site, task.lat, task.lon, alert, [alert])
        record(rest, "split", from: nil, at: at, who: action.author, role: action.role, why: "alert \(alert) is the task \(id)")
        return make(
            part, who: action.author, role: action.role, why: "split from \(task.id)",
            source: TaskSource(kind: "alert", reference: alert))
    }
}
