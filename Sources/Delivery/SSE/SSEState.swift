/// What a reader of the stream is sent next: a pure state machine. Its clock is in seconds since it was opened.
public struct SSEState: Sendable {
    public enum Action: Sendable, Equatable {
        /// Ask for events behind this number.
        case read(after: Int64)
        /// Nothing to send before events come or this time is over.
        case wait(after: Int64, seconds: Double)
        case write([UInt8])
        /// The connection is ended after what has been written.
        case end
    }

    public struct Limits: Sendable, Equatable {
        public var heartbeatSeconds = 15.0
        /// A reader that takes longer over one write is told so and let go.
        public var writeSeconds = 5.0
        /// Bytes of one write; a single event may be longer.
        public var writeBytes = 64 << 10

        public init() {}
    }

    private let limits: Limits
    private let filter: EventFilter
    private let epochs: Epochs
    /// Everything up to here was sent, or did not match.
    public private(set) var after: Int64
    private var pending: [[UInt8]] = []
    /// Number that is reached when ``pending`` is written.
    private var pendingEnd: Int64 = 0
    private var lastWrite = 0.0
    private var skippedSinceWrite = 0
    private var isAtEnd = false
    private var farewell: String?
    private var isOver = false

    public init(after: Int64, reset: StreamReset?, filter: EventFilter, epochs: Epochs, limits: Limits = Limits()) {
        self.after = after
        self.filter = filter
        self.epochs = epochs
        self.limits = limits
        var opening = "retry: 2000\n"
        if let reset { opening += SSEFrame.text("reset", reset.json) }
        // The id of the start lets a reader that saw no event yet resume at the same place.
        let place = epochs.position(after)
        opening += SSEFrame.text("hello", "{\"after\":\"\(place)\",\"epoch\":\"\(epochs.current)\"}", id: place.description)
        pending.append(Array(opening.utf8))
        pendingEnd = after
    }

    /// Why the reader is let go; nil while it is not.
    public private(set) var reason: String?

    public mutating func next(now: Double) -> Action {
        if isOver { return .end }
        if !pending.isEmpty {
            let bytes = pending.removeFirst()
            if pending.isEmpty { after = pendingEnd }
            return .write(bytes)
        }
        if let farewell {
            isOver = true
            return .write(Array(SSEFrame.text("bye", "{\"reason\":\(JSONObject.quoted(farewell))}").utf8))
        }
        let left = lastWrite + limits.heartbeatSeconds - now
        if left <= 0 { return .write(heartbeat(now)) }
        if !isAtEnd { return .read(after: after) }
        isAtEnd = false
        return .wait(after: after, seconds: left)
    }

    /// A comment; with the id where events have passed that did not match, so that such a reader resumes here and not far
    /// behind.
    private mutating func heartbeat(_ now: Double) -> [UInt8] {
        lastWrite = now
        let id = skippedSinceWrite > 0 ? "id: \(epochs.position(after))\n" : ""
        skippedSinceWrite = 0
        return Array("\(id): still here\n\n".utf8)
    }

    /// Answers ``Action/read(after:)``.
    public mutating func took(_ page: EventPage) {
        guard let last = page.events.last else {
            isAtEnd = true
            return
        }
        if let gone = page.gone {
            pending.append(Array(SSEFrame.gap(gone, epochs).utf8))
        }
        var bytes: [UInt8] = []
        for event in page.events {
            guard filter.matches(event) else {
                skippedSinceWrite += 1
                continue
            }
            if bytes.count + event.json.count > limits.writeBytes && !bytes.isEmpty {
                pending.append(bytes)
                bytes = []
            }
            SSEFrame.append(event, to: &bytes)
        }
        if !bytes.isEmpty { pending.append(bytes) }
        pendingEnd = last.sequence
        if pending.isEmpty { after = last.sequence }
    }

    /// Something was written.
    /// - Parameter seconds: how long the reader took over it.
    public mutating func wrote(now: Double, seconds: Double) {
        lastWrite = now
        skippedSinceWrite = 0
        if seconds > limits.writeSeconds && farewell == nil && !isOver {
            pending.removeAll()
            let taken = (seconds * 10).rounded() / 10
            letGo("slow: one write took \(taken) s, more than \(limits.writeSeconds) s; resume with the last id")
        }
    }

    /// Patrol ends, or the reader must go.
    public mutating func letGo(_ why: String) {
        farewell = why
        reason = why
    }
}
