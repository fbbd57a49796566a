/// Frames of server-sent events (WHATWG HTML §9.2).
enum SSEFrame {
    static func text(_ name: String, _ json: String, id: String? = nil) -> String {
        (id.map { "id: \($0)\n" } ?? "") + "event: \(name)\ndata: \(json)\n\n"
    }

    /// Events that were asked for and are no longer kept.
    static func gap(_ gone: ClosedRange<Int64>, _ epochs: Epochs) -> String {
        text(
            "gap",
            """
            {"first":"\(epochs.position(gone.lowerBound))","last":"\(epochs.position(gone.upperBound))","missed":\(gone.count)}
            """)
    }

    /// One event: its name is the second word of its type (`alert`, `task`), its JSON has no line break.
    static func append(_ event: StreamEvent, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "id: ".utf8)
        bytes.append(contentsOf: event.id.utf8)
        bytes.append(contentsOf: "\nevent: ".utf8)
        bytes.append(contentsOf: name(event).utf8)
        bytes.append(contentsOf: "\ndata: ".utf8)
        bytes.append(contentsOf: event.json)
        bytes.append(contentsOf: "\n\n".utf8)
    }

    private static func name(_ event: StreamEvent) -> String {
        if event.topic.contains("/out/alerts/") { return "alert" }
        if event.topic.contains("/out/tasks/") { return "task" }
        let words = event.attributes.type.split(separator: ".")
        return words.count > 1 ? String(words[1]) : "event"
    }
}
