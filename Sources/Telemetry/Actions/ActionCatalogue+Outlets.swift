extension ActionCatalogue {
    private static let sequence: ClosedRange<Double> = 1...9e15

    /// Steering of outlets and committing of consumers' cursors. They change nothing that the engine judges by.
    static let outlets = [
        ActionDescription(
            "outlet.pause", "Lets an outlet rest: nothing is sent, nothing is lost.", fields: [ActionField("why", "A remark.")]),
        ActionDescription("outlet.resume", "Lets an outlet go on where it is."),
        ActionDescription(
            "outlet.retry", "Tries at once what waits, and sends dead letters again: all, or one.",
            fields: [ActionField("sequence", "Number of one dead letter.", .number(sequence))]),
        ActionDescription(
            "outlet.skip", "Goes on behind an event: what waits up to it is kept as dead letters.",
            fields: [ActionField("through", "Number of the event.", .number(sequence), required: true)]),
        ActionDescription(
            "outlet.drop", "Throws dead letters away: all, or one.",
            fields: [ActionField("sequence", "Number of one dead letter.", .number(sequence))]),
        ActionDescription("outlet.test", "Sends an event that says that it is a test, and tells what came back."),
        ActionDescription(
            "cursor.commit", "Keeps a consumer's place on the server, under a name of its own; the first time registers it.",
            fields: [ActionField("position", "The id of the last event it has (next of its last page), or 0.", required: true)]),
        ActionDescription("cursor.forget", "Forgets a consumer's place."),
    ]

    /// Whether an action is one of ``outlets``.
    public static func isOutlets(_ name: String) -> Bool { name.hasPrefix("outlet.") || name.hasPrefix("cursor.") }
}
