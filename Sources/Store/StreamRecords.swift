/// One event for the consumers as the outbox holds it: a CloudEvent without the attributes that belong to its place in
/// the stream (`specversion`, `id`, `sequence`, `epoch`), which are added when it is read.
public struct OutboxRow: Sendable, Equatable {
    public var sequence: Int64
    /// When it was written: the server's clock, UTC ms; 0 where it is not known.
    public var at: Int64
    /// The MQTT topic on which it is published.
    public var topic: String
    public var payload: String
    /// `state/alerts/{id}` where the event is also kept as the retained state of an alert.
    public var retainedTopic: String?
    /// The alert is over: the retained state is cleared.
    public var isEnd: Bool

    public init(
        sequence: Int64 = 0, at: Int64 = 0, topic: String, payload: String, retainedTopic: String? = nil, isEnd: Bool = false
    ) {
        self.sequence = sequence
        self.at = at
        self.topic = topic
        self.payload = payload
        self.retainedTopic = retainedTopic
        self.isEnd = isEnd
    }
}

/// From this sequence number on events belong to an epoch.
public struct EpochMark: Sendable, Equatable {
    public var firstSequence: Int64
    public var epoch: String

    public init(firstSequence: Int64, epoch: String) {
        self.firstSequence = firstSequence
        self.epoch = epoch
    }
}

/// What is retained on a topic while something is open.
public struct RetainedRow: Sendable, Equatable {
    public var topic: String
    public var sequence: Int64
    public var payload: String

    public init(topic: String, sequence: Int64, payload: String) {
        self.topic = topic
        self.sequence = sequence
        self.payload = payload
    }
}

/// How far an outlet (or a consumer's cursor, `pull/NAME`) is.
public struct OutletRow: Sendable, Equatable {
    public var name: String
    /// Everything up to this sequence number is delivered, dead, or skipped.
    public var delivered: Int64
    /// Why it rests; nil while it runs.
    public var paused: String?
    /// When the row was written, UTC ms.
    public var at: Int64

    public init(name: String, delivered: Int64, paused: String? = nil, at: Int64 = 0) {
        self.name = name
        self.delivered = delivered
        self.paused = paused
        self.at = at
    }
}

/// An event that an outlet has given up, with the bytes that it was to send.
public struct DeadLetter: Sendable, Equatable {
    public var outlet: String
    public var sequence: Int64
    /// The CloudEvent's id.
    public var event: String
    /// When it was given up, UTC ms.
    public var at: Int64
    public var attempts: Int
    public var reason: String
    public var payload: String

    public init(
        outlet: String, sequence: Int64, event: String, at: Int64, attempts: Int, reason: String, payload: String
    ) {
        self.outlet = outlet
        self.sequence = sequence
        self.event = event
        self.at = at
        self.attempts = attempts
        self.reason = reason
        self.payload = payload
    }
}

/// What an outlet asks of the one writer. It commits with the next batch.
public enum OutletChange: Sendable, Equatable {
    /// Everything up to `sequence` is done.
    case delivered(outlet: String, sequence: Int64)
    /// The outlet rests, with the reason; nil lets it run.
    case paused(outlet: String, reason: String?)
    /// An event is given up and kept.
    case dead(DeadLetter)
    /// A dead letter has been sent after all, or is no longer wanted.
    case buried(outlet: String, sequence: Int64)
    /// The outlet or cursor is forgotten with its dead letters.
    case forgotten(outlet: String)
}
