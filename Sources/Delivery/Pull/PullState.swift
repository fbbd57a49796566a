/// The gathering of one answer: a pure state machine. Its clock is in seconds since the request.
public struct PullState: Sendable {
    public enum Action: Sendable, Equatable {
        case read(after: Int64)
        /// Nothing matches yet: wait for more, at most so long.
        case wait(after: Int64, seconds: Double)
        case answer
    }

    /// Events looked through for one answer: a filter that nothing matches gets an empty page and a place to go on from.
    static let lookLimit = 50_000

    public private(set) var after: Int64
    public private(set) var events: [StreamEvent] = []
    public private(set) var gone: ClosedRange<Int64>?
    /// Whether there was something behind the last event when the answer was made.
    public private(set) var hasMore = false
    public let limit: Int
    private let filter: EventFilter
    private let waitSeconds: Double
    private var looked = 0
    private var isAtEnd = false

    public init(after: Int64, limit: Int, waitSeconds: Double, filter: EventFilter) {
        self.after = after
        self.limit = limit
        self.waitSeconds = waitSeconds
        self.filter = filter
    }

    public mutating func next(now: Double) -> Action {
        if events.count >= limit || looked >= PullState.lookLimit {
            hasMore = true
            return .answer
        }
        if !isAtEnd { return .read(after: after) }
        isAtEnd = false
        // Whoever waits gets the first events at once.
        if events.isEmpty && gone == nil && now < waitSeconds { return .wait(after: after, seconds: waitSeconds - now) }
        return .answer
    }

    /// Answers ``Action/read(after:)``.
    public mutating func took(_ page: EventPage) {
        if page.events.isEmpty { isAtEnd = true }
        // A hole behind events that are gathered already waits for the next answer.
        if let hole = page.gone {
            if !events.isEmpty { return isAtEnd = true }
            gone = gone.map { $0.lowerBound...hole.upperBound } ?? hole
        }
        for event in page.events {
            if events.count >= limit { return }
            looked += 1
            after = event.sequence
            if filter.matches(event) { events.append(event) }
        }
    }
}
