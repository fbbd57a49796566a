import Telemetry

/// One visit for several departments (综合查一次): a task with a part for each, and each part with its feedback.
extension Dispatcher {
    /// The parts that a new task has: those asked for, else those of its matter.
    func parts(_ departments: [String], kind: String) throws(ActionRefusal) -> [TaskState.Part] {
        var wanted: [String] = []
        for department in departments where !wanted.contains(department) { wanted.append(department) }
        if wanted.isEmpty {
            guard let matter = settings.matters[kind], matter.isJoint else { return [] }
            wanted = matter.departments
        } else {
            guard wanted.count > 1 else { throw ActionRefusal(.invalid, "a joint task has two departments at least", field: "departments") }
            guard wanted.allSatisfy(ActionCatalogue.isName) else {
                throw ActionRefusal(.invalid, "a department's id has 1 to \(Limits.idBytes) bytes without control characters", field: "departments")
            }
            let known = Set(settings.matters.values.flatMap(\.departments))
            if !known.isEmpty, let unknown = wanted.first(where: { !known.contains($0) }) {
                throw ActionRefusal(.invalid, "no department has the id '\(unknown)'; known: \(known.sorted().joined(separator: ", "))", field: "departments")
            }
        }
        return wanted.map { TaskState.Part(department: $0) }
    }

    func makeJoint(_ task: TaskState, _ action: Action, at: Timestamp) throws(ActionRefusal) -> TaskState {
        let more = action.list("departments").filter { id in !task.parts.contains { $0.department == id } }
        var next = task
        next.parts = try parts(task.parts.map(\.department) + more, kind: task.kind)
        return record(
            next, "joint", from: nil, at: at, who: action.author, role: action.role,
            why: next.parts.map(\.department).joined(separator: ", "))
    }

    /// Notes whose part a feedback is; nil where the task is no joint one.
    func takePart(_ task: inout TaskState, _ action: Action) throws(ActionRefusal) -> String? {
        let department = action.text("department")
        if task.parts.isEmpty {
            guard department == nil else {
                throw ActionRefusal(.invalid, "the task \(task.id) is not a joint one: it has no part of \(department!)", field: "department")
            }
            return nil
        }
        guard let index = task.parts.firstIndex(where: { $0.department == department }) else {
            throw ActionRefusal(
                .invalid, "a joint task has a part per department: 'department' is one of \(task.parts.map(\.department).joined(separator: ", "))",
                field: "department")
        }
        task.parts[index].by = action.author
        return department
    }
}
