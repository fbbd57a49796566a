public import Store

/// One event as it leaves Patrol: the outbox's row with its place in the stream.
public struct StreamEvent: Sendable, Equatable {
    public let sequence: Int64
    /// When it was committed: UTC ms, the server's clock.
    public let at: Int64
    /// `EPOCH-SEQUENCE`: unique for ever, the same however often the event is sent.
    public let id: String
    public let topic: String
    public let retainedTopic: String?
    public let isEnd: Bool
    /// The CloudEvent: UTF-8 JSON on one line.
    public let json: [UInt8]

    public init(_ row: OutboxRow, epochs: Epochs) {
        let epoch = epochs.epoch(of: row.sequence)
        sequence = row.sequence
        at = row.at
        id = "\(epoch)-\(row.sequence)"
        topic = row.topic
        retainedTopic = row.retainedTopic
        isEnd = row.isEnd
        json = StreamEvent.render(row.payload, sequence: row.sequence, epoch: epoch)
    }

    /// A dead letter as the event that it was.
    public init(_ letter: DeadLetter) {
        sequence = letter.sequence
        at = letter.at
        id = letter.event
        topic = ""
        retainedTopic = nil
        isEnd = false
        json = Array(letter.payload.utf8)
    }

    /// Adds `specversion`, `id`, `sequence` (CloudEvents extension "Sequence": of one width, so that text order is the
    /// number's) and `epoch` in front of the stored members.
    static func render(_ payload: String, sequence: Int64, epoch: String) -> [UInt8] {
        let number = String(sequence)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(payload.utf8.count + 96 + 2 * epoch.utf8.count)
        bytes.append(contentsOf: "{\"specversion\":\"1.0\",\"id\":\"".utf8)
        bytes.append(contentsOf: epoch.utf8)
        bytes.append(UInt8(ascii: "-"))
        bytes.append(contentsOf: number.utf8)
        bytes.append(contentsOf: "\",\"sequence\":\"".utf8)
        for _ in number.utf8.count..<max(number.utf8.count, 16) { bytes.append(UInt8(ascii: "0")) }
        bytes.append(contentsOf: number.utf8)
        bytes.append(contentsOf: "\",\"epoch\":\"".utf8)
        bytes.append(contentsOf: epoch.utf8)
        bytes.append(contentsOf: "\",".utf8)
        bytes.append(contentsOf: payload.utf8.dropFirst())
        return bytes
    }

    /// Its attributes; read from the JSON, so ask once.
    public var attributes: EventAttributes { EventAttributes(json) }
}

/// The attributes by which consumers choose and order; empty where the event has none.
public struct EventAttributes: Sendable, Equatable {
    public var type = "", subject = "", area = "", severity = "", rule = ""

    public init() {}

    /// Reads the string members in front of `data`, which ``CloudEvent`` writes last.
    public init(_ json: [UInt8]) {
        let quote = UInt8(ascii: "\""), backslash = UInt8(ascii: "\\")
        var index = 1
        /// The text that begins behind the quote at `index`; moves behind its end.
        func text() -> ArraySlice<UInt8>? {
            guard index < json.count, json[index] == quote else { return nil }
            let start = index + 1
            index = start
            while index < json.count, json[index] != quote { index += json[index] == backslash ? 2 : 1 }
            guard index < json.count else { return nil }
            index += 1
            return json[start..<(index - 1)]
        }
        while let key = text() {
            index += 1
            if key.elementsEqual("data".utf8) { return }
            guard let value = text() else { return }
            index += 1
            func plain() -> String { String(decoding: value, as: UTF8.self) }
            if key.elementsEqual("type".utf8) {
                type = plain()
            } else if key.elementsEqual("subject".utf8) {
                subject = plain()
            } else if key.elementsEqual("area".utf8) {
                area = plain()
            } else if key.elementsEqual("severity".utf8) {
                severity = plain()
            } else if key.elementsEqual("rule".utf8) {
                rule = plain()
            }
        }
    }
}

/// Which events a consumer wants. An empty list asks nothing; an event without the attribute that a list asks for does
/// not match.
public struct EventFilter: Sendable, Equatable {
    /// Whole types, or beginnings that end in `*`: `patrol.alert.*`.
    public var types: [String] = []
    /// Codes; a longer code that begins with one lies within it.
    public var areas: [String] = []
    public var severities: [String] = []
    public var rules: [String] = []

    public init(types: [String] = [], areas: [String] = [], severities: [String] = [], rules: [String] = []) {
        self.types = types
        self.areas = areas
        self.severities = severities
        self.rules = rules
    }

    public var asksNothing: Bool { types.isEmpty && areas.isEmpty && severities.isEmpty && rules.isEmpty }

    public func matches(_ event: StreamEvent) -> Bool { asksNothing || matches(event.attributes) }

    public func matches(_ event: EventAttributes) -> Bool {
        (types.isEmpty || types.contains { $0.hasSuffix("*") ? event.type.hasPrefix($0.dropLast()) : event.type == $0 })
            && (areas.isEmpty || areas.contains { event.area.hasPrefix($0) })
            && (severities.isEmpty || severities.contains(event.severity))
            && (rules.isEmpty || rules.contains(event.rule))
    }
}
