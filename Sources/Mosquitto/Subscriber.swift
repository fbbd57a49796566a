import CMosquitto
import Glibc

/// Takes what a ``Subscriber`` receives. Called on the subscriber's thread.
public protocol SubscriberHandler: AnyObject {
    /// The bytes are valid during the call only.
    func receive(topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, qos: Int32)
}

/// The connection on which readings come in, with acknowledgements held back.
///
/// libmosquitto queues a message's PUBACK before it hands the message over and offers no manual acknowledgement; but
/// with `mosquitto_threaded_set` and a poll loop of one's own nothing leaves the queue before `mosquitto_loop_write`.
/// So: read, commit, ``flush()``. `flush` is the only call that writes once the handshake is over; a ping waits in the
/// same queue. One thread owns the object.
///
/// Subscriptions are made at QoS 1. At QoS 2 the broker gives a message up to the client with PUBREC and only PUBREL
/// follows: a process killed between the two would lose it. The broker lowers a publisher's QoS 2 to 1 on this leg,
/// and duplicates are known by identity.
@safe
public final class Subscriber {
    public enum State: Equatable, Sendable {
        /// Connecting, or waiting for the broker's answers.
        case connecting
        case subscribed
        /// In words: why, and what to do.
        case failed(String)
    }

    private let options: ConnectionOptions
    private let filters: [String]
    // Made in init, destroyed in deinit; callbacks come only from our own calls on the owner's thread.
    private var client: OpaquePointer
    private unowned(unsafe) let handler: any SubscriberHandler
    public private(set) var state = State.connecting
    /// A message that wants an acknowledgement has come since the last flush.
    public private(set) var holdsAcknowledgements = false
    /// Messages received since the start.
    public private(set) var receivedCount = 0
    /// Where the thread has its own.
    private let descriptors: OwnDescriptors?
    private var handshakeWrites = false
    private var grantsLeft = 0

    /// - Parameters:
    ///   - handler: must outlive the subscriber.
    ///   - descriptors: of the owner's thread.
    public init(
        options: ConnectionOptions, filters: [String], handler: any SubscriberHandler, descriptors: OwnDescriptors? = nil
    ) throws(MosquittoError) {
        self.options = options
        self.descriptors = descriptors
        self.filters = filters
        unsafe self.handler = handler
        unsafe client = try options.makeClient(clientID: options.clientID, cleanSession: false, context: nil)
        unsafe mosquitto_threaded_set(client, true)
        unsafe mosquitto_user_data_set(client, Unmanaged.passUnretained(self).toOpaque())
        unsafe mosquitto_connect_callback_set(client) { _, context, code in
            unsafe Subscriber.from(context).connected(code)
        }
        unsafe mosquitto_disconnect_callback_set(client) { _, context, code in
            unsafe Subscriber.from(context).disconnected(code)
        }
        unsafe mosquitto_subscribe_callback_set(client) { _, context, _, count, granted in
            unsafe Subscriber.from(context).granted(UnsafeBufferPointer(start: granted, count: Int(count)))
        }
        unsafe mosquitto_message_callback_set(client) { _, context, message in
            unsafe Unmanaged<Subscriber>.fromOpaque(context!)._withUnsafeGuaranteedRef { unsafe $0.received(message!) }
        }
    }

    deinit { unsafe mosquitto_destroy(client) }

    private static func from(_ context: UnsafeMutableRawPointer?) -> Subscriber {
        unsafe Unmanaged<Subscriber>.fromOpaque(context!).takeUnretainedValue()
    }

    // MARK: Connection

    /// Begins to connect; the answer comes with ``readOnce()``. The queue of an earlier connection is gone.
    public func connect() {
        state = .connecting
        holdsAcknowledgements = false
        let code = unsafe mosquitto_connect_async(
            client, options.address.host, options.address.port, options.keepAliveSeconds)
        if code != MOSQ_ERR_SUCCESS.code {
            let reason = unsafe code == MOSQ_ERR_ERRNO.code ? String(cString: strerror(errno)) : String(cString: mosquitto_strerror(code))
            state = .failed("the broker at \(options.address) cannot be reached: \(reason)")
            return
        }
        handshakeWrites = true
        descriptors?.muteLocalSockets()
    }

    private func connected(_ code: Int32) {
        guard code == 0 else {
            let reason = unsafe String(cString: mosquitto_connack_string(code))
            state = .failed("the broker at \(options.address) refused the connection: \(reason)")
            return
        }
        // The broker may send queued messages at once: from here on nothing is written but through flush(), which the
        // owner calls when everything received is committed; SUBSCRIBE waits in the same queue.
        handshakeWrites = false
        grantsLeft = filters.count
        for filter in filters {
            let code = unsafe mosquitto_subscribe(client, nil, filter, 1)
            if code != MOSQ_ERR_SUCCESS.code { state = .failed(MosquittoError("subscribing to \(filter)", code: code).description) }
        }
    }

    private func granted(_ codes: UnsafeBufferPointer<Int32>) {
        if let refused = unsafe codes.first(where: { $0 >= 0x80 }) {
            state = .failed(
                """
                the broker refused the subscription to \(filters.joined(separator: ", ")) (code \(refused)); allow \
                client '\(options.clientID)' to read it
                """)
            return
        }
        grantsLeft -= 1
        if grantsLeft <= 0, state == .connecting { state = .subscribed }
    }

    private func disconnected(_ code: Int32) { lost(code) }

    private func received(_ message: UnsafePointer<mosquitto_message>) {
        receivedCount += 1
        if unsafe message.pointee.qos > 0 { holdsAcknowledgements = true }
        let topic = unsafe UnsafeRawBufferPointer(start: message.pointee.topic, count: strlen(message.pointee.topic))
        let payload = unsafe UnsafeRawBufferPointer(start: message.pointee.payload, count: Int(message.pointee.payloadlen))
        unsafe handler.receive(topic: topic, payload: payload, qos: message.pointee.qos)
    }

    // MARK: The loop's parts

    /// For `poll`; nil while there is no connection.
    public var socketDescriptor: Int32? {
        let descriptor = unsafe mosquitto_socket(client)
        return descriptor >= 0 ? descriptor : nil
    }

    /// The TCP connection is being made, or CONNECT is to be sent: poll for writing and call ``flush()``.
    public var wantsHandshakeWrite: Bool { unsafe handshakeWrites && mosquitto_want_write(client) }

    /// Something is queued: acknowledgements, a ping, SUBSCRIBE.
    public var hasQueued: Bool { unsafe mosquitto_want_write(client) }

    /// Bytes that wait in the socket.
    public var pendingBytes: Int32 {
        guard let descriptor = socketDescriptor else { return 0 }
        var count: Int32 = 0
        _ = unsafe withUnsafeMutablePointer(to: &count) { unsafe ioctl(descriptor, UInt(FIONREAD), $0) }
        return count
    }

    /// Reads what is there, at most `packets` packets, and hands the messages over.
    public func read(packets: Int32) {
        let code = unsafe mosquitto_loop_read(client, packets)
        if code != MOSQ_ERR_SUCCESS.code { lost(code) }
    }

    /// Sends everything that is queued. Only when all that was received is committed.
    public func flush() {
        // The library goes on with a handshake of TLS where it reads, also when it waits to write.
        if handshakeWrites { read(packets: 1) }
        guard let descriptor = socketDescriptor else { return }
        var on: Int32 = 1
        if !handshakeWrites { _ = unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_CORK, &on, 4) }
        holdsAcknowledgements = false
        let code = unsafe mosquitto_loop_write(client, 1)
        on = 0
        _ = unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_CORK, &on, 4)
        if code != MOSQ_ERR_SUCCESS.code { lost(code) }
    }

    /// Keeps the connection alive: queues a ping when it is time, gives up when the broker is silent.
    public func tick() {
        let code = unsafe mosquitto_loop_misc(client)
        if code != MOSQ_ERR_SUCCESS.code { lost(code) }
    }

    private func lost(_ code: Int32) {
        let reason = unsafe code == MOSQ_ERR_ERRNO.code ? String(cString: strerror(errno)) : String(cString: mosquitto_strerror(code))
        switch state {
        case .failed: break
        case .connecting where handshakeWrites && code != MOSQ_ERR_CONN_LOST.code:
            state = .failed(
                "the broker at \(options.address) cannot be reached: \(reason); is it running, and is the address right?")
        case .connecting, .subscribed:
            state = .failed("the connection to the broker at \(options.address) is gone: \(reason)")
        }
    }

    /// Ends the connection without sending what is queued: the broker sends it all again after the next connect.
    public func dropUnflushed(_ reason: String) {
        state = .failed(reason)
        if let descriptor = socketDescriptor {
            shutdown(descriptor, Int32(SHUT_RDWR))
            // Lets the library notice and close; with the socket shut down nothing can be written.
            _ = unsafe mosquitto_loop_read(client, 1)
        }
        holdsAcknowledgements = false
    }

    /// Says goodbye. Everything received must be committed.
    public func disconnect() {
        unsafe mosquitto_disconnect(client)
        flush()
    }
}
