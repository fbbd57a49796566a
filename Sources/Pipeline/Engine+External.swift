import Delivery
import Dispatching
import Store
import Telemetry

/// What another system has said of a task over the broker.
struct ExternalWord {
    var action: Action
    var received: Timestamp
    var payload: [UInt8]
}

extension Engine {
    /// A message of `in/{gateway}/external`, where the gateway is the system: a JSON object of `task` and the fields of
    /// `task.external`. It is an input of the next commit, and acknowledged with it.
    func take(external record: ExternalRecord, _ tail: [UInt8]) {
        let gateway = String(decoding: tail.prefix(Int(record.gatewayBytes)), as: UTF8.self)
        let payload = Array(tail.dropFirst(Int(record.gatewayBytes)).prefix(Int(record.payloadBytes)))
        var received = record.received
        if options.clock == .recorded {
            if received != .distantPast { state.clock = max(state.clock, received) }
            received = state.clock
        }
        letTimePass(to: received, isJudged: false)
        var word = ExternalWord(action: Action("task.external", author: gateway), received: received, payload: payload)
        guard let text = String(validating: payload, as: UTF8.self), var fields = ActionJSON.fields(of: text) else {
            return refuse(word, .malformed, "payload")
        }
        guard case .text(let task)? = fields.removeValue(forKey: "task"), !task.isEmpty else { return refuse(word, .missing, "task") }
        (word.action.subject, word.action.fields) = (task, fields)
        if let problem = ActionCatalogue.problem(with: word.action) { return refuse(word, .range, problem.field ?? "payload") }
        externals.append(word)
    }

    private func refuse(_ word: ExternalWord, _ reason: RejectReason, _ field: String) {
        counts[Kind.allCases.count].rejected += 1
        gateways.rejected(gateway: word.action.author, reason: reason)
        rejects.append(
            RejectRow(
                received: word.received, gateway: word.action.author, topic: "\(options.topicRoot)/in/\(word.action.author)/external",
                device: "", field: field, reason: reason, payload: Array(word.payload.prefix(Limits.rejectExcerptBytes))))
    }

    /// Inputs behind the batch's readings and behind what people ask.
    func applyExternals(into result: inout Committed) throws(StoreError) {
        if externals.isEmpty { return }
        let words = externals
        externals.removeAll()
        for word in words {
            switch try applyExternal(word.action, at: serverClock, into: &result) {
            case .success:
                try log(word.action, at: serverClock, after: state.input)
                counts[Kind.allCases.count].stored += 1
            case .failure(let refusal): refuse(word, .range, refusal.field ?? "task")
            }
        }
    }

    /// Another system's number and stage of a task. The task may be named by that number as well.
    func applyExternal(
        _ action: Action, at clock: Timestamp, into result: inout Committed
    ) throws(StoreError) -> Result<String, ActionRefusal> {
        let system = action.author
        let id: String
        switch try externalTask(action, system) {
        case .success(let found): id = found
        case .failure(let refusal): return .failure(refusal)
        }
        let known = try taskRows.external(of: id, system: system)
        var report = known ?? ExternalReport(system: system)
        if let number = action.text("number"), !number.isEmpty {
            if let other = try taskRows.task(withNumber: number, of: system), other != id {
                return .failure(
                    ActionRefusal(.conflict, "\(system) has the number \(number) for the task \(other) already", field: "number"))
            }
            report.number = number
        }
        if let word = action.text("stage") {
            let name = options.adapters[system]?.stage(word) ?? word
            guard let stage = TaskStage(rawValue: name) else {
                let stages = TaskStage.allCases.map(\.rawValue).joined(separator: ", ")
                return .failure(ActionRefusal(.invalid, "'\(word)' is no stage; there are \(stages)", field: "stage"))
            }
            report.stage = stage
            report.status = word
        }
        guard report.number != nil || report.stage != nil else {
            return .failure(ActionRefusal(.invalid, "\(action.name) needs the field 'number' or 'stage'", field: "number"))
        }
        var isOld = false
        if let seen = action.number("seen") { isOld = Int64(seen) < (try taskRows.lastReopening(of: id)) }
        let task: TaskState
        do throws(ActionRefusal) {
            (task, report) = try dispatcher.follow(report, of: id, action, known: known, isOld: isOld, at: clock)
        } catch {
            return .failure(error)
        }
        noteDispatch()
        try writeDispatch(into: &result)
        if report != known { try taskRows.write(report, of: id, at: clock) }
        var answer = JSONObject()
        answer.add("id", task.id)
        answer.add("stage", task.stage.rawValue)
        answer.add("system", system)
        if let number = report.number { answer.add("number", number) }
        if let stage = report.stage { answer.add("their_stage", stage.rawValue) }
        if let conflict = report.conflict { answer.add("conflict", conflict) }
        answer.add("at", raw: "\(clock.milliseconds)")
        answer.add("possible", raw: "[\(TaskVerb.possible(in: task.stage).map { "\"\($0.rawValue)\"" }.joined(separator: ","))]")
        return .success(answer.text)
    }

    private func externalTask(_ action: Action, _ system: String) throws(StoreError) -> Result<String, ActionRefusal> {
        if let id = try taskRows.task(withNumber: action.subject, of: system) { return try taskAtHand(id) }
        return try taskAtHand(action.subject)
    }
}

extension TaskRows {
    func write(_ report: ExternalReport, of task: String, at: Timestamp) throws(StoreError) {
        try external.write([
            .text(task), .text(report.system), .init(report.number), .init(report.stage?.rawValue), .init(report.status),
            .init(report.conflict), .init(at),
        ])
    }

    /// Number of the event with which a task was reopened last, 0 where it never was.
    func lastReopening(of task: String) throws(StoreError) -> Int64 {
        try store.rows("SELECT coalesce(max(number), 0) FROM task_event WHERE task_id = ? AND what = 'reopened'", [.text(task)])[0][0]
            .integer
    }

    /// What a system has said of a task last.
    func external(of task: String, system: String) throws(StoreError) -> ExternalReport? {
        let rows = try store.rows(
            "SELECT number, stage, status, conflict FROM task_external WHERE task_id = ? AND system = ?", [.text(task), .text(system)])
        guard let row = rows.first else { return nil }
        func text(_ column: Int) -> String? { row[column] == .null ? nil : row[column].text }
        var report = ExternalReport(system: system)
        report.number = text(0)
        report.stage = text(1).flatMap(TaskStage.init)
        report.status = text(2)
        report.conflict = text(3)
        return report
    }

    /// The task that has this number with the system.
    func task(withNumber number: String, of system: String) throws(StoreError) -> String? {
        try store.rows("SELECT task_id FROM task_external WHERE system = ? AND number = ?", [.text(system), .text(number)])
            .first?[0].text
    }
}
