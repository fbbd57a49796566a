public import Store
import Synchronization

/// `GET /api/v1/events`: pages of the stream for consumers that ask, with a long poll.
public final class PullOutlet: Sendable {
    public static let name = "pull"
    /// Events in one answer, and seconds that a request may wait.
    public static let pageEvents = 5000, waitSeconds = 60.0

    public let stream: EventStream

    /// The name under which a consumer's place stands among the outlets' rows.
    public static func cursorName(_ name: String) -> String { "pull:\(name)" }

    /// The place that a consumer has committed; nil where it never has.
    public func cursor(_ name: String) async throws(StoreError) -> StreamPosition? {
        let rows = try await stream.read { reader throws(StoreError) in try reader.outlets() }
        return rows.first { $0.name == PullOutlet.cursorName(name) }.map { stream.epochs.position($0.delivered) }
    }

    private struct Counts {
        var answers: Int64 = 0, events: Int64 = 0
        var waiting = 0
    }

    private let tally = Mutex(Counts())

    public init(stream: EventStream) { self.stream = stream }

    /// Since the start: requests answered and events in the answers; and requests that wait now.
    public var counts: (answers: Int64, events: Int64, waiting: Int) { tally.withLock { ($0.answers, $0.events, $0.waiting) } }

    /// - Parameters:
    ///   - position: the last event that the consumer has; nil begins with the oldest event kept.
    ///   - waitSeconds: how long to wait where there is nothing.
    public func answer(
        after position: StreamPosition?, limit: Int, waitSeconds: Double, filter: EventFilter
    ) async throws(StoreError) -> PullAnswer {
        let start = ContinuousClock.now
        // What was committed a moment ago counts, whether the stream's thread has seen it or not.
        let reset = position.flatMap { stream.epochs.judge($0, last: max(stream.last, 0)) }
        var state = PullState(
            after: reset?.after.sequence ?? position?.sequence ?? 0, limit: min(limit, PullOutlet.pageEvents),
            waitSeconds: reset == nil ? min(waitSeconds, PullOutlet.waitSeconds) : 0, filter: filter)
        while !Task.isCancelled && !stream.isStopped {
            let now = (ContinuousClock.now - start) / .seconds(1)
            switch state.next(now: now) {
            case .read(let after): state.took(try await stream.page(after: after, limit: state.limit))
            case .wait(let after, let seconds):
                tally.withLock { $0.waiting += 1 }
                _ = await stream.more(after: after, until: .now + .seconds(seconds))
                tally.withLock { $0.waiting -= 1 }
            case .answer: return answer(state, reset)
            }
        }
        return answer(state, reset)
    }

    private func answer(_ state: PullState, _ reset: StreamReset?) -> PullAnswer {
        tally.withLock { tally in
            tally.answers += 1
            tally.events += Int64(state.events.count)
        }
        return PullAnswer(state, reset: reset, epochs: stream.epochs)
    }
}

/// A page for a consumer, as JSON.
public struct PullAnswer: Sendable {
    public let json: [UInt8]
    /// What the consumer has when it has taken this.
    public let next: StreamPosition

    init(_ state: PullState, reset: StreamReset?, epochs: Epochs) {
        next = epochs.position(state.after)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(state.events.reduce(200) { $0 + $1.json.count + 1 })
        bytes.append(contentsOf: "{\"epoch\":\"\(epochs.current)\",\"items\":[".utf8)
        for (index, event) in state.events.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(contentsOf: event.json)
        }
        bytes.append(contentsOf: "],\"next\":\"\(next)\",\"more\":\(state.hasMore)".utf8)
        if let gone = state.gone {
            bytes.append(
                contentsOf: """
                    ,"gone":{"first":"\(epochs.position(gone.lowerBound))","last":"\(epochs.position(gone.upperBound))",\
                    "missed":\(gone.count)}
                    """.utf8)
        }
        if let reset { bytes.append(contentsOf: ",\"reset\":\(reset.json)".utf8) }
        bytes.append(contentsOf: "}\n".utf8)
        json = bytes
    }
}
