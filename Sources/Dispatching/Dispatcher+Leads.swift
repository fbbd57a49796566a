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

    public init(kind: String, text: String? = nil) {
        self.kind = kind
        self.text = text
    }

    /// The source's number; without one, twice the same words are two leads.
    public func reference(author: String, at: Timestamp) -> String { source ?? "\(author) \(at.milliseconds)" }

    /// The id of the task that a lead of this kind and reference makes.
    public func taskID(reference: String) -> String { Identifier.lead(kind: kind, reference: reference) }
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

extension Dispatcher {
    /// A lead joins the open task of its site and kind, or makes one.
    /// - Returns: the task that has it.
    /// - Throws: where it names no place.
    @discardableResult
    public func report(_ lead: Lead, author: String, role: Action.Role, at: Timestamp) throws(ActionRefusal) -> TaskState {
        guard lead.site != nil || lead.area != nil || lead.lat != nil else {
            throw ActionRefusal(.invalid, "a lead names a place: site, area, or lat and lon", field: "site")
        }
        let reference = lead.reference(author: author, at: at)
        let id = lead.taskID(reference: reference)
        let subject = lead.site == nil && lead.area == nil ? "place\n\(id)" : "area\n\(lead.area ?? "")\n\(id)"
        let situation = Dispatcher.situation(kind: lead.kind, site: lead.site, subject: subject)
        let source = TaskSource(kind: "lead", reference: reference, text: lead.text, picture: lead.picture)
        if let task = self[id] ?? task(of: situation), isJoinable(task, at: at) {
            let joined = record(task, "joined", from: nil, at: at, who: author, role: role, why: "lead \(reference)") {
                $0.source = source
            }
            guard (task.stage.progress ?? 0) >= TaskStage.disposed.progress! else { return joined }
            return reopen(joined, at: at, who: author, role: role, why: "lead \(reference) of the same situation")
        }
        if self[id] != nil {
            throw ActionRefusal(.conflict, "the lead \(reference) is the task \(id) already, and settled", field: "source", possible: ["reopen"])
        }
        var task = TaskState(
            id: id, number: 0, situation: situation, kind: lead.kind, area: lead.area ?? "unknown", severity: lead.severity,
            createdAt: at, by: author)
        task.site = lead.site
        (task.lat, task.lon) = (lead.lat, lead.lon)
        task.subject = lead.text
        return make(task, who: author, role: role, why: "lead \(reference)", source: source)
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
