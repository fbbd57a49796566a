import Telemetry

/// What Alertmanager is told next: a pure state machine. It holds the alerts that are open, tells each change at once and
/// all of them again every ``Policy/resendMilliseconds``, since Alertmanager lets an alert end that it hears no more of.
/// One request is out at a time; a failed one is made again with what is true then.
public struct AlertmanagerState: Sendable {
    public struct Policy: Sendable, Equatable {
        public var resendMilliseconds: Int64 = 60_000
        /// Alerts in one request.
        public var batch = 100
        public var firstPauseMilliseconds: Int64 = 1_000, longestPauseMilliseconds: Int64 = 60_000
        /// Events taken and not yet told.
        public var window = 1000
        public var filter = EventFilter()

        public init() {}
    }

    public enum Action: Sendable, Equatable {
        case post([AlertmanagerAlert])
        case read(after: Int64, limit: Int)
        case wait(milliseconds: Int64?)
    }

    public let policy: Policy
    public private(set) var progress: OutletProgress
    public var paused: String?
    /// By id.
    private var open: [String: AlertmanagerAlert]
    /// Changes to tell, oldest first, and the events that they are.
    private var changes: [(sequence: Int64, alerts: [AlertmanagerAlert])] = []
    /// What is out: so many of ``changes``, and the rest of a round.
    private var out = 0
    private(set) var isOut = false
    /// Ids of open alerts still to be told in this round.
    private var round: [String] = []
    private var outOfRound = 0
    private var nextRound: Int64 = .min
    private var notBefore: Int64 = .min
    private var failures = 0
    private var isAtEnd = false
    private var backoff: Backoff

    /// - Parameter open: the alerts that were open at `delivered`.
    public init(delivered: Int64, open: [AlertmanagerAlert], paused: String? = nil, policy: Policy = Policy(), seed: UInt64 = 1) {
        progress = OutletProgress(delivered: delivered)
        self.open = Dictionary(open.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        self.paused = paused
        self.policy = policy
        backoff = Backoff(
            firstMilliseconds: policy.firstPauseMilliseconds, longestMilliseconds: policy.longestPauseMilliseconds, seed: seed)
    }

    public var isFailing: Bool { failures > 0 }
    public var nextAttempt: Int64? { failures > 0 ? notBefore : nil }

    public mutating func next(now: Int64) -> Action {
        if paused != nil || isOut { return .wait(milliseconds: nil) }
        if notBefore > now { return .wait(milliseconds: notBefore - now) }
        if changes.isEmpty && !isAtEnd { return .read(after: progress.taken, limit: policy.window) }
        if now >= nextRound && round.isEmpty {
            round = open.keys.sorted()
            nextRound = now + policy.resendMilliseconds
        }
        out = min(changes.count, policy.batch)
        outOfRound = min(round.count, policy.batch - out)
        // Of one that changes the change is told: beside its end its opening would come after.
        let changing = Set(changes.compactMap(\.alerts.last?.id))
        let alerts = changes[..<out].flatMap(\.alerts) + round[..<outOfRound].filter { !changing.contains($0) }.compactMap { open[$0] }
        guard !alerts.isEmpty else {
            round.removeFirst(outOfRound)
            isAtEnd = false
            return .wait(milliseconds: max(1, nextRound - now))
        }
        isOut = true
        return .post(alerts)
    }

    /// Answers ``Action/read(after:limit:)``.
    /// - Parameter alerts: what the events tell of alerts, by number.
    /// - Returns: the new high-water mark where it moved.
    public mutating func took(_ page: EventPage, alerts: [Int64: [AlertmanagerAlert]]) -> Int64? {
        if page.events.isEmpty { isAtEnd = true }
        var moved: Int64?
        for event in page.events {
            progress.take(event.sequence, at: event.at)
            if let told = wanted(event, alerts[event.sequence] ?? []) {
                changes.append((event.sequence, told))
            } else {
                moved = progress.done(event.sequence) ?? moved
            }
        }
        return moved
    }

    /// Nil where the event is nothing to tell. An alert that was told and has risen out of the filter is over.
    private func wanted(_ event: StreamEvent, _ alerts: [AlertmanagerAlert]) -> [AlertmanagerAlert]? {
        guard let id = alerts.last?.id else { return nil }
        if policy.filter.matches(event) { return alerts }
        let known = changes.last { $0.alerts.last?.id == id }?.alerts.last ?? open[id]
        guard let known, known.endsAt == nil else { return nil }
        return [known.ended(Timestamp(milliseconds: event.at))]
    }

    /// The request was answered.
    /// - Returns: the new high-water mark where it moved.
    public mutating func posted(now: Int64) -> Int64? {
        isOut = false
        failures = 0
        notBefore = .min
        var moved: Int64?
        for (sequence, alerts) in changes[..<out] {
            for alert in alerts { open[alert.id] = alert.endsAt == nil ? alert : nil }
            moved = progress.done(sequence) ?? moved
        }
        changes.removeFirst(out)
        round.removeFirst(outOfRound)
        if changes.isEmpty { isAtEnd = false }
        return moved
    }

    public mutating func failed(now: Int64) {
        isOut = false
        failures += 1
        notBefore = now + backoff.pause(after: failures)
        // What has changed meanwhile may end what is in this round.
        round = []
        nextRound = .min
    }

    public mutating func tryNow() { notBefore = .min }
}
