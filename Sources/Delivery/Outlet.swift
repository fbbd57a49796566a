/// A way out of the stream that Patrol itself drives. It reads the outbox, keeps its progress by asking the one writer,
/// and can slow neither the writer nor another outlet.
///
/// Each folder has the same three parts: `…Outlet` (surface: this protocol), `…Sender` or the like (effects: sockets and
/// time), `…State` (a pure state machine for what goes next, retries and the circuit).
public protocol Outlet: Sendable {
    /// `mqtt`, or `webhook:NAME`: as in settings, commands and metrics.
    var name: String { get }
    /// Runs until its task is cancelled.
    func run() async
    var report: OutletReport { get }
    /// Whether it has delivered everything up to `sequence`.
    func hasDelivered(_ sequence: Int64) -> Bool
    /// Carries an order out.
    /// - Returns: what was done, in a sentence.
    func take(_ order: OutletOrder) async throws(OutletProblem) -> String
}

/// What a person tells an outlet. Pausing and resuming are committed before they are passed on.
public enum OutletOrder: Sendable, Equatable {
    case pause(reason: String)
    case resume
    /// Sends dead letters again, all or one, and tries at once what waits.
    case retry(sequence: Int64?)
    /// Goes on behind this event: what waits up to it is kept as dead letters.
    case skip(through: Int64)
    /// Sends an event that says that it is a test.
    case test
}

/// An order that cannot be carried out, and what can.
public struct OutletProblem: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// How an outlet is doing.
public struct OutletReport: Sendable, Equatable {
    public enum Condition: String, Sendable {
        /// Delivers, or has nothing to deliver.
        case running
        /// A person or the receiver (410) has stopped it.
        case paused
        /// The receiver fails; it is tried again at ``nextAttempt``.
        case failing
        /// There is no connection.
        case disconnected
    }

    public var name: String
    public var condition: Condition
    /// Why it is not running, in words.
    public var reason: String?
    /// Everything up to here is done.
    public var delivered: Int64
    /// Events behind that and not done, and the age of the oldest of them.
    public var lagEvents: Int64
    public var lagSeconds: Double
    public var inFlight: Int
    /// Since the start: events delivered, attempts that failed, events given up.
    public var sent: Int64 = 0, failures: Int64 = 0, given: Int64 = 0
    /// What the other side said last, and when (UTC ms).
    public var lastAnswer: String?
    public var lastAnswerAt: Int64?
    /// UTC ms.
    public var nextAttempt: Int64?

    public init(name: String, condition: Condition, delivered: Int64, lagEvents: Int64, lagSeconds: Double, inFlight: Int) {
        self.name = name
        self.condition = condition
        self.delivered = delivered
        self.lagEvents = lagEvents
        self.lagSeconds = lagSeconds
        self.inFlight = inFlight
    }

    public func json(deadLetters: Int) -> String {
        var object = JSONObject()
        object.add("name", name)
        object.add("condition", condition.rawValue)
        if let reason { object.add("reason", reason) }
        object.add("delivered", raw: "\(delivered)")
        object.add("lag_events", raw: "\(lagEvents)")
        object.add("lag_seconds", raw: "\((lagSeconds * 1000).rounded() / 1000)")
        object.add("in_flight", raw: "\(inFlight)")
        object.add("sent", raw: "\(sent)")
        object.add("failures", raw: "\(failures)")
        object.add("given_up", raw: "\(given)")
        object.add("dead_letters", raw: "\(deadLetters)")
        if let lastAnswer { object.add("last_answer", lastAnswer) }
        if let lastAnswerAt { object.add("last_answer_at", raw: "\(lastAnswerAt)") }
        if let nextAttempt { object.add("next_attempt", raw: "\(nextAttempt)") }
        return object.text
    }
}
