extension ActionCatalogue {
    static let silences = [
        ActionDescription(
            "silence.add", "Silences alerts: those that begin to fire meanwhile make no task. One matcher at least.",
            makesNew: true,
            fields: [
                ActionField("reason", "Why.", required: true),
                ActionField("from", "When it begins: milliseconds since 1970; now without it.", .moment),
                ActionField("until", "When it ends: milliseconds since 1970.", .moment, required: true),
                ActionField("rules", "Ids of rules; a * at the end stands for anything.", .list),
                ActionField("devices", "Ids of devices; a * at the end stands for anything.", .list),
                ActionField("sites", "Ids of sites; a * at the end stands for anything.", .list),
                ActionField("areas", "Codes of areas, with everything below them.", .list),
                ActionField("severities", "info, warning, critical.", .list),
                ActionField("kinds", "Kinds of device.", .list),
            ]),
        ActionDescription(
            "silence.expire", "Ends a silence now: what it silenced and still fires acts as if it fired now.",
            fields: [ActionField("why", "A remark.")]),
    ]
}
