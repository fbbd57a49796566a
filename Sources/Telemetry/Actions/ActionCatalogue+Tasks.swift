extension ActionCatalogue {
    private static let why = ActionField("why", "A remark.")
    private static let reason = ActionField("why", "The reason.", required: true)
    /// From where an officer acts, WGS-84.
    private static let place = [
        ActionField("lat", "From where, degrees WGS-84.", .number(-90...90)),
        ActionField("lon", "From where, degrees WGS-84.", .number(-180...180)),
    ]

    private static let member = ActionField("unit", "Of a one-key dispatch: which of its units; without it that of the author.")

    /// Many units to one place.
    static let dispatch = ActionDescription(
        "dispatch.new", "One-key dispatch (一键调度): sends all free units of some areas or within a radius to a place, as one task.", makesNew: true,
        fields: [
            ActionField("areas", "Codes of the areas whose units are sent.", .list),
            ActionField("within", "Units so many metres around the place.", .number(1...200_000)),
            ActionField("site", "The place: a site's id."),
            ActionField("area", "The place: an area's code."),
            ActionField("lat", "The place: degrees WGS-84.", .number(-90...90)),
            ActionField("lon", "The place: degrees WGS-84.", .number(-180...180)),
            ActionField("kind", "The kind of the task; muster without it."),
            ActionField("text", "What for."),
        ])

    /// The life of a task, in the order of the stages.
    static let tasks = [
        ActionDescription(
            "task.new", "Reports a matter: a task, or one more source of the open task of that place and kind.", makesNew: true,
            fields: [
                ActionField("kind", "The kind of the task, for example noise-check.", required: true),
                ActionField("text", "What is the matter."),
                ActionField("site", "The site's id."),
                ActionField("area", "The area's code."),
                ActionField("lat", "Degrees WGS-84.", .number(-90...90)),
                ActionField("lon", "Degrees WGS-84.", .number(-180...180)),
                ActionField("source", "The reporting system's own number; the same again is the same report."),
                ActionField("picture", "A reference to a picture."),
                ActionField("severity", "How urgent it is.", .choice(["info", "warning", "critical"])),
                ActionField("departments", "Of a joint task (综合查一次): each has a part with its own feedback.", .list),
            ]),
        ActionDescription("task.accept", "Accepts a task (受理).", fields: [why]),
        ActionDescription(
            "task.assign", "Gives a task to a unit (分派).",
            fields: [
                ActionField("unit", "The unit's id; without it the one that Patrol proposes."),
                ActionField("instead", "The unit in whose place it is sent, where another person has sent one."), why,
            ]),
        ActionDescription("task.ack", "The unit has it (签收).", fields: [why, member] + place),
        ActionDescription("task.set-out", "The unit is on its way (出动).", fields: [why, member] + place),
        ActionDescription("task.arrive", "The unit is there (到场).", fields: [why, member] + place),
        ActionDescription("task.dispose", "The matter is settled on the spot (处置).", fields: [why] + place),
        ActionDescription(
            "task.feedback", "What was found (反馈). A noise task needs the instrument's value.",
            fields: [
                ActionField("department", "Of a joint task: whose part it is."),
                ActionField("text", "In words."),
                ActionField("verdict", "within the limit, exceeded, or gone: nothing to be measured any more.", .choice(["within", "exceeded", "gone"])),
                ActionField("instrument", "Type and number of the sound level meter."),
                ActionField("laeq", "Measured level, dB(A).", .number(-1000...1000)),
                ActionField("period_s", "How long it was measured, in seconds.", .number(1...86_400)),
                ActionField("background", "Level without the source, dB(A).", .number(-1000...1000)),
                ActionField("limit", "The limit that applies, dB(A).", .number(-1000...1000)),
                ActionField("measures", "What was done: a leaflet handed over, an order given.", .list),
                ActionField("photographs", "References to pictures.", .list),
                why,
            ] + place),
        ActionDescription("task.verify", "Another person has checked it (核查).", fields: [why] + place),
        ActionDescription("task.close", "Closes the task (办结).", fields: [why]),
        ActionDescription("task.return", "Gives it back (退回).", fields: [reason, member] + place),
        ActionDescription(
            "task.transfer", "Gives it to another department (转办).",
            fields: [ActionField("to", "The department.", required: true), reason]),
        ActionDescription(
            "task.suspend", "Lets it rest (挂起).",
            fields: [reason, ActionField("until", "It goes on by itself then: milliseconds since 1970.", .moment)] + place),
        ActionDescription("task.resume", "Goes on with a suspended task.", fields: [why]),
        ActionDescription("task.cancel", "Calls it off (作废).", fields: [reason]),
        ActionDescription("task.reopen", "Opens a settled task again.", fields: [reason]),
        ActionDescription(
            "task.merge", "The matter goes on in another task.",
            fields: [ActionField("into", "The other task's id, which may be shortened.", required: true), why]),
        ActionDescription(
            "task.split", "One of the task's alerts becomes a task of its own.",
            fields: [ActionField("alert", "The alert's id, which may be shortened.", required: true), why]),
        ActionDescription(
            "task.joint", "Makes it a joint task (综合查一次): each department has a part with its own feedback.",
            fields: [ActionField("departments", "Ids of the departments.", .list, required: true)]),
        ActionDescription(
            "task.plan", "Plans a visit: the same place again, or all sites near it. It becomes a task at its time.",
            fields: [
                ActionField("at", "When: milliseconds since 1970.", .moment, required: true),
                ActionField("sites_m", "All other sites within so many metres.", .number(1...20_000)), ActionField("why", "What for."),
            ]),
        ActionDescription("task.comment", "Adds a remark.", fields: [ActionField("text", "The remark.", required: true)]),
    ]
}
