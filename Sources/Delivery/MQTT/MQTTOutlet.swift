import Foundation
public import Mosquitto
public import Store
import Synchronization
public import Telemetry

/// Alerts, tasks and rejects to the broker, on the publishing connection (`{client_id}-out`). Events go at QoS 1 in the
/// order of their sequence; what the broker has acknowledged is written down, so that it is not sent again after a start.
///
/// `{root}/state/alerts/{id}` is retained while the alert is open. Which topics the broker retains is asked at each
/// connect and put right, so neither a kill nor a restored backup nor a broker that lost its own state leaves a wrong
/// one. `{root}/state/patrol` is retained too: `online` true, and false by the Last Will when Patrol is gone.
public final class MQTTOutlet: Outlet {
    public static let name = "mqtt"
    public let name: String = "mqtt"

    fileprivate struct State {
        var mqtt: MQTTState
        /// Message id → event.
        var sequences: [Int: Int64] = [:]
        /// Acknowledgements that came before `publish` returned.
        var early: Set<Int> = []
        var tally = OutletTally()
    }

    private let state: Mutex<State>
    private let limiter = Mutex(RejectLimiter())
    private let publisher: Mutex<Publisher?> = Mutex(nil)
    private let bell = AsyncBell()
    private let stream: EventStream
    private let topicRoot: String
    private let record: @Sendable (OutletChange) -> Void

    public init(
        connection: ConnectionOptions, topicRoot: String, stream: EventStream, row: OutletRow?,
        record: @escaping @Sendable (OutletChange) -> Void
    ) throws(MosquittoError) {
        state = Mutex(State(mqtt: MQTTState(delivered: row?.delivered ?? 0, paused: row?.paused)))
        self.topicRoot = topicRoot
        self.stream = stream
        self.record = record
        let made = try Publisher(
            options: connection, clientID: connection.clientID + "-out",
            will: RetainedMessage(topic: "\(topicRoot)/state/patrol", payload: MQTTOutlet.presence(false, "gone")),
            listing: "\(topicRoot)/state/alerts/+"
        ) { [weak self] in self?.take($0) }
        publisher.withLock { $0 = made }
        stream.listen { [bell] in bell.ring() }
    }

    private static func presence(_ isOnline: Bool, _ more: String, epoch: String = "") -> [UInt8] {
        var object = JSONObject()
        object.add("online", raw: isOnline ? "true" : "false")
        object.add(isOnline ? "epoch" : "reason", isOnline ? epoch : more)
        if isOnline { object.add("since", more) }
        return Array(object.text.utf8)
    }

    // MARK: What the broker says, on the publisher's thread

    private func take(_ word: Publisher.Word) {
        switch word {
        case .connected:
            state.withLock { state in
                state.mqtt.connected(true)
                state.tally.note("connected")
            }
        case .disconnected:
            state.withLock { state in
                state.mqtt.connected(false)
                state.tally.failures += 1
                state.tally.note("the connection to the broker is gone")
            }
        case .retained(let topics): state.withLock { $0.mqtt.brokerRetains(topics?.mapValues(MQTTOutlet.hash)) }
        case .acknowledged(let id):
            let moved: Int64? = state.withLock { state in
                guard let sequence = state.sequences.removeValue(forKey: id) else {
                    state.early.insert(id)
                    return nil
                }
                return state.acknowledged(sequence)
            }
            guard let moved else { return }
            record(.delivered(outlet: name, sequence: moved))
        }
        bell.ring()
    }

    private static func hash(_ payload: [UInt8]) -> Int { payload.hashValue }

    // MARK: Publishing

    public func run() async {
        while !Task.isCancelled {
            do throws(StoreError) {
                switch state.withLock({ $0.mqtt.next() }) {
                case .greet: greet()
                case .read(let after, let limit): publish(try await stream.page(after: after, limit: limit))
                case .compare: try await compare()
                case .wait: await bell.wait(atMost: .seconds(1))
                }
            } catch {
                state.withLock { $0.tally.note("\(error)") }
                await bell.wait(atMost: .seconds(1))
            }
        }
    }

    private func greet() {
        let since = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)).rfc3339()
        let presence = MQTTOutlet.presence(true, since, epoch: stream.epochs.current)
        let topic = "\(topicRoot)/state/patrol"
        expect(publisher.withLock { $0 }?.publish(topic: topic, payload: presence, retain: true), event: nil)
    }

    private func publish(_ page: EventPage) {
        state.withLock { $0.mqtt.took(page) }
        guard let publisher = publisher.withLock({ $0 }) else { return }
        for event in page.events {
            if let retained = event.retainedTopic {
                expect(publisher.publish(topic: retained, payload: event.isEnd ? [] : event.json, retain: true), event: nil)
            }
            guard let id = publisher.publish(topic: event.topic, payload: event.json) else {
                giveUp(event)
                continue
            }
            expect(id, event: event.sequence)
        }
    }

    /// MQTT does not allow it: its topic or size is impossible, which trying again does not change.
    private func giveUp(_ event: StreamEvent) {
        record(
            .dead(
                DeadLetter(
                    outlet: name, sequence: event.sequence, event: event.id, at: OutletTally.wall,
                    attempts: 1, reason: "MQTT does not allow its topic or size",
                    payload: String(decoding: event.json, as: UTF8.self))))
        expect(nil, event: event.sequence)
    }

    /// - Parameters:
    ///   - id: nil where there is nothing to wait for.
    ///   - event: nil for an alert's retained state, which is no event of its own.
    private func expect(_ id: Int?, event: Int64?) {
        let moved: Int64? = state.withLock { state in
            if let id, state.early.remove(id) == nil {
                if let event { state.sequences[id] = event } else { state.sequences[id] = State.noEvent }
                return nil
            }
            return event.flatMap { state.acknowledged($0) }
        }
        if let moved { record(.delivered(outlet: name, sequence: moved)) }
    }

    private func compare() async throws(StoreError) {
        let (last, rows) = try await stream.retained()
        let epochs = stream.epochs
        func payload(_ row: RetainedRow) -> [UInt8] {
            StreamEvent.render(row.payload, sequence: row.sequence, epoch: epochs.epoch(of: row.sequence))
        }
        let changes = state.withLock { $0.mqtt.retains(last: last, rows: rows) { MQTTOutlet.hash(payload($0)) } }
        guard let publisher = publisher.withLock({ $0 }) else { return }
        for change in changes {
            expect(
                publisher.publish(topic: change.topic, payload: change.row.map(payload) ?? [], retain: true), event: nil)
        }
    }

    // MARK: Rejects

    /// Tells a gateway what was refused, within its limit.
    public func notify(
        gateway: String, received: Timestamp, topic: String, device: String, field: String, reason: RejectReason,
        payload: [UInt8], now: Timestamp
    ) {
        guard !gateway.isEmpty, let held = limiter.withLock({ $0.admit(gateway: gateway, now: now) }),
            let publisher = publisher.withLock({ $0 })
        else { return }
        let body = RejectNotice.json(
            received: received, topic: topic, device: device, field: field, reason: reason, payload: payload, heldBack: held)
        publisher.send(topic: "\(topicRoot)/rejects/\(gateway)", payload: Array(body.utf8))
    }

    /// Tells a gateway of itself; retained, so that its integrator finds it at any time.
    public func tell(_ status: GatewayStatus) {
        guard let publisher = publisher.withLock({ $0 }) else { return }
        let topic = "\(topicRoot)/status/\(status.gateway)"
        publisher.send(topic: topic, payload: Array(status.payload.utf8), retain: true)
    }

    /// Says goodbye and ends the connection, when what is in flight is acknowledged or half a second is over.
    public func close() {
        // Forgotten outside of the lock: its end waits for the publisher's thread, which may want the lock.
        guard let ending = publisher.withLock({ $0.take() }), ending.isConnected else { return }
        ending.publish(topic: "\(topicRoot)/state/patrol", payload: MQTTOutlet.presence(false, "stopped"), retain: true)
        for _ in 0..<100 where ending.isConnected && ending.inFlight > 0 { usleep(5000) }
    }

    // MARK: Looking and steering

    public var isConnected: Bool { state.withLock { $0.mqtt.isConnected } }

    public func hasDelivered(_ sequence: Int64) -> Bool { state.withLock { $0.mqtt.progress.delivered >= sequence } }

    public var report: OutletReport {
        let last = stream.last
        return state.withLock { state in
            state.tally.report(
                name, state.mqtt.progress, last: last, paused: state.mqtt.paused,
                otherwise: state.mqtt.isConnected ? .running : .disconnected, inFlight: state.mqtt.progress.open)
        }
    }

    public func take(_ order: OutletOrder) async throws(OutletProblem) -> String {
        switch order {
        case .pause(let reason):
            state.withLock { $0.mqtt.paused = reason }
            return "paused"
        case .resume:
            state.withLock { $0.mqtt.paused = nil }
            bell.ring()
            return "resumed"
        case .test:
            guard let publisher = publisher.withLock({ $0 }), publisher.isConnected else {
                throw OutletProblem("there is no connection to the broker")
            }
            let event = TestEvent.json(outlet: name)
            guard let id = publisher.publish(topic: "\(topicRoot)/out/test", payload: event) else {
                throw OutletProblem("MQTT does not allow the topic \(topicRoot)/out/test")
            }
            expect(id, event: nil)
            return "a test event was published on \(topicRoot)/out/test"
        case .retry, .skip:
            throw OutletProblem("the broker takes every event or none: there is nothing to retry or to skip; see pause and resume")
        }
    }
}

extension MQTTOutlet.State {
    /// Stands for messages that are no event of their own: an alert's retained state.
    fileprivate static let noEvent: Int64 = -1

    fileprivate mutating func acknowledged(_ sequence: Int64) -> Int64? {
        if sequence == Self.noEvent { return nil }
        tally.sent += 1
        tally.note("acknowledged")
        return mqtt.acknowledged(sequence)
    }
}
