import Dispatching
import Store
import Telemetry

/// Tasks, their events, sources and feedback as rows.
final class TaskRows {
    let store: StoreWriter
    private let task: RowTable
    private let event: RowTable
    private let source: RowTable
    private let feedback: RowTable
    let external: RowTable
    private let plan: RowTable

    init(_ store: StoreWriter) throws(StoreError) {
        self.store = store
        task = try RowTable(store, "task", TaskRows.columns, isReplacing: true)
        event = try RowTable(
            store, "task_event",
            ["task_id", "stage", "at", "who", "why", "number", "what", "from_stage", "role", "unit", "lat", "lon"])
        source = try RowTable(store, "task_source", ["task_id", "kind", "ref", "at", "text", "picture"])
        feedback = try RowTable(
            store, "task_feedback",
            [
                "task_id", "number", "at", "who", "verdict", "text", "instrument", "laeq", "period_s", "background", "corrected",
                "limit_db", "measures", "photographs", "department",
            ])
        external = try RowTable(
            store, "task_external", ["task_id", "system", "number", "stage", "status", "conflict", "at"], isReplacing: true)
        plan = try RowTable(store, "task_plan", TaskRows.planColumns, isReplacing: true)
    }

    private static let planColumns = [
        "id", "task_id", "at", "situation", "kind", "area", "severity", "site", "lat", "lon", "subject", "who", "is_begun",
    ]

    static let columns = [
        "id", "number", "situation", "kind", "area", "site", "lat", "lon", "alert_id", "severity", "created_at", "stage",
        "stage_before", "suspended_until", "suspended_at", "unit", "department", "respond_due", "set_out_due", "dispose_due",
        "respond_stopped", "set_out_stopped", "dispose_stopped", "respond_breached", "set_out_breached", "dispose_breached",
        "clock_flags", "last_by", "last_at", "feedback_by", "disposed_at", "merged_into", "firing", "events", "unit_due",
        "tried", "forget_at", "subject", "proposed", "unserved", "round_at", "escalated", "leads",
        "parts", "crew", "priority",
    ]

    func write(_ state: TaskState, kind: DispatchSettings.Kind) throws(StoreError) {
        var flags: Int64 = 0
        for clock in TaskClock.allCases {
            if state[clock].due == nil { flags |= 1 << Int64(clock.rawValue) }
            if state[clock].isWarned { flags |= 8 << Int64(clock.rawValue) }
        }
        func due(_ clock: TaskClock) -> StoreValue {
            .integer((state[clock].due ?? state.createdAt + kind[clock].limitMilliseconds).milliseconds)
        }
        var values: [StoreValue] = [
            .text(state.id), .integer(state.number), .text(state.situation), .text(state.kind), .text(state.area),
            .init(state.site), .init(state.lat), .init(state.lon), .init(state.alertID), .text(state.severity),
            .init(state.createdAt), .text(state.stage.rawValue), .init(state.stageBefore?.rawValue),
            .init(state.suspendedUntil), .init(state.suspendedAt), .init(state.unit), .init(state.department),
        ]
        values += TaskClock.allCases.map(due)
        values += TaskClock.allCases.map { .init(state[$0].stoppedAt) }
        values += TaskClock.allCases.map { .integer(state[$0].isBreached ? 1 : 0) }
        values += [
            .integer(flags), .text(state.lastBy), .init(state.lastAt), .init(state.feedbackBy), .init(state.disposedAt),
            .init(state.mergedInto), .text(state.firing.joined(separator: "\n")), .integer(state.events),
            .init(state.unitDue), .text(state.tried.joined(separator: "\n")), .init(state.forgetAt), .init(state.subject),
            .init(state.proposed), .integer(state.isUnserved ? 1 : 0), .init(state.roundAt), .integer(Int64(state.escalated)),
            .text(state.leads.joined(separator: "\n")),
            .text(state.parts.map { "\($0.department)\t\($0.by ?? "")" }.joined(separator: "\n")),
            .text(state.crew.map { "\($0.unit)\t\($0.stage.rawValue)\t\($0.at.milliseconds)" }.joined(separator: "\n")),
            .integer(Int64(state.priority)),
        ]
        try task.write(values)
    }

    func write(_ event: TaskEvent) throws(StoreError) {
        try self.event.write([
            .text(event.task.id), .text(event.task.stage.rawValue), .init(event.at), .text(event.who), .init(event.why),
            .integer(event.number), .text(event.what), .init(event.from?.rawValue), .text(event.role.rawValue),
            .init(event.unit ?? event.task.unit), .init(event.lat), .init(event.lon),
        ])
        for plan in event.plans { try write(plan, isBegun: false) }
        if let plan = event.begun { try write(plan, isBegun: true) }
        if let source = event.source {
            try self.source.write([
                .text(event.task.id), .text(source.kind), .text(source.reference), .init(event.at), .init(source.text),
                .init(source.picture),
            ])
        }
        guard let found = event.feedback else { return }
        try feedback.write([
            .text(event.task.id), .integer(event.number), .init(event.at), .text(event.who), .init(found.verdict?.rawValue),
            .init(found.text), .init(found.instrument), .init(found.measured), .init(found.periodSeconds),
            .init(found.background), .init(found.corrected), .init(found.limit), .text(found.measures.joined(separator: "\n")),
            .text(found.photographs.joined(separator: "\n")), .init(found.department),
        ])
    }

    private func write(_ plan: VisitPlan, isBegun: Bool) throws(StoreError) {
        try self.plan.write([
            .text(plan.id), .text(plan.task), .init(plan.at), .text(plan.situation), .text(plan.kind), .text(plan.area), .text(plan.severity),
            .init(plan.site), .init(plan.lat), .init(plan.lon), .init(plan.subject), .text(plan.who), .integer(isBegun ? 1 : 0),
        ])
    }

    // MARK: Back

    /// The open tasks, and those that may still reopen.
    func open() throws(StoreError) -> [TaskState] {
        try read("stage NOT IN ('closed', 'cancelled') OR forget_at IS NOT NULL ORDER BY number", [])
    }

    /// Visits that are not due yet.
    func plans() throws(StoreError) -> [VisitPlan] {
        try store.rows("SELECT \(TaskRows.planColumns.joined(separator: ",")) FROM task_plan WHERE is_begun = 0 ORDER BY at, id").map { row in
            func text(_ column: Int) -> String? { row[column] == .null ? nil : row[column].text }
            func real(_ column: Int) -> Double? { row[column] == .null ? nil : row[column].double }
            return VisitPlan(
                id: row[0].text, task: row[1].text, at: Timestamp(milliseconds: row[2].integer), situation: row[3].text, kind: row[4].text,
                area: row[5].text, severity: row[6].text, site: text(7), lat: real(8), lon: real(9), subject: text(10), who: row[11].text)
        }
    }

    func task(id: String) throws(StoreError) -> TaskState? { try read("id = ?", [.text(id)]).first }

    /// The task that has the lead of this number.
    func task(ofLead reference: String, kind: String) throws(StoreError) -> TaskState? {
        try read(
            "kind = ?2 AND id IN (SELECT task_id FROM task_source WHERE ref = ?1 AND kind = 'lead') ORDER BY number LIMIT 1",
            [.text(reference), .text(kind)]
        ).first
    }

    func nextNumber() throws(StoreError) -> Int64 {
        try store.rows("SELECT coalesce(max(number), 0) + 1 FROM task")[0][0].integer
    }

    private func read(_ condition: String, _ arguments: [StoreValue]) throws(StoreError) -> [TaskState] {
        try store.rows("SELECT \(TaskRows.columns.joined(separator: ",")) FROM task WHERE \(condition)", arguments)
            .compactMap(TaskRows.state)
    }

    private static let index = Dictionary(uniqueKeysWithValues: columns.enumerated().map { ($1, $0) })

    private static func state(_ row: [StoreValue]) -> TaskState? {
        func text(_ name: String) -> String? { row[index[name]!] == .null ? nil : row[index[name]!].text }
        func number(_ name: String) -> Int64 { row[index[name]!].integer }
        func real(_ name: String) -> Double? { row[index[name]!] == .null ? nil : row[index[name]!].double }
        func moment(_ name: String) -> Timestamp? {
            row[index[name]!] == .null ? nil : Timestamp(milliseconds: row[index[name]!].integer)
        }
        func list(_ name: String) -> [String] { (text(name) ?? "").split(separator: "\n").map(String.init) }
        guard let stage = TaskStage(rawValue: text("stage") ?? "") else { return nil }
        var task = TaskState(
            id: text("id")!, number: number("number"), situation: text("situation")!, kind: text("kind")!, area: text("area")!,
            severity: text("severity")!, createdAt: Timestamp(milliseconds: number("created_at")), by: text("last_by")!)
        task.site = text("site")
        (task.lat, task.lon) = (real("lat"), real("lon"))
        task.priority = Int(number("priority"))
        task.alertID = text("alert_id")
        task.stage = stage
        task.stageBefore = text("stage_before").flatMap(TaskStage.init)
        task.suspendedUntil = moment("suspended_until")
        task.suspendedAt = moment("suspended_at")
        task.unit = text("unit")
        task.department = text("department")
        let flags = number("clock_flags")
        for clock in TaskClock.allCases {
            let bit = Int64(clock.rawValue)
            task[clock].due = flags >> bit & 1 == 1 ? nil : moment("\(clock.name)_due")
            task[clock].isWarned = flags >> (bit + 3) & 1 == 1
            task[clock].stoppedAt = moment("\(clock.name)_stopped")
            task[clock].isBreached = number("\(clock.name)_breached") == 1
        }
        task.lastAt = Timestamp(milliseconds: number("last_at"))
        task.feedbackBy = text("feedback_by")
        task.disposedAt = moment("disposed_at")
        task.mergedInto = text("merged_into")
        task.firing = list("firing")
        task.events = number("events")
        task.unitDue = moment("unit_due")
        task.tried = list("tried")
        task.forgetAt = moment("forget_at")
        task.subject = text("subject")
        task.proposed = text("proposed")
        task.isUnserved = number("unserved") == 1
        task.roundAt = Timestamp(milliseconds: number("round_at"))
        task.escalated = Int(number("escalated"))
        task.leads = list("leads")
        task.parts = list("parts").map { line in
            let cells = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            return TaskState.Part(department: cells[0], by: cells.count > 1 && !cells[1].isEmpty ? cells[1] : nil)
        }
        task.crew = list("crew").compactMap { line in
            let cells = line.split(separator: "\t").map(String.init)
            guard cells.count == 3, let stage = TaskStage(rawValue: cells[1]), let at = Int64(cells[2]) else { return nil }
            return TaskState.Member(unit: cells[0], stage: stage, at: Timestamp(milliseconds: at))
        }
        return task
    }
}

extension StoreValue {
    init(_ text: String?) { self = text.map(StoreValue.text) ?? .null }
    init(_ number: Double?) { self = number.map(StoreValue.real) ?? .null }
    init(_ number: Int64?) { self = number.map(StoreValue.integer) ?? .null }
    init(_ moment: Timestamp?) { self = moment.map { .integer($0.milliseconds) } ?? .null }
}
