extension ActionCatalogue {
    /// What another system that works a task says of it. `as` is its name.
    static let systems = [
        ActionDescription(
            "task.external",
            "Another system tells its number and stage of a task. The task follows as far as its own rules let it; where they do not, the conflict is on record and Patrol's stage holds.",
            fields: [
                ActionField("number", "The other system's number of the task."),
                ActionField("stage", "Where it has the task: a stage, or a word that its adapter knows."),
                ActionField("by", "Who there."),
                ActionField("seen", "The number of the task's last event that it knows: what it says from before a reopening moves nothing.", .number(0...9e15)),
                ActionField("unit", "Who goes, where that is one of Patrol's units."),
                ActionField("to", "Of transferred: the department."),
            ] + tasks.first { $0.verb == "feedback" }!.fields)
    ]
}
