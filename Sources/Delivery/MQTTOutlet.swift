public import Mosquitto
import Synchronization
public import Telemetry

/// One event as the outbox has it.
public struct OutletEvent: Sendable {
    public var sequence: Int64
    public var topic: String
    public var payload: String
    /// The topic that keeps the alert's state, nil where the event keeps none; an end clears it.
    public var retainedTopic: String?
    public var isEnd: Bool

    public init(sequence: Int64, topic: String, payload: String, retainedTopic: String?, isEnd: Bool) {
        self.sequence = sequence
        self.topic = topic
        self.payload = payload
        self.retainedTopic = retainedTopic
        self.isEnd = isEnd
    }
}

/// Alerts, tasks and rejects to the broker, on the publishing connection (`{client_id}-out`). Events go at QoS 1 in the
/// order of their sequence; what the broker has acknowledged is reported, so that it is not sent again after a start.
public final class MQTTOutlet: Sendable {
    public static let name = "mqtt"

    private struct State {
        var outlet: OutletState
        /// Message id → event.
        var sequences: [Int32: Int64] = [:]
        /// Acknowledgements that came before `publish` returned.
        var early: Set<Int32> = []
        var limiter = RejectLimiter()
    }

    private let state: Mutex<State>
    private let publisher: Mutex<Publisher?> = Mutex(nil)
    private let topicRoot: String
    private let onDelivered: @Sendable (Int64) -> Void

    public init(
        connection: ConnectionOptions, topicRoot: String, delivered: Int64,
        onDelivered: @escaping @Sendable (Int64) -> Void
    ) throws(MosquittoError) {
        state = Mutex(State(outlet: OutletState(delivered: delivered)))
        self.topicRoot = topicRoot
        self.onDelivered = onDelivered
        let made = try Publisher(options: connection, clientID: connection.clientID + "-out") { [weak self] id in
            self?.acknowledged(id)
        }
        try made.start()
        publisher.withLock { $0 = made }
    }

    public var isConnected: Bool { publisher.withLock { $0?.isConnected ?? false } }

    /// Events given and not acknowledged.
    public var inFlight: Int { state.withLock { $0.outlet.inFlight } }

    private func acknowledged(_ id: Int32) {
        let moved: Int64? = state.withLock { state in
            guard let sequence = state.sequences.removeValue(forKey: id) else {
                state.early.insert(id)
                return nil
            }
            return state.outlet.acknowledged(sequence)
        }
        if let moved { onDelivered(moved) }
    }

    /// Publishes events in their order. Called by the processor after the commit that holds them.
    public func publish(_ events: [OutletEvent]) {
        guard !events.isEmpty, let publisher = publisher.withLock({ $0 }) else { return }
        for event in events {
            state.withLock { $0.outlet.sent(event.sequence) }
            let payload = Array(event.payload.utf8)
            if let retained = event.retainedTopic {
                let id = publisher.publish(topic: retained, payload: event.isEnd ? [] : payload, qos: 1, retain: true)
                expect(id, sequence: Self.noEvent)
            }
            expect(publisher.publish(topic: event.topic, payload: payload, qos: 1), sequence: event.sequence)
        }
    }

    /// Stands for messages that are no event of their own: an alert's retained state.
    private static let noEvent: Int64 = -1

    private func expect(_ id: Int32?, sequence: Int64) {
        guard let id else { return }
        let moved: Int64? = state.withLock { state in
            if state.early.remove(id) != nil { return state.outlet.acknowledged(sequence) }
            state.sequences[id] = sequence
            return nil
        }
        if let moved { onDelivered(moved) }
    }

    /// Tells a gateway what was refused, within its limit.
    public func notify(
        gateway: String, received: Timestamp, topic: String, device: String, field: String, reason: RejectReason,
        payload: [UInt8], now: Timestamp
    ) {
        guard !gateway.isEmpty, let held = state.withLock({ $0.limiter.admit(gateway: gateway, now: now) }),
            let publisher = publisher.withLock({ $0 })
        else { return }
        var body = JSONObject()
        body.add("received", raw: "\(received.milliseconds)")
        body.add("topic", topic)
        body.add("device", device)
        body.add("reason", reason.name)
        body.add("field", field)
        body.add("hint", reason.hint)
        body.add("payload", String(decoding: payload, as: UTF8.self))
        if held > 0 { body.add("held_back", raw: "\(held)") }
        publisher.publish(topic: "\(topicRoot)/rejects/\(gateway)", payload: Array(body.text.utf8), qos: 0)
    }

    /// Waits a moment for what is in flight, then ends the connection.
    public func close() { publisher.withLock { $0 = nil } }
}

extension RejectReason {
    /// What to do, for the integrator of the gateway.
    public var hint: String {
        switch self {
        case .malformed: "send a JSON object or an array of objects, each key once"
        case .type: "the field has another type; see the native payload"
        case .range: "the value is impossible for this field"
        case .missing: "the field must be there"
        case .future: "the time lies ahead of the server's: set the device's clock"
        case .tooOld: "the time is older than the readings that are kept"
        case .seqConflict: "the same device, ts and seq came with other values: count seq up"
        case .unknownDevice: "add the device to the devices file"
        case .wrongGateway: "the device belongs to another gateway"
        case .tooLarge: "split the message"
        case .limit: "too many: see the documented limits"
        case .unsupported: "this version does not read that"
        }
    }
}
