public import Telemetry

extension DispatchSettings {
    /// A line of `priority`: tasks that it fits come one step earlier. Everything that it says must hold.
    public struct PriorityLine: Sendable, Equatable {
        /// Kinds of tasks; empty for all.
        public var kinds: [String] = []
        /// Codes of areas, with everything below them; empty for all.
        public var areas: [String] = []
        /// Kinds of the task's site; empty for all.
        public var siteKinds: [String] = []
        /// A site of this kind lies within so many metres.
        public var nearKind: String?
        public var nearMetres = 500.0
        /// By the clock at which the task is made, rises or is opened again.
        public var when = When.always

        public init() {}
    }
}

extension TaskState {
    /// 1 is first. Severity gives 2 (critical) to 4 (info); each line of `priority` that fits makes it one less.
    public static let priorities = 1...4
}

extension Dispatcher {
    /// What a task's severity, place and moment make of it.
    func priority(of task: TaskState, at: Timestamp) -> Int {
        let base = 4 - Dispatcher.rank(task.severity)
        let fitting = settings.priority.indices.count { fits(task, settings.priority[$0], prioritySchedules[$0], at: at) }
        return max(TaskState.priorities.lowerBound, base - fitting)
    }

    private func fits(_ task: TaskState, _ line: DispatchSettings.PriorityLine, _ schedule: Schedule, at: Timestamp) -> Bool {
        let site = task.site.flatMap { sites[$0] }
        guard line.kinds.isEmpty || line.kinds.contains(task.kind) else { return false }
        guard line.areas.isEmpty || line.areas.contains(where: { UnitBoard.isWithin(task.area, $0, units.areas) }) else { return false }
        guard line.siteKinds.isEmpty || site.map({ line.siteKinds.contains($0.kind) }) ?? false else { return false }
        guard schedule.isActive(at: at) else { return false }
        guard let kind = line.nearKind else { return true }
        var place: Position?
        if let lat = task.lat, let lon = task.lon {
            place = Position(latitude: lat, longitude: lon)
        } else if case .point(let position)? = site?.place {
            place = position
        }
        guard let place else { return false }
        return sites.all.contains { $0.kind == kind && $0.place.metres(from: place) <= line.nearMetres }
    }

    /// Others are served before a task at most.
    private static let servedBefore = 32

    /// A unit can be sent: tasks that wait for one and come before this one are asked first.
    /// - Returns: whether any was.
    func serveThoseBefore(_ task: TaskState, at: Timestamp) -> Bool {
        if waiting.isEmpty || isServingOthers { return false }
        let before = waiting.compactMap { slots[Int($0)] }.filter { $0.priority < task.priority }
            .sorted { ($0.priority, $0.number) < ($1.priority, $1.number) }
        isServingOthers = true
        defer { isServingOthers = false }
        for other in before.prefix(Dispatcher.servedBefore) { seek(other, at: at) }
        return !before.isEmpty
    }
}
