/// What a receiver is sent next: a pure state machine for order, retries, the circuit and giving up.
///
/// Events of one subject go one after the other; of different subjects at most ``Policy/maxInFlight`` go at once. After
/// some failures in a row the circuit opens: one event tries whether the receiver is back, the others wait. Milliseconds
/// of two clocks are parameters: `now`, which no step moves, for pauses, and `wall` (UTC) for the age of events.
public struct WebhookState: Sendable {
    public struct Policy: Sendable, Equatable {
        public var maxInFlight = 8
        /// Pauses of one event between its attempts.
        public var firstPauseMilliseconds: Int64 = 5_000, longestPauseMilliseconds: Int64 = 3_600_000
        /// An event that has failed and is older than this is given up.
        public var giveUpMilliseconds: Int64 = 3 * 86_400_000
        /// An event that the receiver itself calls wrong (400, 413, 415, 422) so often is given up.
        public var refusals = 5
        /// Failures in a row that open the circuit, and how long it stays open.
        public var circuitFailures = 5
        public var firstOpenMilliseconds: Int64 = 5_000, longestOpenMilliseconds: Int64 = 600_000
        /// Events held in memory.
        public var window = 1000
        public var filter = EventFilter()

        public init() {}
    }

    /// What came of an attempt.
    public enum Outcome: Sendable, Equatable {
        /// 2xx.
        case taken
        /// The receiver calls this event wrong; another may be well.
        case refused(String)
        /// 410: it wants nothing any more.
        case gone
        /// 429, or 503 with Retry-After: not now. Nil where it does not say when.
        case busy(afterMilliseconds: Int64?)
        /// Anything else: no answer, a wrong certificate, a redirect, 5xx, 401.
        case failed(String)
    }

    public enum Action: Sendable, Equatable {
        case send(sequence: Int64, attempt: Int)
        case read(after: Int64, limit: Int)
        /// Nothing to do before something happens, or this long.
        case wait(milliseconds: Int64?)
    }

    /// What is to be written down.
    public enum Effect: Sendable, Equatable {
        case delivered(through: Int64)
        case dead(StreamEvent, attempts: Int, reason: String)
        /// A dead letter was sent after all.
        case buried(sequence: Int64)
        case paused(reason: String)
    }

    enum Circuit: Equatable, Sendable {
        case closed
        case open(until: Int64)
        /// One event is out to see.
        case probing(Int64)
    }

    struct Entry: Sendable {
        let event: StreamEvent
        let subject: String
        var attempts = 0
        var refusals = 0
        var isFlying = false
        /// A dead letter that a person wants sent again.
        var isDead = false
    }

    public let policy: Policy
    public private(set) var progress: OutletProgress
    public private(set) var paused: String?
    private(set) var circuit = Circuit.closed
    private(set) var entries: [Int64: Entry] = [:]
    /// Events of a subject that wait for the first of them.
    private var queues: [String: [Int64]] = [:]
    /// Heads of their queues that may go, oldest first; ``firstReady`` is where it begins.
    private var ready: [Int64] = []
    private var firstReady = 0
    /// Heads that wait for their next attempt.
    private var delayed: [(at: Int64, sequence: Int64)] = []
    private var holdUntil: Int64 = .min
    private var failuresInRow = 0, openings = 0, busyInRow = 0
    private var isAtEnd = false
    private var skipThrough: Int64 = 0
    private var backoff: Backoff, openBackoff: Backoff
    public private(set) var inFlight = 0

    public init(delivered: Int64, paused: String? = nil, policy: Policy = Policy(), seed: UInt64 = 1) {
        progress = OutletProgress(delivered: delivered)
        self.paused = paused
        self.policy = policy
        backoff = Backoff(
            firstMilliseconds: policy.firstPauseMilliseconds, longestMilliseconds: policy.longestPauseMilliseconds, seed: seed)
        openBackoff = Backoff(
            firstMilliseconds: policy.firstOpenMilliseconds, longestMilliseconds: policy.longestOpenMilliseconds,
            seed: seed &* 31 &+ 7)
    }

    /// Why the receiver is not sent to now; nil while it is.
    public var isFailing: Bool { circuit != .closed || holdUntil != .min }

    public func event(_ sequence: Int64) -> StreamEvent? { entries[sequence]?.event }

    // MARK: What next

    public mutating func next(now: Int64) -> Action {
        if paused != nil { return .wait(milliseconds: nil) }
        if !delayed.isEmpty { wakeDelayed(now) }
        var wake = delayed.map(\.at).min()
        var maySend = inFlight < policy.maxInFlight && firstReady < ready.count
        if holdUntil <= now { holdUntil = .min }
        var blocked = holdUntil
        switch circuit {
        case .closed: break
        case .open(let until) where until > now: blocked = max(blocked, until)
        case .open: maySend = maySend && inFlight == 0
        case .probing: maySend = false
        }
        if blocked > now {
            maySend = false
            wake = blocked
        }
        if maySend {
            let sequence = ready[firstReady]
            firstReady += 1
            if firstReady > 512 {
                ready.removeFirst(firstReady)
                firstReady = 0
            }
            if case .open = circuit { circuit = .probing(sequence) }
            entries[sequence]!.isFlying = true
            entries[sequence]!.attempts += 1
            inFlight += 1
            return .send(sequence: sequence, attempt: entries[sequence]!.attempts)
        }
        let room = policy.window - entries.count
        if !isAtEnd && room > policy.window / 2 { return .read(after: progress.taken, limit: room) }
        isAtEnd = false
        return .wait(milliseconds: wake.map { max(0, $0 - now) })
    }

    private mutating func wakeDelayed(_ now: Int64) {
        let due = delayed.filter { $0.at <= now }.sorted { ($0.at, $0.sequence) < ($1.at, $1.sequence) }
        guard !due.isEmpty else { return }
        delayed.removeAll { $0.at <= now }
        ready.append(contentsOf: due.map(\.sequence))
    }

    /// Answers ``Action/read(after:limit:)``.
    public mutating func took(_ page: EventPage) -> [Effect] {
        if page.events.isEmpty { isAtEnd = true }
        var effects: [Effect] = []
        var moved: Int64?
        for event in page.events {
            progress.take(event.sequence, at: event.at)
            let attributes = event.attributes
            guard policy.filter.matches(attributes) else {
                moved = progress.done(event.sequence) ?? moved
                continue
            }
            if event.sequence <= skipThrough {
                effects.append(.dead(event, attempts: 0, reason: "skipped by hand"))
                moved = progress.done(event.sequence) ?? moved
                continue
            }
            add(Entry(event: event, subject: attributes.subject))
        }
        if let moved { effects.append(.delivered(through: moved)) }
        return effects
    }

    private mutating func add(_ entry: Entry) {
        let sequence = entry.event.sequence
        entries[sequence] = entry
        queues[entry.subject, default: []].append(sequence)
        if queues[entry.subject]!.count == 1 { ready.append(sequence) }
    }

    // MARK: Answers

    public mutating func answered(_ sequence: Int64, _ outcome: Outcome, now: Int64, wall: Int64) -> [Effect] {
        guard var entry = entries[sequence], entry.isFlying else { return [] }
        entry.isFlying = false
        inFlight -= 1
        entries[sequence] = entry
        let isProbe = circuit == .probing(sequence)
        switch outcome {
        case .taken:
            close()
            return finish(sequence, entry.isDead ? .buried(sequence: sequence) : nil)
        case .refused(let why):
            // It answers, so it is there.
            close()
            entries[sequence]!.refusals += 1
            guard entry.refusals + 1 >= policy.refusals else {
                delay(sequence, until: now + backoff.pause(after: entry.refusals + 1))
                return []
            }
            return giveUp(sequence, "refused \(policy.refusals) times: \(why)")
        case .gone:
            if isProbe { circuit = .open(until: now) }
            ready.append(sequence)
            paused = "the receiver answered 410 Gone: it wants nothing any more"
            return [.paused(reason: paused!)]
        case .busy(let after):
            if isProbe { circuit = .closed }
            busyInRow += 1
            let pause = after ?? openBackoff.pause(after: busyInRow)
            holdUntil = max(holdUntil, now + min(max(pause, 0), policy.giveUpMilliseconds))
            if isTooOld(entry, wall) { return giveUp(sequence, "still busy (429) after \(days(policy.giveUpMilliseconds))") }
            ready.append(sequence)
            return []
        case .failed(let why):
            failuresInRow += 1
            if case .open(let until) = circuit, until > now {
                // It was out already when the circuit opened.
                ready.append(sequence)
                return []
            }
            if isProbe || failuresInRow >= policy.circuitFailures {
                openings += 1
                circuit = .open(until: now + openBackoff.pause(after: openings))
                var effects: [Effect] = []
                // Only what has been tried: an event that was never sent is not given up for the others' sake.
                for old in entries.values.filter({ !$0.isFlying && $0.attempts > 0 && isTooOld($0, wall) }).map(\.event.sequence).sorted() {
                    effects += giveUp(old, "failed for \(days(policy.giveUpMilliseconds)): \(why)")
                }
                // The circuit paces the attempts, not the event's own pauses.
                if entries[sequence] != nil { ready.append(sequence) }
                return effects
            }
            if isTooOld(entry, wall) { return giveUp(sequence, "failed for \(days(policy.giveUpMilliseconds)): \(why)") }
            delay(sequence, until: now + backoff.pause(after: entry.attempts))
            return []
        }
    }

    private mutating func close() {
        circuit = .closed
        failuresInRow = 0
        openings = 0
        busyInRow = 0
    }

    private func isTooOld(_ entry: Entry, _ wall: Int64) -> Bool { wall - entry.event.at > policy.giveUpMilliseconds }

    private func days(_ milliseconds: Int64) -> String {
        milliseconds >= 86_400_000 ? "\(milliseconds / 86_400_000) d" : "\(milliseconds / 1000) s"
    }

    private mutating func delay(_ sequence: Int64, until: Int64) { delayed.append((until, sequence)) }

    private mutating func giveUp(_ sequence: Int64, _ reason: String) -> [Effect] {
        let entry = entries[sequence]!
        return finish(
            sequence, entry.isDead ? nil : .dead(entry.event, attempts: entry.attempts, reason: reason))
    }

    /// The event is done with; the next of its subject may go.
    private mutating func finish(_ sequence: Int64, _ effect: Effect?) -> [Effect] {
        let entry = entries.removeValue(forKey: sequence)!
        delayed.removeAll { $0.sequence == sequence }
        var queue = queues[entry.subject]!
        let wasHead = queue.first == sequence
        queue.removeAll { $0 == sequence }
        queues[entry.subject] = queue.isEmpty ? nil : queue
        if wasHead, let next = queue.first { ready.append(next) }
        if let index = ready[firstReady...].firstIndex(of: sequence) { ready.remove(at: index) }
        var effects = effect.map { [$0] } ?? []
        if !entry.isDead, let moved = progress.done(sequence) { effects.append(.delivered(through: moved)) }
        return effects
    }

    // MARK: Orders

    public mutating func pause(_ reason: String) { paused = reason }

    public mutating func resume() {
        paused = nil
        tryNow()
    }

    /// Everything that waits for a later attempt may go now.
    public mutating func tryNow() {
        ready.append(contentsOf: delayed.sorted { $0.sequence < $1.sequence }.map(\.sequence))
        delayed.removeAll()
        holdUntil = .min
        if case .open = circuit { circuit = .open(until: .min) }
    }

    /// A dead letter goes once more, as an event of a subject of its own.
    public mutating func sendAgain(_ event: StreamEvent) {
        guard entries[event.sequence] == nil else { return }
        add(Entry(event: event, subject: "dead \(event.sequence)", isDead: true))
    }

    /// Gives up everything through `sequence` that is not being sent at this moment.
    public mutating func skip(through sequence: Int64) -> [Effect] {
        skipThrough = max(skipThrough, sequence)
        var effects: [Effect] = []
        for entry in entries.values.sorted(by: { $0.event.sequence < $1.event.sequence })
        where entry.event.sequence <= sequence && !entry.isFlying && !entry.isDead {
            effects += giveUp(entry.event.sequence, "skipped by hand")
        }
        return effects
    }

    /// When something is tried again, for people; nil where nothing waits for its time.
    public var nextAttempt: Int64? {
        var times = delayed.map(\.at)
        if holdUntil != .min { times.append(holdUntil) }
        if case .open(let until) = circuit { times = [until] }
        return times.min()
    }
}
