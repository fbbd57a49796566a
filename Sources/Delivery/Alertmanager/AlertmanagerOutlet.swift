import Foundation
public import Store
import Synchronization
import Telemetry

public struct AlertmanagerOptions: Sendable {
    /// As in the settings.
    public var name: String
    /// Alertmanager's address, without `/api/v2/alerts`.
    public var receiver: HTTPReceiver
    public var policy = AlertmanagerState.Policy()

    public init(name: String, receiver: HTTPReceiver) {
        self.name = name
        self.receiver = receiver
    }

    /// The outlet's name in commands, metrics and the store.
    public var outletName: String { "alertmanager:\(name)" }
}

/// Alerts to a Prometheus Alertmanager (API v2), whose silences, routes and receivers then work on them.
public final class AlertmanagerOutlet: Outlet {
    public let name: String

    fileprivate struct State {
        var machine: AlertmanagerState
        var tally = OutletTally()
    }

    private let options: AlertmanagerOptions
    private let http: HTTPSender
    private let url: String
    private let state: Mutex<State>
    private let bell = AsyncBell()
    private let stream: EventStream
    private let record: @Sendable (OutletChange) -> Void
    private let started = ContinuousClock.now

    /// - Parameter open: payloads of the alerts that are open now.
    public init(
        options: AlertmanagerOptions, stream: EventStream, row: OutletRow?, open: [RetainedRow],
        record: @escaping @Sendable (OutletChange) -> Void
    ) {
        name = options.outletName
        self.options = options
        self.stream = stream
        self.record = record
        http = HTTPSender(options.receiver)
        url = (options.receiver.url.hasSuffix("/") ? String(options.receiver.url.dropLast()) : options.receiver.url) + "/api/v2/alerts"
        // Those that are open now were told, or are told with the first round; what has ended since the mark is in the
        // stream.
        let alerts = open.map { Array($0.payload.utf8) }
            .filter { options.policy.filter.matches(EventAttributes($0)) }
            .compactMap { AlertmanagerAlert(event: $0) }
        state = Mutex(
            State(
                machine: AlertmanagerState(
                    delivered: row?.delivered ?? stream.last, open: alerts, paused: row?.paused, policy: options.policy,
                    seed: .random(in: 1...UInt64.max))))
        stream.listen { [bell] in bell.ring() }
    }

    private var now: Int64 { Int64((ContinuousClock.now - started) / .milliseconds(1)) }

    public func run() async {
        while !Task.isCancelled {
            switch state.withLock({ $0.machine.next(now: now) }) {
            case .post(let alerts): await post(alerts)
            case .read(let after, let limit):
                do throws(StoreError) {
                    let page = try await stream.page(after: after, limit: limit)
                    var alerts: [Int64: [AlertmanagerAlert]] = [:]
                    for event in page.events { alerts[event.sequence] = AlertmanagerAlert.told(by: event.json, at: Timestamp(milliseconds: event.at)) }
                    note(state.withLock { $0.machine.took(page, alerts: alerts) })
                } catch {
                    state.withLock { $0.tally.note("\(error)") }
                    await bell.wait(atMost: .seconds(1))
                }
            case .wait(let milliseconds): await bell.wait(atMost: milliseconds.map { .milliseconds(max($0, 1)) })
            }
        }
        await http.close()
    }

    private func post(_ alerts: [AlertmanagerAlert]) async {
        // Four rounds may be missed, as Prometheus does it (rules/manager.go, resolve timeout).
        let until = Timestamp(
            milliseconds: OutletTally.wall + 4 * options.policy.resendMilliseconds)
        let body = "[" + alerts.map { $0.json(openUntil: until) }.joined(separator: ",") + "]"
        let answer = await http.post(Array(body.utf8), type: "application/json", url: url)
        let moved: Int64? = state.withLock { state in
            switch answer {
            case .success(let answer) where (200..<300).contains(answer.code):
                state.tally.note("HTTP \(answer.code)")
                state.tally.sent += Int64(alerts.count)
                return state.machine.posted(now: now)
            case .success(let answer): state.tally.note(answer.words)
            case .failure(let failure): state.tally.note(failure.words)
            }
            state.tally.failures += 1
            state.machine.failed(now: now)
            return nil
        }
        note(moved)
    }

    private func note(_ moved: Int64?) { if let moved { record(.delivered(outlet: name, sequence: moved)) } }

    // MARK: Looking and steering

    public func hasDelivered(_ sequence: Int64) -> Bool { state.withLock { $0.machine.progress.delivered >= sequence } }

    public var report: OutletReport {
        let last = stream.last
        let now = now
        return state.withLock { state in
            let machine = state.machine
            return state.tally.report(
                name, machine.progress, last: last, paused: machine.paused, otherwise: machine.isFailing ? .failing : .running,
                inFlight: machine.isOut ? 1 : 0, nextAttempt: machine.nextAttempt.map { $0 - now })
        }
    }

    public func take(_ order: OutletOrder) async throws(OutletProblem) -> String {
        defer { bell.ring() }
        switch order {
        case .pause(let reason):
            state.withLock { $0.machine.paused = reason }
            return "paused: \(reason)"
        case .resume:
            state.withLock { state in
                state.machine.paused = nil
                state.machine.tryNow()
            }
            return "resumed"
        case .retry(nil):
            state.withLock { $0.machine.tryNow() }
            return "what waits is tried now"
        case .retry, .skip:
            throw OutletProblem("Alertmanager is told what is true now; there are no dead letters and nothing to skip")
        case .test:
            let body = """
                [{"labels":{"alertname":"PatrolTest","severity":"info"},"annotations":{"summary":"a test by 'patrol outlets test': \
                nothing has happened"},"endsAt":"\(Timestamp(milliseconds: OutletTally.wall + 60_000).rfc3339())"}]
                """
            switch await http.post(Array(body.utf8), type: "application/json", url: url) {
            case .success(let answer) where (200..<300).contains(answer.code):
                return "Alertmanager took the alert PatrolTest, which ends in a minute: HTTP \(answer.code)"
            case .success(let answer): throw OutletProblem("Alertmanager did not take it: \(answer.words)")
            case .failure(let failure): throw OutletProblem("Alertmanager did not answer: \(failure.words)")
            }
        }
    }
}
