import CMosquitto
import Glibc
import Synchronization

/// The connection on which Patrol publishes, with a thread of the library's own. Any thread may call it.
///
/// A QoS 1 message that the broker has not acknowledged is kept by the library and sent again after a reconnect.
@safe
public final class Publisher: Sendable {
    // Thread-safe in the library (mosquitto_loop_start); made in init, destroyed in deinit.
    private nonisolated(unsafe) let client: OpaquePointer
    private let options: ConnectionOptions
    private let acknowledged: @Sendable (Int32) -> Void
    private let isUp = Atomic<Bool>(false)
    private let inFlightCount = Atomic<Int>(0)

    /// - Parameters:
    ///   - cleanSession: the broker forgets the client between connections.
    ///   - acknowledged: called on the library's thread with the id that ``publish(topic:payload:qos:retain:)`` gave.
    public init(
        options: ConnectionOptions, clientID: String, acknowledged: @escaping @Sendable (Int32) -> Void
    ) throws(MosquittoError) {
        self.options = options
        self.acknowledged = acknowledged
        unsafe client = try options.makeClient(clientID: clientID, cleanSession: true, context: nil)
        unsafe mosquitto_user_data_set(client, Unmanaged.passUnretained(self).toOpaque())
        unsafe mosquitto_connect_callback_set(client) { _, context, code in
            unsafe Publisher.from(context).isUp.store(code == 0, ordering: .releasing)
        }
        unsafe mosquitto_disconnect_callback_set(client) { _, context, _ in
            unsafe Publisher.from(context).isUp.store(false, ordering: .releasing)
        }
        unsafe mosquitto_publish_callback_set(client) { _, context, id in
            unsafe Publisher.from(context).completed(id)
        }
        unsafe mosquitto_reconnect_delay_set(client, 1, 30, true)
        _ = unsafe mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, 1000)
    }

    deinit {
        unsafe mosquitto_disconnect(client)
        unsafe mosquitto_loop_stop(client, true)
        unsafe mosquitto_destroy(client)
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> Publisher {
        unsafe Unmanaged<Publisher>.fromOpaque(context!).takeUnretainedValue()
    }

    private func completed(_ id: Int32) {
        inFlightCount.wrappingSubtract(1, ordering: .relaxed)
        acknowledged(id)
    }

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
