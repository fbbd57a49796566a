import Dispatch
import Foundation
public import Store
import Synchronization

/// The stream of a store, for any number of outlets and readers.
///
/// The writer hands over what each commit has added; one thread keeps the newest events in memory, and reads from the
/// store, on a connection of its own, what was not handed over. Who is at the stream's end is served from memory and
/// touches no disk. Who is behind reads pages from the store. The writer only calls ``committed(_:)``, which costs a
/// semaphore's signal.
public final class EventStream: Sendable {
    /// What is kept in memory: at most so many events and bytes.
    static let tailEvents = 4096, tailBytes = 8 << 20
    /// Readers woken a second at most: with many readers events are gathered for a moment, so that waking them cannot
    /// take the processor from the writer.
    static let wakesPerSecond = 20_000
    /// Without a word from the writer (a store at rest, another process) the store is looked at so often.
    static let lookSeconds = 1.0

    struct State {
        var tail: [StreamEvent] = []
        /// Index of the oldest event in ``tail`` that still counts.
        var first = 0
        var bytes = 0
        var last: Int64
        var waiters: [Int: Waiter] = [:]
        var nextWaiter = 0
        var listeners: [@Sendable () -> Void] = []
        var isStopped = false
    }

    struct Waiter {
        var after: Int64
        var deadline: ContinuousClock.Instant
        var continuation: CheckedContinuation<Bool, Never>
    }

    public let epochs: Epochs
    public let path: String
    private let live: StreamReader
    private let history: StreamReader
    private let historyQueue = DispatchQueue(label: "patrol.stream.history")
    private let bell = DispatchSemaphore(value: 0)
    private let isRung = Atomic<Bool>(false)
    private let handedOver = Mutex<[OutboxRow]>([])
    private let state: Mutex<State>

    public init(path: String) throws(StoreError) {
        self.path = path
        live = try StreamReader(path: path)
        history = try StreamReader(path: path)
        let bounds = try live.bounds()
        epochs = Epochs(bounds.epochs)
        state = Mutex(State(last: bounds.last))
        let thread = Thread { [weak self] in EventStream.follow { self } }
        thread.name = "stream"
        thread.start()
    }

    deinit { stop() }

    /// A commit may have added events. Any thread; never waits.
    /// - Parameter events: those of the commit, as they stand in the stream; what is left out is read from the store.
    public func committed(_ events: [OutboxRow] = []) {
        handedOver.withLock { if $0.count < EventStream.tailEvents { $0 += events } }
        if !isRung.exchange(true, ordering: .acquiringAndReleasing) { bell.signal() }
    }

    /// Ends the thread and answers everybody who waits.
    public func stop() {
        let waiters = state.withLock { state in
            state.isStopped = true
            defer { state.waiters.removeAll() }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.continuation.resume(returning: false) }
        committed()
    }

    /// Nobody is woken any more: whoever waits in a loop must end it.
    public var isStopped: Bool { state.withLock { $0.isStopped } }

    /// Number of the newest event that outlets know of.
    public var last: Int64 { state.withLock { $0.last } }

    /// Calls `listener` whenever there are new events: on the stream's thread, so it must not wait.
    public func listen(_ listener: @escaping @Sendable () -> Void) { state.withLock { $0.listeners.append(listener) } }

    // MARK: Reading

    /// Events behind `sequence`, oldest first.
    /// - Returns: at most `limit` events; fewer where a page of the store or ``tailBytes`` ends.
    public func page(after sequence: Int64, limit: Int) async throws(StoreError) -> EventPage {
        if let events = state.withLock({ $0.recent(after: sequence, limit: limit) }) { return EventPage(events: events) }
        let result: Result<StreamPage, StoreError> = await withCheckedContinuation { continuation in
            historyQueue.async { [history] in
                do throws(StoreError) {
                    continuation.resume(returning: .success(try history.page(after: sequence, limit: limit)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        let page = try result.get()
        return EventPage(events: page.rows.map { StreamEvent($0, epochs: epochs) }, gone: page.gone)
    }

    /// Waits until there is an event behind `sequence`; false where there is none at the deadline, at the end of the
    /// stream, or when the task is cancelled.
    public func more(after sequence: Int64, until deadline: ContinuousClock.Instant) async -> Bool {
        let number = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.withLock { state in
                    if state.last > sequence { return true }
                    if state.isStopped || Task.isCancelled || deadline <= .now { return false }
                    state.waiters[number] = Waiter(after: sequence, deadline: deadline, continuation: continuation)
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.continuation.resume(returning: false)
        }
    }

    /// What is to be retained now, and the number of the last event of which that knows.
    public func retained() async throws(StoreError) -> (last: Int64, rows: [RetainedRow]) {
        try await read { reader throws(StoreError) in try reader.retained() }
    }

    /// Rows of outlets and cursors; for the start, since it waits for the store.
    public func outlets() throws(StoreError) -> [OutletRow] { try history.outlets() }

    /// What is open, for the start.
    public func open() throws(StoreError) -> [RetainedRow] { try history.retained().rows }

    /// Anything else about the stream, off the caller's thread.
    public func read<Value: Sendable>(
        _ body: @escaping @Sendable (StreamReader) throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        let result: Result<Value, StoreError> = await withCheckedContinuation { continuation in
            historyQueue.async { [history] in
                do throws(StoreError) { continuation.resume(returning: .success(try body(history))) } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    // MARK: The thread

    private static func follow(_ stream: () -> EventStream?) {
        var lastWake = ContinuousClock.now
        while true {
            // Held only for a step, so that forgetting the stream ends its thread.
            guard let bell = stream()?.bell else { return }
            _ = bell.wait(timeout: .now() + (stream()?.patience ?? 0))
            guard let stream = stream(), !stream.state.withLock({ $0.isStopped }) else { return }
            stream.isRung.store(false, ordering: .sequentiallyConsistent)
            stream.load()
            let pause = stream.pauseBeforeWaking(since: lastWake)
            if pause > 0 {
                Thread.sleep(forTimeInterval: pause)
                stream.load()
            }
            if stream.wake() { lastWake = .now }
        }
    }

    /// Seconds to sleep without a signal: until the next deadline of somebody who waits.
    private var patience: Double {
        let next = state.withLock { $0.waiters.values.map(\.deadline).min() }
        guard let next else { return EventStream.lookSeconds }
        return max(0.001, min(EventStream.lookSeconds, (next - .now) / .seconds(1)))
    }

    /// Takes what was handed over where it follows the newest event in memory, and from the store what is missing.
    private func load() {
        let handed = handedOver.withLock { rows in
            defer { rows.removeAll() }
            return rows
        }
        // Only this thread moves `last`, so that events are rendered outside of the lock that readers need.
        var last = state.withLock { $0.last }
        let rows = handed.drop { $0.sequence <= last }
        if let first = rows.first, first.sequence == last + 1 {
            last = take(rows)
            // A full list may have left events out.
            if handed.count < EventStream.tailEvents { return }
        }
        while let page = try? live.page(after: last), !page.rows.isEmpty { last = take(page.rows[...]) }
    }

    /// - Returns: number of the newest event in memory.
    private func take(_ rows: ArraySlice<OutboxRow>) -> Int64 {
        let events = rows.map { StreamEvent($0, epochs: epochs) }
        return state.withLock { state in
            state.take(events)
            return state.last
        }
    }

    private func pauseBeforeWaking(since lastWake: ContinuousClock.Instant) -> Double {
        let count = state.withLock { state in state.waiters.values.count { $0.after < state.last } }
        guard count > 0 else { return 0 }
        return Double(count) / Double(EventStream.wakesPerSecond) - (ContinuousClock.now - lastWake) / .seconds(1)
    }

    /// Whether anybody was told of events.
    private func wake() -> Bool {
        let now = ContinuousClock.now
        let (woken, listeners, hasNew) = state.withLock { state in
            var woken: [(CheckedContinuation<Bool, Never>, Bool)] = []
            for (number, waiter) in state.waiters where waiter.after < state.last || waiter.deadline <= now {
                woken.append((waiter.continuation, waiter.after < state.last))
                state.waiters[number] = nil
            }
            return (woken, state.listeners, woken.contains { $0.1 })
        }
        for (continuation, hasMore) in woken { continuation.resume(returning: hasMore) }
        for listener in listeners { listener() }
        return hasNew
    }
}

/// Events behind a place of the stream.
public struct EventPage: Sendable {
    public var events: [StreamEvent]
    /// Numbers asked for that are no longer kept.
    public var gone: ClosedRange<Int64>?

    public init(events: [StreamEvent], gone: ClosedRange<Int64>? = nil) {
        self.events = events
        self.gone = gone
    }
}

extension EventStream.State {
    /// Appends the events behind the newest, and forgets the oldest beyond the bounds.
    mutating func take(_ events: [StreamEvent]) {
        for event in events {
            // A hole (events taken away by hand): what is in memory no longer joins what comes.
            if event.sequence != last + 1 { forget(through: tail.count) }
            tail.append(event)
            bytes += event.json.count
            last = event.sequence
        }
        while tail.count - first > EventStream.tailEvents || bytes > EventStream.tailBytes && tail.count - first > 1 {
            bytes -= tail[first].json.count
            first += 1
        }
        if first > EventStream.tailEvents { forget(through: first) }
    }

    private mutating func forget(through end: Int) {
        tail.removeFirst(end)
        first = 0
        bytes = tail.reduce(0) { $0 + $1.json.count }
    }

    /// Events behind `sequence` where all of them are in memory; nil where the store has to be asked.
    func recent(after sequence: Int64, limit: Int) -> [StreamEvent]? {
        if sequence >= last { return [] }
        guard first < tail.count, sequence + 1 >= tail[first].sequence else { return nil }
        let start = first + Int(sequence + 1 - tail[first].sequence)
        return Array(tail[start..<min(tail.count, start + limit)])
    }
}
