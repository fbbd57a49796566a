import Foundation
public import Store
import Synchronization
public import Telemetry

/// One receiver of webhooks.
public struct WebhookOptions: Sendable {
    /// As in the settings.
    public var name: String
    public var receiver: HTTPReceiver
    /// Each signs (Standard Webhooks); none sends without a signature.
    public var keys: [WebhookKey] = []
    public var policy = WebhookState.Policy()
    /// A receiver that is new begins with what comes from now on, or with the oldest event kept.
    public var beginsWithOldest = false
    /// Of another task system: how it is spoken to. Its answers are told to ``hears``.
    public var adapter: (any TaskAdapter)?

    public init(name: String, receiver: HTTPReceiver) {
        self.name = name
        self.receiver = receiver
    }

    /// The outlet's name in commands, metrics and the store.
    public var outletName: String { (adapter == nil ? "webhook:" : "system:") + name }
}

/// Events as webhooks (Standard Webhooks 1.0): each is one POST of the CloudEvent, signed, in order per subject, until the
/// receiver has taken it or it is given up and kept as a dead letter.
///
/// Another task system is a receiver as well, with an adapter between: what it answers is committed before the event counts
/// as delivered, so that no answer is lost.
public final class WebhookOutlet: Outlet {
    public let name: String

    fileprivate struct State {
        var machine: WebhookState
        var tally = OutletTally()
    }

    private let options: WebhookOptions
    private let sender: WebhookSender
    private let state: Mutex<State>
    private let bell = AsyncBell()
    private let stream: EventStream
    private let record: @Sendable (OutletChange) -> Void
    private let started = ContinuousClock.now

    public init(
        options: WebhookOptions, stream: EventStream, row: OutletRow?, seed: UInt64 = .random(in: 1...UInt64.max),
        hears: @escaping @Sendable (Action) async -> ActionAnswer = { _ in .done("{}") },
        record: @escaping @Sendable (OutletChange) -> Void
    ) {
        name = options.outletName
        self.options = options
        self.stream = stream
        self.record = record
        sender = WebhookSender(options: options, hears: hears)
        let start = row?.delivered ?? (options.beginsWithOldest ? 0 : stream.last)
        state = Mutex(
            State(machine: WebhookState(delivered: start, paused: row?.paused, policy: options.policy, seed: seed)))
        // A receiver begins once: from then on its place is its own.
        if row == nil { record(.delivered(outlet: name, sequence: start)) }
        stream.listen { [bell] in bell.ring() }
    }

    private var now: Int64 { Int64((ContinuousClock.now - started) / .milliseconds(1)) }

    public func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                switch state.withLock({ $0.machine.next(now: now) }) {
                case .send(let sequence, _):
                    guard let event = state.withLock({ $0.machine.event(sequence) }) else { continue }
                    group.addTask { [self] in await send(event) }
                case .read(let after, let limit):
                    do throws(StoreError) {
                        let page = try await stream.page(after: after, limit: limit)
                        apply(state.withLock { $0.machine.took(page) })
                    } catch {
                        state.withLock { $0.tally.note("\(error)") }
                        await bell.wait(atMost: .seconds(1))
                    }
                case .wait(let milliseconds): await bell.wait(atMost: milliseconds.map { .milliseconds(max($0, 1)) })
                }
            }
            group.cancelAll()
        }
        await sender.close()
    }

    private func send(_ event: StreamEvent) async {
        let (outcome, answer) = await sender.send(event)
        // What was cut off by the end of Patrol is no answer; it is sent again at the next start.
        if Task.isCancelled && outcome != .taken { return }
        let effects = state.withLock { state in
            if let answer { state.tally.note(answer) }
            if outcome != .taken { state.tally.failures += 1 } else if answer != nil { state.tally.sent += 1 }
            return state.machine.answered(event.sequence, outcome, now: now, wall: OutletTally.wall)
        }
        apply(effects)
        bell.ring()
    }

    private func apply(_ effects: [WebhookState.Effect]) {
        for effect in effects {
            switch effect {
            case .delivered(let sequence): record(.delivered(outlet: name, sequence: sequence))
            case .dead(let event, let attempts, let reason):
                state.withLock { $0.tally.given += 1 }
                record(
                    .dead(
                        DeadLetter(
                            outlet: name, sequence: event.sequence, event: event.id, at: OutletTally.wall, attempts: attempts, reason: reason,
                            payload: String(decoding: event.json, as: UTF8.self))))
            case .buried(let sequence): record(.buried(outlet: name, sequence: sequence))
            case .paused(let reason): record(.paused(outlet: name, reason: reason))
            }
        }
    }

    // MARK: Looking and steering

    public func hasDelivered(_ sequence: Int64) -> Bool { state.withLock { $0.machine.progress.delivered >= sequence } }

    public var report: OutletReport {
        let last = stream.last
        let now = now
        return state.withLock { state in
            let machine = state.machine
            return state.tally.report(
                name, machine.progress, last: last, paused: machine.paused, otherwise: machine.isFailing ? .failing : .running,
                inFlight: machine.inFlight, nextAttempt: machine.nextAttempt.map { $0 - now })
        }
    }

    public func take(_ order: OutletOrder) async throws(OutletProblem) -> String {
        defer { bell.ring() }
        switch order {
        case .pause(let reason):
            state.withLock { $0.machine.pause(reason) }
            return "paused: \(reason)"
        case .resume:
            state.withLock { $0.machine.resume() }
            return "resumed"
        case .retry(let sequence): return try await retry(sequence)
        case .skip(let sequence):
            let last = stream.last
            guard sequence <= last else { throw OutletProblem("the stream ends at \(last)") }
            let effects = state.withLock { $0.machine.skip(through: sequence) }
            apply(effects)
            return "what waits up to \(sequence) is kept as dead letters"
        case .test:
            let event = TestEvent.json(outlet: name)
            let (outcome, answer) = await sender.post(id: "test-\(UUID().uuidString.lowercased())", TaskDocument(type: WebhookSender.type, body: event))
            if outcome == .taken { return "the receiver took the test event: \(answer.words)" }
            throw OutletProblem("the receiver did not take the test event: \(answer.words)")
        }
    }

    private func retry(_ sequence: Int64?) async throws(OutletProblem) -> String {
        state.withLock { $0.machine.tryNow() }
        let letters: [DeadLetter]
        do throws(StoreError) {
            letters = try await stream.read { [name] reader throws(StoreError) in
                try reader.deadLetters(outlet: name, after: sequence.map { $0 - 1 } ?? 0, limit: sequence == nil ? 1000 : 1)
            }
        } catch {
            throw OutletProblem("\(error)")
        }
        let chosen = letters.filter { sequence == nil || $0.sequence == sequence }
        if sequence != nil && chosen.isEmpty { throw OutletProblem("\(name) has no dead letter \(sequence!)") }
        state.withLock { state in for letter in chosen { state.machine.sendAgain(StreamEvent(letter)) } }
        return "\(chosen.count) dead letter\(chosen.count == 1 ? "" : "s") will be sent again; what waits is tried now"
    }
}
