public import Telemetry

extension Dispatcher {
    /// What alerts and leads of one situation share: the kind of the task, and the site or else the device.
    public static func situation(kind: String, site: String?, subject: String) -> String {
        site.map { "\(kind)\nsite\n\($0)" } ?? "\(kind)\n\(subject)"
    }

    /// An alert fires whose rule asks for a task: it joins the situation's task, reopens it, or makes one.
    /// - Parameter place: degrees, where the alert's device has a place.
    public func alertFired(
        _ alert: Alert, kind: String, place: (lat: Double, lon: Double)? = nil, at: Timestamp
    ) {
        let situation = Dispatcher.situation(
            kind: kind, site: alert.site, subject: "device\n\(alert.kind.name)\n\(alert.device)")
        let why = "alert \(alert.id)"
        let source = TaskSource(kind: "alert", reference: alert.id)
        if var task = task(of: situation), isJoinable(task, at: at) {
            let isWorse = Dispatcher.rank(alert.severity) > Dispatcher.rank(task.severity)
            if isWorse {
                task.severity = alert.severity
                task.priority = min(task.priority, priority(of: task, at: at))
            }
            guard !task.firing.contains(alert.id) else {
                // It has fired before: only its severity can have risen.
                if isWorse { record(task, "raised", from: nil, at: at, who: "patrol", role: .patrol, why: "\(why): \(alert.severity)") }
                return
            }
            task.firing.append(alert.id)
            task = record(task, "joined", from: nil, at: at, who: "patrol", role: .patrol, why: why) { $0.source = source }
            if (task.stage.progress ?? 0) >= TaskStage.disposed.progress! {
                reopen(task, at: at, who: "patrol", role: .patrol, why: "\(why) of the same situation")
            }
            return
        }
        let id = Identifier.task(alert: alert.id)
        guard self[id] == nil else { return }
        var task = TaskState(
            id: id, number: 0, situation: situation, kind: kind, area: alert.area, severity: alert.severity, createdAt: at,
            by: "patrol")
        task.site = alert.site
        task.alertID = alert.id
        task.firing = [alert.id]
        (task.lat, task.lon) = (place?.lat, place?.lon)
        task.parts = (try? parts([], kind: kind)) ?? []
        make(task, who: "patrol", role: .patrol, why: why, source: source)
    }

    /// The alert is over: it holds its task no longer.
    public func alertResolved(_ alert: Alert, kind: String) {
        let situation = Dispatcher.situation(
            kind: kind, site: alert.site, subject: "device\n\(alert.kind.name)\n\(alert.device)")
        guard var task = task(of: situation), let index = task.firing.firstIndex(of: alert.id) else { return }
        task.firing.remove(at: index)
        put(task)
    }

    /// The alert is over for another reason than its own: its rule is gone.
    public func alertEnded(_ id: String) {
        for var task in slots.compactMap({ $0 }) where task.firing.contains(id) {
            task.firing.removeAll { $0 == id }
            put(task)
        }
    }

    /// Open, or settled so short a time ago that it is the same matter.
    func isJoinable(_ task: TaskState, at: Timestamp) -> Bool {
        if task.stage.isOpen { return true }
        guard task.stage == .closed, let settled = task.disposedAt else { return false }
        return at - settled <= settings.kind(task.kind).reopenMilliseconds
    }

    static func rank(_ severity: String) -> Int { ["info", "warning", "critical"].firstIndex(of: severity) ?? 0 }
}
