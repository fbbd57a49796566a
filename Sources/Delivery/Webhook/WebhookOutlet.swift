import Foundation
public import Store
import Synchronization

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

    public init(name: String, receiver: HTTPReceiver) {
        self.name = name
        self.receiver = receiver
    }

    /// The outlet's name in commands, metrics and the store.
    public var outletName: String { "webhook:\(name)" }
}

/// Events as webhooks (Standard Webhooks 1.0): each is one POST of the CloudEvent, signed, in order per subject, until the
/// receiver has taken it or it is given up and kept as a dead letter.
public final class WebhookOutlet: Outlet {
    public let name: String

    fileprivate struct State {
        var machine: WebhookState
        var sent: Int64 = 0, failures: Int64 = 0, given: Int64 = 0
        var lastAnswer: String?
        var lastAnswerAt: Int64?
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
        record: @escaping @Sendable (OutletChange) -> Void
    ) {
        name = options.outletName
        self.options = options
        self.stream = stream
        self.record = record
        sender = WebhookSender(options: options)
        let start = row?.delivered ?? (options.beginsWithOldest ? 0 : stream.last)
        state = Mutex(
            State(machine: WebhookState(delivered: start, paused: row?.paused, policy: options.policy, seed: seed)))
        // A receiver begins once: from then on its place is its own.
        if row == nil { record(.delivered(outlet: name, sequence: start)) }
        stream.listen { [bell] in bell.ring() }
    }

    private var now: Int64 { Int64((ContinuousClock.now - started) / .milliseconds(1)) }
    private var wall: Int64 { Int64(Date().timeIntervalSince1970 * 1000) }

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
                        state.withLock { $0.note("\(error)") }
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
        let (outcome, answer) = await sender.send(id: event.id, body: event.json)
        // What was cut off by the end of Patrol is no answer; it is sent again at the next start.
        if Task.isCancelled && outcome != .taken { return }
        let effects = state.withLock { state in
            state.note(answer)
            if outcome == .taken { state.sent += 1 } else { state.failures += 1 }
            return state.machine.answered(event.sequence, outcome, now: now, wall: wall)
        }
        apply(effects)
        bell.ring()
    }

    private func apply(_ effects: [WebhookState.Effect]) {
        for effect in effects {
            switch effect {
            case .delivered(let sequence): record(.delivered(outlet: name, sequence: sequence))
            case .dead(let event, let attempts, let reason):
                state.withLock { $0.given += 1 }
                record(
                    .dead(
                        DeadLetter(
                            outlet: name, sequence: event.sequence, event: event.id, at: wall, attempts: attempts, reason: reason,
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
        let (now, wall) = (now, wall)
        return state.withLock { state in
            let progress = state.machine.progress
            let lag = max(0, last - progress.delivered)
            let condition: OutletReport.Condition =
                state.machine.paused != nil ? .paused : state.machine.isFailing ? .failing : .running
            var report = OutletReport(
                name: name, condition: condition, delivered: progress.delivered, lagEvents: lag,
                lagSeconds: OutletLag.seconds(events: lag, oldestAt: progress.oldestAt), inFlight: state.machine.inFlight)
            report.reason = state.machine.paused
            report.sent = state.sent
            report.failures = state.failures
            report.given = state.given
            report.lastAnswer = state.lastAnswer
            report.lastAnswerAt = state.lastAnswerAt
            report.nextAttempt = state.machine.nextAttempt.map { wall + max(0, $0 - now) }
            return report
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
            let (outcome, answer) = await sender.send(id: "test-\(UUID().uuidString.lowercased())", body: event)
            if outcome == .taken { return "the receiver took the test event: \(answer)" }
            throw OutletProblem("the receiver did not take the test event: \(answer)")
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

extension WebhookOutlet.State {
    fileprivate mutating func note(_ answer: String) {
        lastAnswer = answer
        lastAnswerAt = Int64(Date().timeIntervalSince1970 * 1000)
    }
}
