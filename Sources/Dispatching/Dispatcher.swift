public import Telemetry

/// The tasks of a district, as a pure state machine: inputs go in with their moment, what happened comes out of
/// ``takeEvents()`` and the changed tasks out of ``takeChanged()``. It knows no clock, no store and no socket.
///
/// In memory are the open tasks and those that may still reopen; others are brought back by ``restore(_:)`` when somebody
/// asks for them. One thread owns it.
public final class Dispatcher {
    public let settings: DispatchSettings
    public let units: UnitBoard
    public let sites: Sites
    var slots: [TaskState?] = []
    private var freeSlots: [Int32] = []
    private var slotOfTask: [String: Int32] = [:]
    /// The newest task of each situation: a new alert joins it, or the one into which it was merged.
    private var taskOfSituation: [String: String] = [:]
    /// By what makes a lead the same (``Lead/key(author:)``): the task that has it, and since when.
    private(set) var taskOfLead: [String: (task: String, since: Timestamp)] = [:]
    /// By kind: tasks that a lead without a site may join.
    private(set) var tasksWithoutSite: [String: [String]] = [:]
    private var heap = DueHeap()
    /// The moment for which each slot stands in the heap, `Int64.max` where for none.
    private var heapDue: [Int64] = []
    private var changed: Set<Int32> = []
    /// Planned visits, the next first.
    var plans: [VisitPlan] = []
    /// Of the next task.
    public private(set) var nextNumber: Int64
    var events: [TaskEvent] = []
    /// Of the settings' lines on priority.
    let prioritySchedules: [Schedule]
    /// Tasks for which no unit could be sent, and that wait for one.
    private(set) var waiting: Set<Int32> = []
    var isServingOthers = false

    public init(settings: DispatchSettings, units: UnitBoard? = nil, sites: Sites = Sites(), nextNumber: Int64 = 1) {
        self.settings = settings
        self.sites = sites
        let board = units ?? UnitBoard([], zone: .utc)
        self.units = board
        prioritySchedules = settings.priority.map { Schedule($0.when, zone: board.zone) }
        self.nextNumber = nextNumber
        board.configure(settings)
    }

    // MARK: What comes out

    public var hasEvents: Bool { !events.isEmpty }

    /// Everything that happened since the last call, in its order.
    public func takeEvents() -> [TaskEvent] {
        defer { events.removeAll(keepingCapacity: true) }
        return events
    }

    public var hasChanged: Bool { !changed.isEmpty }

    /// The tasks that are not as they were at the last call, by number.
    public func takeChanged() -> [TaskState] {
        defer {
            changed.removeAll(keepingCapacity: true)
            gone.removeAll(keepingCapacity: true)
        }
        return (changed.compactMap { slots[Int($0)] } + gone).sorted { $0.number < $1.number }
    }

    /// Forgotten since the last ``takeChanged()``.
    private var gone: [TaskState] = []

    // MARK: The tasks at hand

    public var count: Int { slotOfTask.count }

    public subscript(id: String) -> TaskState? { slotOfTask[id].flatMap { slots[Int($0)] } }

    /// The task that has this situation, where it is open or may reopen.
    public func task(of situation: String) -> TaskState? {
        var task = taskOfSituation[situation].flatMap { self[$0] }
        while let into = task?.mergedInto { task = self[into] }
        return task
    }

    /// Takes a task over as the store has it: at start, or when somebody asks for one that was forgotten.
    public func restore(_ task: TaskState) {
        guard slotOfTask[task.id] == nil else { return }
        insert(task)
        nextNumber = max(nextNumber, task.number + 1)
    }

    /// Makes a new task and says so.
    @discardableResult
    func make(_ task: TaskState, who: String, role: Action.Role, why: String?, source: TaskSource, begun: VisitPlan? = nil) -> TaskState {
        var task = task
        task.number = nextNumber
        nextNumber += 1
        task.priority = priority(of: task, at: task.createdAt)
        task.move(clocksTo: .reported, at: task.createdAt, kind: settings.kind(task.kind))
        insert(task)
        let made = record(task, "reported", from: nil, at: task.createdAt, who: who, role: role, why: why) {
            $0.source = source
            $0.begun = begun
        }
        return seek(made, at: task.createdAt)
    }

    private func insert(_ task: TaskState) {
        let slot: Int32
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = Int32(slots.count)
            slots.append(nil)
            heapDue.append(.max)
        }
        slots[Int(slot)] = task
        noteWaiting(slot, task)
        slotOfTask[task.id] = slot
        for unit in task.occupied { units.occupy(unit, with: task.id, at: nil) }
        if task.site == nil { tasksWithoutSite[task.kind, default: []].append(task.id) }
        noteLeads(of: task)
        let newest = taskOfSituation[task.situation].flatMap { self[$0] }
        if newest.map({ $0.number < task.number }) ?? true { taskOfSituation[task.situation] = task.id }
        schedule(slot)
    }

    /// Puts a task back after a change, and notes what happened.
    @discardableResult
    func record(
        _ task: TaskState, _ what: String, from: TaskStage?, at: Timestamp, who: String, role: Action.Role, why: String?,
        _ more: (inout TaskEvent) -> Void = { _ in }
    ) -> TaskState {
        var task = task
        task.events += 1
        put(task)
        var event = TaskEvent(task: task, what: what, from: from, at: at, who: who, role: role, why: why)
        more(&event)
        events.append(event)
        return task
    }

    func put(_ task: TaskState) {
        guard let slot = slotOfTask[task.id] else { preconditionFailure("task \(task.id) is not at hand") }
        move(unitsOf: slots[Int(slot)], to: task)
        if task.leads.count != slots[Int(slot)]?.leads.count { noteLeads(of: task) }
        slots[Int(slot)] = task
        noteWaiting(slot, task)
        changed.insert(slot)
        schedule(slot)
    }

    private func noteWaiting(_ slot: Int32, _ task: TaskState) {
        if task.isUnserved && task.stage.needsUnit && task.unit == nil {
            waiting.insert(slot)
        } else if !waiting.isEmpty {
            waiting.remove(slot)
        }
    }

    /// Frees the units that the task has no more and reserves those that it has now.
    private func move(unitsOf old: TaskState?, to task: TaskState) {
        if task.crew.isEmpty, old?.crew.isEmpty ?? true {
            let before = old.flatMap { $0.stage.occupiesUnit ? $0.unit : nil }
            let after = task.stage.occupiesUnit ? task.unit : nil
            guard before != after else { return }
            if let before { units.free(before, of: task.id) }
            if let after { units.occupy(after, with: task.id, at: task.lastAt) }
            return
        }
        let before = old?.occupied ?? [], after = task.occupied
        for unit in before.subtracting(after).sorted() { units.free(unit, of: task.id) }
        for unit in after.subtracting(before).sorted() { units.occupy(unit, with: task.id, at: task.lastAt) }
    }

    private func forget(_ slot: Int32) {
        guard let task = slots[Int(slot)] else { return }
        if changed.remove(slot) != nil { gone.append(task) }
        slots[Int(slot)] = nil
        waiting.remove(slot)
        heapDue[Int(slot)] = .max
        slotOfTask[task.id] = nil
        if taskOfSituation[task.situation] == task.id { taskOfSituation[task.situation] = nil }
        if task.site == nil { tasksWithoutSite[task.kind]?.removeAll { $0 == task.id } }
        for reference in task.leads where taskOfLead[Dispatcher.leadKey(task.kind, reference).key]?.task == task.id {
            taskOfLead[Dispatcher.leadKey(task.kind, reference).key] = nil
        }
        freeSlots.append(slot)
    }

    private func noteLeads(of task: TaskState) {
        for reference in task.leads {
            let (key, since) = Dispatcher.leadKey(task.kind, reference)
            if taskOfLead[key].map({ $0.since <= since }) ?? true { taskOfLead[key] = (task.id, since) }
        }
    }

    /// A reference of `task_source` as a key; that of a lead without a number carries its moment.
    private static func leadKey(_ kind: String, _ reference: String) -> (key: String, since: Timestamp) {
        guard let at = reference.lastIndex(of: "@"), reference.contains("#"), let milliseconds = Int64(reference[reference.index(after: at)...]) else {
            return ("\(kind)\n\(reference)", .distantPast)
        }
        return ("\(kind)\n\(reference[..<at])", Timestamp(milliseconds: milliseconds))
    }

    // MARK: Time

    /// When something is due next (ms), `Int64.max` where nothing is; it may be too early, never too late.
    public var nextDue: Int64 { min(heap.next, plans.first?.at.milliseconds ?? .max) }

    /// Lets everything happen that is due up to `now`, each at its own moment and in their order, so that the result does
    /// not depend on how often it is called. O(1) where nothing is due.
    /// - Returns: whether anything was.
    @discardableResult
    public func advance(to now: Timestamp) -> Bool {
        var happened = false
        while nextDue <= now.milliseconds {
            // Of two at one moment what is due of a task comes before a visit.
            if let plan = plans.first, plan.at.milliseconds < heap.next {
                plans.removeFirst()
                happened = true
                begin(plan)
                continue
            }
            guard let entry = heap.pop() else { break }
            guard heapDue[Int(entry.slot)] == entry.due, slots[Int(entry.slot)]?.number == entry.number else { continue }
            heapDue[Int(entry.slot)] = .max
            guard let next = slots[Int(entry.slot)]?.next(settings) else { continue }
            if next.what == .forget {
                forget(entry.slot)
            } else {
                happened = true
                fire(next.what, entry.slot, at: next.at)
            }
        }
        return happened
    }

    private func schedule(_ slot: Int32) {
        guard let number = slots[Int(slot)]?.number else { return }
        let due = slots[Int(slot)]?.next(settings)?.at.milliseconds ?? .max
        guard due != heapDue[Int(slot)] else { return }
        heapDue[Int(slot)] = due
        if due != .max { heap.push(DueHeap.Entry(due: due, number: number, slot: slot)) }
        if heap.count > 64 + 4 * slotOfTask.count {
            heap.compact { heapDue[Int($0.slot)] == $0.due && slots[Int($0.slot)]?.number == $0.number }
        }
    }

    /// A clock's warning or breach, in place: the most frequent of what time brings, and no unit is touched by it.
    private func noteClock(_ clock: TaskClock, isBreached: Bool, _ slot: Int32, at: Timestamp) {
        slots[Int(slot)]![clock].isWarned = true
        if isBreached { slots[Int(slot)]![clock].isBreached = true }
        slots[Int(slot)]!.events += 1
        changed.insert(slot)
        schedule(slot)
        let what = isBreached ? "\(clock.name)_breached" : "\(clock.name)_warning"
        events.append(TaskEvent(task: slots[Int(slot)]!, what: what, from: nil, at: at, who: "patrol", role: .patrol, why: nil))
    }

    private func fire(_ what: TaskState.Due, _ slot: Int32, at: Timestamp) {
        var task: TaskState { slots[Int(slot)]! }
        switch what {
        case .warning(let clock): noteClock(clock, isBreached: false, slot, at: at)
        case .breach(let clock): noteClock(clock, isBreached: true, slot, at: at)
        case .unitSilent: unitIsSilent(task, at: at)
        case .lookAgain:
            var waiting = task
            waiting.unitDue = nil
            put(waiting)
            seek(waiting, at: at)
        case .escalation: escalate(task, at: at)
        case .suspensionOver: resume(task, at: at, who: "patrol", role: .patrol, why: "the time is over")
        case .stillFiring: reopen(task, at: at, who: "patrol", role: .patrol, why: "the alert \(task.firing[0]) still fires")
        case .forget: break
        }
    }
}
