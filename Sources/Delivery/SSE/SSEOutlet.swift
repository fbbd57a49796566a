import Synchronization

/// `/api/v1/stream`: the stream as server-sent events, for readers that resume with `Last-Event-ID`. It keeps nothing in
/// the store: each reader keeps its own place.
public final class SSEOutlet: Sendable {
    public static let name = "sse"

    private struct State {
        var open = 0
        var sent: Int64 = 0
        var gone: [String: Int64] = [:]
        var refused: Int64 = 0
    }

    public let stream: EventStream
    public let readerLimit: Int
    private let limits: SSEState.Limits
    private let state = Mutex(State())

    public init(stream: EventStream, readerLimit: Int = 4096, limits: SSEState.Limits = SSEState.Limits()) {
        self.stream = stream
        self.readerLimit = readerLimit
        self.limits = limits
    }

    /// A reader that begins behind `position`, or with what comes from now on; nil where there are too many readers.
    public func open(after position: StreamPosition?, filter: EventFilter) -> SSEReader? {
        let hasRoom = state.withLock { state in
            guard state.open < readerLimit else {
                state.refused += 1
                return false
            }
            state.open += 1
            return true
        }
        guard hasRoom else { return nil }
        let last = stream.last
        let reset = position.flatMap { stream.epochs.judge($0, last: last) }
        let after = reset?.after.sequence ?? position?.sequence ?? last
        return SSEReader(
            outlet: self,
            state: SSEState(after: after, reset: reset, filter: filter, epochs: stream.epochs, limits: limits))
    }

    fileprivate func closed(_ reason: String, sent: Int64) {
        state.withLock { state in
            state.open -= 1
            state.sent += sent
            state.gone[reason, default: 0] += 1
        }
    }

    /// Readers open now, bytes sent to those that are gone, readers refused, and readers gone by reason.
    public var counts: (open: Int, sentBytes: Int64, refused: Int64, gone: [String: Int64]) {
        state.withLock { ($0.open, $0.sent, $0.refused, $0.gone) }
    }
}

/// One reader's connection. One task owns it.
public final class SSEReader {
    private let outlet: SSEOutlet
    private var state: SSEState
    private let clock = ContinuousClock()
    private let opened = ContinuousClock.now
    private var sent: Int64 = 0

    fileprivate init(outlet: SSEOutlet, state: SSEState) {
        self.outlet = outlet
        self.state = state
    }

    deinit {
        let reason = state.reason.map { String($0.prefix { $0 != ":" }) } ?? "left"
        outlet.closed(reason, sent: sent)
    }

    private var now: Double { (clock.now - opened) / .seconds(1) }

    /// Writes until the reader leaves, is let go, or Patrol ends.
    /// - Parameters:
    ///   - isEnding: whether Patrol is being stopped.
    ///   - write: returns when the reader has taken enough for more to be written.
    public func run(isEnding: () -> Bool, write: ([UInt8]) async throws -> Void) async throws {
        while true {
            try Task.checkCancellation()
            if (isEnding() || outlet.stream.isStopped) && state.reason == nil {
                state.letGo("ending: Patrol is being stopped; resume with the last id")
            }
            switch state.next(now: now) {
            case .read(let after):
                state.took(try await outlet.stream.page(after: after, limit: SSEReader.pageEvents))
            case .wait(let after, let seconds):
                // Short enough that an end is noticed.
                _ = await outlet.stream.more(after: after, until: clock.now + .seconds(min(seconds, 1)))
            case .write(let bytes):
                let start = clock.now
                try await write(bytes)
                sent += Int64(bytes.count)
                state.wrote(now: now, seconds: (clock.now - start) / .seconds(1))
            case .end: return
            }
        }
    }

    /// Events of one page: what a reader that is behind holds in memory.
    private static let pageEvents = 200
}
