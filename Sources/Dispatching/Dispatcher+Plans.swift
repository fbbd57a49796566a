public import Telemetry

/// A visit that becomes a task at its time: a row of `task_plan`.
public struct VisitPlan: Sendable, Equatable {
    /// That of the task it becomes.
    public var id: String
    /// The task that planned it.
    public var task: String
    public var at: Timestamp
    public var situation: String, kind: String, area: String, severity: String
    public var site: String?
    public var lat: Double?, lon: Double?
    public var subject: String?
    public var who: String

    public init(
        id: String, task: String, at: Timestamp, situation: String, kind: String, area: String, severity: String, site: String?,
        lat: Double?, lon: Double?, subject: String?, who: String
    ) {
        (self.id, self.task, self.at) = (id, task, at)
        (self.situation, self.kind, self.area, self.severity) = (situation, kind, area, severity)
        (self.site, self.lat, self.lon) = (site, lat, lon)
        (self.subject, self.who) = (subject, who)
    }
}

extension Dispatcher {
    /// Plans a visit to the task's place, or to all sites near it, at a time.
    func plan(_ task: TaskState, _ action: Action, at now: Timestamp) throws(ActionRefusal) -> TaskState {
        let at = Timestamp(milliseconds: Int64(action.number("at") ?? 0))
        guard at > now else { throw ActionRefusal(.invalid, "'at' lies in the past: \(at.rfc3339())", field: "at") }
        func plan(_ site: String?, _ situation: String, area: String, _ lat: Double?, _ lon: Double?) -> VisitPlan {
            VisitPlan(
                id: Identifier.lead(kind: task.kind, reference: "plan\n\(task.id)\n\(at.milliseconds)\n\(site ?? "")"), task: task.id, at: at,
                situation: situation, kind: task.kind, area: area, severity: task.severity, site: site, lat: lat, lon: lon,
                subject: action.text("why") ?? task.subject, who: action.author)
        }
        var made: [VisitPlan] = []
        if let metres = action.number("sites_m") {
            guard let position = place(of: task) else {
                throw ActionRefusal(.conflict, "the task \(task.id) has no place from which sites could be near", field: "sites_m")
            }
            for site in sites.all where site.id != task.site && site.place.metres(from: position) <= metres {
                let middle = site.place.middle
                let area = site.area ?? units.areas.number(at: middle).map { units.areas.areas[$0].code } ?? task.area
                made.append(plan(site.id, Dispatcher.situation(kind: task.kind, site: site.id, subject: ""), area: area, middle.latitude, middle.longitude))
            }
            guard !made.isEmpty else { throw ActionRefusal(.conflict, "no other site lies within \(Int(metres)) m", field: "sites_m") }
            guard made.count <= Dispatcher.plansAtOnce else {
                throw ActionRefusal(.conflict, "\(made.count) sites lie within \(Int(metres)) m; at most \(Dispatcher.plansAtOnce) at once", field: "sites_m")
            }
        } else {
            made = [plan(task.site, task.situation, area: task.area, task.lat, task.lon)]
        }
        made.removeAll { new in plans.contains { $0.id == new.id } || self[new.id] != nil }
        guard !made.isEmpty else { throw ActionRefusal(.conflict, "that visit is planned already", field: "at") }
        for plan in made { add(plan) }
        let places = made.compactMap(\.site).joined(separator: ", ")
        let why = "\(at.rfc3339())" + (places.isEmpty ? "" : ": \(places)") + (action.text("why").map { ": \($0)" } ?? "")
        return record(task, "planned", from: nil, at: now, who: action.author, role: action.role, why: why) { $0.plans = made }
    }

    static let plansAtOnce = 100

    /// Takes a plan over as the store has it.
    public func restore(_ plan: VisitPlan) { add(plan) }

    private func add(_ plan: VisitPlan) {
        let index = plans.firstIndex { (plan.at.milliseconds, plan.id) < ($0.at.milliseconds, $0.id) } ?? plans.count
        plans.insert(plan, at: index)
    }

    /// A planned visit is due: it joins the open task of its place, or becomes one.
    func begin(_ plan: VisitPlan) {
        let why = "the visit that \(plan.task) planned"
        let source = TaskSource(kind: "plan", reference: plan.id, text: plan.subject)
        if let task = task(of: plan.situation), task.stage.isOpen {
            record(task, "joined", from: nil, at: plan.at, who: plan.who, role: .patrol, why: why) {
                $0.source = source
                $0.begun = plan
            }
            return
        }
        var task = TaskState(
            id: plan.id, number: 0, situation: plan.situation, kind: plan.kind, area: plan.area, severity: plan.severity,
            createdAt: plan.at, by: plan.who)
        (task.site, task.lat, task.lon, task.subject) = (plan.site, plan.lat, plan.lon, plan.subject)
        task.parts = (try? parts([], kind: plan.kind)) ?? []
        make(task, who: plan.who, role: .patrol, why: why, source: source, begun: plan)
    }

    /// Where a task is: its coordinates, or the middle of its site.
    func place(of task: TaskState) -> Position? {
        if let lat = task.lat, let lon = task.lon { return Position(latitude: lat, longitude: lon) }
        return task.site.flatMap { sites[$0] }?.place.middle
    }
}
