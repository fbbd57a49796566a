import CMosquitto
import Glibc
import Synchronization

/// A retained message at QoS 1.
public struct PublisherMessage: Sendable {
    public var topic: String
    public var payload: [UInt8]

    public init(topic: String, payload: [UInt8]) {
        self.topic = topic
        self.payload = payload
    }
}

/// The connection on which Patrol publishes, with a thread of the library's own. Any thread may call it.
///
/// A QoS 1 message that the broker has not acknowledged is kept by the library and sent again after a reconnect.
@safe
public final class Publisher: Sendable {
    /// What the broker says, on the library's thread.
    public enum Word: Sendable {
        case connected
        case disconnected
        /// The message with this id, which ``publish(topic:payload:qos:retain:)`` gave.
        case acknowledged(Int32)
        /// After each connect: what the broker retains on the topics that are listed; nil where it does not let us read.
        case retained([String: [UInt8]]?)
    }

    // Thread-safe in the library (mosquitto_loop_start); made in init, destroyed in deinit.
    private nonisolated(unsafe) let client: OpaquePointer
    private let options: ConnectionOptions
    private let listing: String?
    private let hears: @Sendable (Word) -> Void
    private let isUp = Atomic<Bool>(false)
    private let inFlightCount = Atomic<Int>(0)
    private let retained = Mutex<[String: [UInt8]]>([:])

    /// - Parameters:
    ///   - will: what the broker publishes, retained, when this connection is lost.
    ///   - listing: a filter of topics; what the broker retains on them is told after each connect.
    public init(
        options: ConnectionOptions, clientID: String, will: PublisherMessage? = nil, listing: String? = nil,
        hears: @escaping @Sendable (Word) -> Void
    ) throws(MosquittoError) {
        self.options = options
        self.listing = listing
        self.hears = hears
        unsafe client = try options.makeClient(clientID: clientID, cleanSession: true, context: nil)
        unsafe mosquitto_user_data_set(client, Unmanaged.passUnretained(self).toOpaque())
        unsafe mosquitto_connect_callback_set(client) { _, context, code in
            unsafe Publisher.from(context).connected(code)
        }
        unsafe mosquitto_disconnect_callback_set(client) { _, context, _ in
            unsafe Publisher.from(context).disconnected()
        }
        unsafe mosquitto_publish_callback_set(client) { _, context, id in
            unsafe Publisher.from(context).completed(id)
        }
        unsafe mosquitto_message_callback_set(client) { _, context, message in
            unsafe Publisher.from(context).received(message!)
        }
        unsafe mosquitto_subscribe_callback_set(client) { _, context, _, count, granted in
            unsafe Publisher.from(context).subscribed(isGranted: count > 0 && granted![0] < 0x80)
        }
        unsafe mosquitto_unsubscribe_callback_set(client) { _, context, _ in
            unsafe Publisher.from(context).listed()
        }
        unsafe mosquitto_reconnect_delay_set(client, 1, 30, true)
        _ = unsafe mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, 1000)
        if let will {
            let code = unsafe will.payload.withUnsafeBytes {
                unsafe mosquitto_will_set(client, will.topic, Int32($0.count), $0.baseAddress, 1, true)
            }
            if code != MOSQ_ERR_SUCCESS.code { throw MosquittoError("the Last Will on \(will.topic)", code: code) }
        }
    }

    deinit {
        unsafe mosquitto_disconnect(client)
        // Until the goodbye is written: stopping the thread before would have the broker publish the Last Will.
        for _ in 0..<100 where isConnected { usleep(5000) }
        unsafe mosquitto_loop_stop(client, true)
        unsafe mosquitto_destroy(client)
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> Publisher {
        unsafe Unmanaged<Publisher>.fromOpaque(context!).takeUnretainedValue()
    }

    // MARK: On the library's thread

    private func connected(_ code: Int32) {
        guard code == 0 else { return }
        isUp.store(true, ordering: .releasing)
        hears(.connected)
        guard let listing else { return }
        retained.withLock { $0.removeAll() }
        // At QoS 0 what is retained comes before the answer to UNSUBSCRIBE, and is not stored by the broker for us.
        if unsafe mosquitto_subscribe(client, nil, listing, 0) != MOSQ_ERR_SUCCESS.code { hears(.retained(nil)) }
    }

    private func disconnected() {
        isUp.store(false, ordering: .releasing)
        hears(.disconnected)
    }

    private func completed(_ id: Int32) {
        inFlightCount.wrappingSubtract(1, ordering: .relaxed)
        hears(.acknowledged(id))
    }

    private func received(_ message: UnsafePointer<mosquitto_message>) {
        // What is published meanwhile, by ourselves too, comes without the mark.
        guard unsafe message.pointee.retain, unsafe message.pointee.payloadlen > 0 else { return }
        let topic = unsafe String(cString: message.pointee.topic)
        let payload = unsafe [UInt8](
            UnsafeRawBufferPointer(start: message.pointee.payload, count: Int(message.pointee.payloadlen)))
        retained.withLock { $0[topic] = payload }
    }

    private func subscribed(isGranted: Bool) {
        guard isGranted, let listing else { return hears(.retained(nil)) }
        _ = unsafe mosquitto_unsubscribe(client, nil, listing)
    }

    private func listed() {
        hears(
            .retained(
                retained.withLock { topics in
                    defer { topics.removeAll() }
                    return topics
                }))
    }

    // MARK: For the owner

    /// Connects in the background, and again whenever the connection is lost.
    public func start() throws(MosquittoError) {
        _ = unsafe mosquitto_connect_async(client, options.address.host, options.address.port, options.keepAliveSeconds)
        let code = unsafe mosquitto_loop_start(client)
        if code != MOSQ_ERR_SUCCESS.code { throw MosquittoError("the publishing thread", code: code) }
    }

    public var isConnected: Bool { isUp.load(ordering: .acquiring) }

    /// Messages given and not yet acknowledged (QoS 1) or sent (QoS 0).
    public var inFlight: Int { inFlightCount.load(ordering: .relaxed) }

    /// Gives a message to the library; its id comes back when the broker has acknowledged it. Nil where the library
    /// does not take it (no memory, payload too large, topic invalid).
    @discardableResult
    public func publish(topic: String, payload: [UInt8], qos: Int32, retain: Bool = false) -> Int32? {
        var id: Int32 = 0
        inFlightCount.wrappingAdd(1, ordering: .relaxed)
        let code = unsafe payload.withUnsafeBytes {
            unsafe mosquitto_publish(client, &id, topic, Int32($0.count), $0.baseAddress, qos, retain)
        }
        // Without a connection the library keeps a QoS 1 message and says so.
        if code == MOSQ_ERR_SUCCESS.code || (code == MOSQ_ERR_NO_CONN.code && qos > 0) { return id }
        inFlightCount.wrappingSubtract(1, ordering: .relaxed)
        return nil
    }
}
