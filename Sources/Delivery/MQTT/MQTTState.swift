public import Store

/// What goes to the broker next: a pure state machine. Events go in order, at most ``window`` unacknowledged; retained
/// states are put right after each connect, once everything before is sent.
public struct MQTTState: Sendable {
    public enum Action: Sendable, Equatable {
        /// Say that Patrol is there.
        case greet
        case read(after: Int64, limit: Int)
        /// Compare what the broker retains with what it should: ``retains(last:rows:)``.
        case compare
        case wait
    }

    /// A retained message to publish; an empty payload clears the topic.
    public struct Retained: Sendable, Equatable {
        public var topic: String
        public var row: RetainedRow?
    }

    /// Events unacknowledged at most: what libmosquitto holds in memory while the broker is slow.
    public static let window = 1000

    public private(set) var progress: OutletProgress
    public private(set) var isConnected = false
    public var paused: String?
    /// Topics that the broker retains, with a hash of what; nil until it has said so since the last connect.
    private var brokerHas: [String: Int]?
    private var isAtEnd = false
    private var mustCompare = false
    private var mustGreet = false

    public init(delivered: Int64, paused: String? = nil) {
        progress = OutletProgress(delivered: delivered)
        self.paused = paused
    }

    public mutating func connected(_ isUp: Bool) {
        isConnected = isUp
        brokerHas = nil
        mustCompare = false
        mustGreet = isUp
        isAtEnd = false
    }

    /// What the broker retained at the connect; nil where it does not let us read.
    public mutating func brokerRetains(_ topics: [String: Int]?) {
        brokerHas = topics ?? [:]
        mustCompare = true
    }

    /// What to do now; asked again after each action.
    public mutating func next() -> Action {
        guard isConnected else { return .wait }
        if mustGreet {
            mustGreet = false
            return .greet
        }
        guard paused == nil else { return .wait }
        let room = MQTTState.window - progress.open
        guard room > 0 else { return .wait }
        if !isAtEnd { return .read(after: progress.taken, limit: room) }
        isAtEnd = false
        return mustCompare ? .compare : .wait
    }

    /// Answers ``Action/read(after:limit:)``; the events are to be published in their order.
    public mutating func took(_ page: EventPage) {
        if page.events.isEmpty { isAtEnd = true }
        for event in page.events {
            progress.take(event.sequence, at: event.at)
            // Published from here on: what the broker had before no longer counts.
            if let topic = event.retainedTopic { brokerHas?[topic] = nil }
        }
    }

    /// - Returns: the new high-water mark where it moved.
    public mutating func acknowledged(_ sequence: Int64) -> Int64? { progress.done(sequence) }

    /// Answers ``Action/compare`` with what the broker must be told; nothing while events behind the last one sent are
    /// there, since they change it.
    /// - Parameter hash: of a payload as it is published.
    public mutating func retains(last: Int64, rows: [RetainedRow], hash: (RetainedRow) -> Int) -> [Retained] {
        guard last == progress.taken, let broker = brokerHas else { return [] }
        mustCompare = false
        brokerHas = nil
        let wanted = Set(rows.map(\.topic))
        var changes = broker.keys.filter { !wanted.contains($0) }.sorted().map { Retained(topic: $0, row: nil) }
        for row in rows where broker[row.topic] != hash(row) { changes.append(Retained(topic: row.topic, row: row)) }
        return changes
    }
}
