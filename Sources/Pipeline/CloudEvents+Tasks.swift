import Delivery
import Dispatching
import Store
import Telemetry

extension CloudEvents {
    /// What happened to a task: `patrol.task.acknowledged`, `patrol.task.respond_breached` …
    static func task(_ event: TaskEvent, options: EngineOptions) -> OutboxRow {
        let task = event.task
        let kind = options.dispatch.kind(task.kind)
        var data = JSONObject()
        data.add("id", task.id)
        data.add("number", raw: "\(event.number)")
        if let alert = task.alertID { data.add("alert_id", alert) }
        data.add("kind", task.kind)
        if let matter = options.dispatch.matters[task.kind] {
            var object = JSONObject()
            object.add("en", matter.nameEnglish)
            object.add("zh", matter.nameChinese)
            if let law = matter.law { object.add("law", law) }
            if let clause = matter.clause { object.add("clause", clause) }
            data.add("matter", raw: object.text)
        }
        data.add("area", task.area)
        if let site = task.site { data.add("site", site) }
        if let lat = task.lat, let lon = task.lon {
            data.add("lat", raw: "\(lat)")
            data.add("lon", raw: "\(lon)")
        }
        data.add("severity", task.severity)
        data.add("priority", raw: "\(task.priority)")
        if let text = task.subject { data.add("text", text) }
        data.add("stage", task.stage.rawValue)
        if let from = event.from { data.add("from", from.rawValue) }
        if let unit = event.unit ?? task.unit { data.add("unit", unit) }
        if !task.crew.isEmpty { data.add("crew", raw: json(task.crew)) }
        if !task.parts.isEmpty { data.add("parts", raw: json(task.parts)) }
        if !event.plans.isEmpty {
            let plans = event.plans.map { plan in
                var object = JSONObject()
                object.add("id", plan.id)
                object.add("at", raw: "\(plan.at.milliseconds)")
                if let site = plan.site { object.add("site", site) }
                return object.text
            }
            data.add("plans", raw: "[\(plans.joined(separator: ","))]")
        }
        if let unit = task.proposed { data.add("proposed", unit) }
        if let choice = event.choice {
            let candidates = choice.candidates.prefix(5).map { candidate in
                var object = JSONObject()
                object.add("unit", candidate.unit)
                if let metres = candidate.metres { object.add("metres", raw: "\(Int(metres.rounded()))") }
                object.add("reason", candidate.reason.name)
                return object.text
            }
            data.add("candidates", raw: "[\(candidates.joined(separator: ","))]")
        }
        if let level = event.level {
            data.add("level", level.rawValue)
            data.add("told", raw: "[\(event.told.map(JSONObject.quoted).joined(separator: ","))]")
        }
        if let department = task.department { data.add("department", department) }
        data.add("who", event.who)
        data.add("role", event.role.rawValue)
        if let why = event.why { data.add("why", why) }
        data.add("created_at", raw: "\(task.createdAt.milliseconds)")
        for clock in TaskClock.allCases {
            let due = task[clock].due ?? task.createdAt + kind[clock].limitMilliseconds
            data.add("\(clock.name)_due", raw: "\(due.milliseconds)")
        }
        for clock in TaskClock.allCases where task[clock].isBreached { data.add("\(clock.name)_breached", raw: "true") }
        if let until = task.suspendedUntil { data.add("suspended_until", raw: "\(until.milliseconds)") }
        if let into = task.mergedInto { data.add("merged_into", into) }
        if let source = event.source {
            var object = JSONObject()
            object.add("kind", source.kind)
            object.add("ref", source.reference)
            if let text = source.text { object.add("text", text) }
            if let picture = source.picture { object.add("picture", picture) }
            data.add("source", raw: object.text)
        }
        if let report = event.external {
            var object = JSONObject()
            object.add("system", report.system)
            for (name, value) in [
                ("number", report.number), ("stage", report.stage?.rawValue), ("status", report.status), ("conflict", report.conflict),
            ] { if let value { object.add(name, value) } }
            data.add("external", raw: object.text)
        }
        if let feedback = event.feedback { data.add("feedback", raw: json(feedback)) }
        return OutboxRow(
            topic: "\(options.topicRoot)/out/tasks/\(level(task.area))",
            payload: CloudEvent.event(
                type: "patrol.task.\(event.what)", subject: task.id, at: event.at, source: options.source, area: task.area,
                severity: task.severity, data: data))
    }

    static func json(_ crew: [TaskState.Member]) -> String {
        let members = crew.map { "{\"unit\":\(JSONObject.quoted($0.unit)),\"stage\":\"\($0.stage.rawValue)\",\"at\":\($0.at.milliseconds)}" }
        return "[\(members.joined(separator: ","))]"
    }

    static func json(_ parts: [TaskState.Part]) -> String {
        let items = parts.map { part in
            var object = JSONObject()
            object.add("department", part.department)
            if let by = part.by { object.add("by", by) }
            return object.text
        }
        return "[\(items.joined(separator: ","))]"
    }

    private static func json(_ feedback: Feedback) -> String {
        var object = JSONObject()
        if let department = feedback.department { object.add("department", department) }
        if let verdict = feedback.verdict { object.add("verdict", verdict.rawValue) }
        if let text = feedback.text { object.add("text", text) }
        if let instrument = feedback.instrument { object.add("instrument", instrument) }
        let numbers = [
            ("laeq", feedback.measured), ("period_s", feedback.periodSeconds), ("background", feedback.background),
            ("corrected", feedback.corrected), ("limit", feedback.limit),
        ]
        for (name, value) in numbers { if let value { object.add(name, raw: "\(value)") } }
        for (name, list) in [("measures", feedback.measures), ("photographs", feedback.photographs)] where !list.isEmpty {
            object.add(name, raw: "[\(list.map(JSONObject.quoted).joined(separator: ","))]")
        }
        return object.text
    }
}
