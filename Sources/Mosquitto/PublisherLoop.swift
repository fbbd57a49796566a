import CMosquitto
import Glibc
import Ring
import Synchronization

/// A publisher's thread: a client of the library for each connection, polled here.
///
/// The library has a thread of its own (`mosquitto_loop_start`), which is not used: it ends for good at errors that it
/// holds to be final, waits for ever when the broker dies while the first CONNECT is written, works with descriptors
/// below 1024 only, and loses a message that is published between its reset and its CONNECT. A client that lives as
/// long as its connection keeps nothing that could be lost or mixed up.
@safe
final class PublisherLoop: Sendable {
    /// Messages that the library holds at most; the rest waits here, so that ids of 16 bits are never used twice.
    static let window = 1000
    /// Bytes: what a remaining length can say (MQTT 3.1.1, 2.2.3), less than topic and header take.
    static let longestPayload = 268_435_455 - 70_000
    /// From connecting to CONNACK.
    static let handshakeMilliseconds: Int64 = 10_000
    /// For what is queued to be written when it ends.
    static let goodbyeMilliseconds: Int64 = 500

    /// The library's client: other threads use it under the lock, the loop's owns it.
    @safe struct Client: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    private struct State {
        /// Of the connection that stands; nil between connections.
        var client: Client?
        var kept = KeptMessages()
        var retained: [String: [UInt8]] = [:]
    }

    private let options: ConnectionOptions
    private let clientID: String
    private let will: RetainedMessage?
    private let listing: String?
    private let hears: @Sendable (Publisher.Word) -> Void
    private let state: Mutex<State>
    private let bell = Doorbell()
    private let isStopping = Atomic<Bool>(false)
    private let isUp = Atomic<Bool>(false)
    private let inFlightCount = Atomic<Int>(0)
    private let threadID = Atomic<UInt>(0)

    init(
        options: ConnectionOptions, clientID: String, will: RetainedMessage?, listing: String?,
        hears: @escaping @Sendable (Publisher.Word) -> Void
    ) {
        self.options = options
        self.clientID = clientID
        self.will = will
        self.listing = listing
        self.hears = hears
        state = Mutex(State())
    }

    /// Pointers to this loop are in the client: it must not outlive it.
    func makeClient() throws(MosquittoError) -> Client {
        let client = try unsafe options.makeClient(
            clientID: clientID, cleanSession: true, context: Unmanaged.passUnretained(self).toOpaque())
        // The queue of what is sent belongs to two threads; nothing is written but by `mosquitto_loop_write`.
        unsafe mosquitto_threaded_set(client, true)
        unsafe mosquitto_connect_callback_set(client) { _, context, code in
            unsafe PublisherLoop.from(context).connected(code)
        }
        unsafe mosquitto_publish_callback_set(client) { _, context, id in
            unsafe PublisherLoop.from(context).completed(id)
        }
        unsafe mosquitto_message_callback_set(client) { _, context, message in
            unsafe PublisherLoop.from(context).received(message!)
        }
        unsafe mosquitto_subscribe_callback_set(client) { _, context, _, count, granted in
            unsafe PublisherLoop.from(context).subscribed(isGranted: count > 0 && granted![0] < 0x80)
        }
        unsafe mosquitto_unsubscribe_callback_set(client) { _, context, _ in
            unsafe PublisherLoop.from(context).listed()
        }
        // The window is ours.
        _ = unsafe mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, Int32(UInt16.max))
        if let will {
            let code = unsafe will.payload.withUnsafeBytes {
                unsafe mosquitto_will_set(client, will.topic, Int32($0.count), $0.baseAddress, 1, true)
            }
            if code != MOSQ_ERR_SUCCESS.code {
                unsafe mosquitto_destroy(client)
                throw MosquittoError("the Last Will on \(will.topic)", code: code)
            }
        }
        return unsafe Client(pointer: client)
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> PublisherLoop {
        unsafe Unmanaged<PublisherLoop>.fromOpaque(context!).takeUnretainedValue()
    }

    // MARK: For the publisher, on any thread

    var isConnected: Bool { isUp.load(ordering: .acquiring) }
    var inFlight: Int { inFlightCount.load(ordering: .relaxed) }
    var isOwnThread: Bool { threadID.load(ordering: .relaxed) == UInt(pthread_self()) }

    func stop() {
        isStopping.store(true, ordering: .releasing)
        bell.ring()
    }

    func publish(topic: String, payload: [UInt8], retain: Bool) -> Int? {
        guard unsafe mosquitto_pub_topic_check(topic) == MOSQ_ERR_SUCCESS.code, payload.count <= PublisherLoop.longestPayload else { return nil }
        inFlightCount.wrappingAdd(1, ordering: .relaxed)
        let id = state.withLock { state in
            let id = state.kept.append(KeptMessages.Message(topic: topic, payload: payload, retain: retain))
            give(&state)
            return id
        }
        bell.ring()
        return id
    }

    func send(topic: String, payload: [UInt8], retain: Bool) {
        state.withLock { state in
            guard isConnected, let client = state.client else { return }
            _ = unsafe payload.withUnsafeBytes {
                unsafe mosquitto_publish(client.pointer, nil, topic, Int32($0.count), $0.baseAddress, 0, retain)
            }
        }
        bell.ring()
    }

    /// Hands to the library what it has room for. What it does not take for lack of a connection goes after the next.
    private func give(_ state: inout State) {
        guard isConnected, let client = state.client else { return }
        while let (id, message) = state.kept.next(window: PublisherLoop.window) {
            var mid: Int32 = 0
            let code = unsafe message.payload.withUnsafeBytes {
                unsafe mosquitto_publish(client.pointer, &mid, message.topic, Int32($0.count), $0.baseAddress, 1, message.retain)
            }
            guard code == MOSQ_ERR_SUCCESS.code else { return }
            state.kept.gave(id, as: mid)
        }
    }

    // MARK: What the broker says, on the loop's thread

    private func connected(_ code: Int32) {
        guard code == 0 else { return }
        state.withLock { state in
            isUp.store(true, ordering: .releasing)
            state.retained.removeAll()
            give(&state)
        }
        hears(.connected)
        guard let listing else { return }
        // At QoS 0 what is retained comes before the answer to UNSUBSCRIBE, and is not stored by the broker for us.
        let code = state.withLock { unsafe mosquitto_subscribe($0.client?.pointer, nil, listing, 0) }
        if code != MOSQ_ERR_SUCCESS.code { hears(.retained(nil)) }
    }

    private func completed(_ mid: Int32) {
        let id: Int? = state.withLock { state in
            let id = state.kept.acknowledged(mid)
            give(&state)
            return id
        }
        // A message at QoS 0 has none.
        guard let id else { return }
        inFlightCount.wrappingSubtract(1, ordering: .relaxed)
        hears(.acknowledged(id))
    }

    private func received(_ message: UnsafePointer<mosquitto_message>) {
        // What is published meanwhile, by ourselves too, comes without the mark.
        guard unsafe message.pointee.retain, unsafe message.pointee.payloadlen > 0 else { return }
        let topic = unsafe String(cString: message.pointee.topic)
        let payload = unsafe [UInt8](
            UnsafeRawBufferPointer(start: message.pointee.payload, count: Int(message.pointee.payloadlen)))
        state.withLock { $0.retained[topic] = payload }
    }

    private func subscribed(isGranted: Bool) {
        guard isGranted, let listing else { return hears(.retained(nil)) }
        _ = state.withLock { unsafe mosquitto_unsubscribe($0.client?.pointer, nil, listing) }
    }

    private func listed() {
        hears(
            .retained(
                state.withLock { state in
                    defer { state.retained.removeAll() }
                    return state.retained
                }))
    }

    // MARK: The thread

    func run() {
        threadID.store(UInt(pthread_self()), ordering: .relaxed)
        var backoff = ReconnectBackoff(seed: UInt64(truncatingIfNeeded: monotonicMilliseconds) ^ UInt64(pthread_self()))
        while !isStopping.load(ordering: .acquiring) {
            // A file that cannot be read now may be there again at the next try.
            if let client = try? makeClient() {
                serve(client)
                let wasUp = isUp.exchange(false, ordering: .acquiringAndReleasing)
                state.withLock { state in
                    state.client = nil
                    state.kept.rewind()
                }
                unsafe mosquitto_destroy(client.pointer)
                if wasUp {
                    backoff.succeeded()
                    hears(.disconnected)
                }
            }
            let until = monotonicMilliseconds + Int64(backoff.nextMilliseconds())
            while !isStopping.load(ordering: .acquiring) {
                let left = until - monotonicMilliseconds
                if left <= 0 { break }
                bell.wait(timeoutMilliseconds: Int32(left)) { isStopping.load(ordering: .acquiring) }
            }
        }
    }

    /// One connection, until it is lost, refused or no longer wanted.
    private func serve(_ client: Client) {
        state.withLock { $0.client = client }
        var code = unsafe mosquitto_connect_async(
            client.pointer, options.address.host, options.address.port, options.keepAliveSeconds)
        let handshakeEnd = monotonicMilliseconds + PublisherLoop.handshakeMilliseconds
        while code == MOSQ_ERR_SUCCESS.code, isConnected || monotonicMilliseconds < handshakeEnd {
            if isStopping.load(ordering: .acquiring) { return sayGoodbye(client) }
            code = turn(client, patience: 1000)
        }
    }

    /// Sleeps until there is something to read, to write or to stop for, and does it.
    /// - Parameter patience: in ms; the library looks after its keep-alive once in that time.
    private func turn(_ client: Client, patience: Int32) -> Int32 {
        bell.arm()
        let wantsWrite = unsafe mosquitto_want_write(client.pointer)
        var pollers = (
            pollfd(fd: unsafe mosquitto_socket(client.pointer), events: Int16(POLLIN | (wantsWrite ? POLLOUT : 0)), revents: 0),
            pollfd(fd: bell.descriptor, events: Int16(POLLIN), revents: 0)
        )
        let isToStop = isStopping.load(ordering: .acquiring)
        _ = unsafe withUnsafeMutableBytes(of: &pollers) {
            unsafe poll($0.assumingMemoryBound(to: pollfd.self).baseAddress, 2, isToStop ? min(patience, 10) : patience)
        }
        bell.disarm()
        let events = Int32(pollers.0.revents)
        var code = MOSQ_ERR_SUCCESS.code
        // The library goes on with a handshake of TLS where it reads, also when it waits to write.
        if events & (POLLIN | POLLHUP | POLLERR) != 0 || events & POLLOUT != 0 && !isConnected {
            code = unsafe mosquitto_loop_read(client.pointer, 1)
        }
        // Before the connection stands nothing may be written that the socket has not asked for.
        if code == MOSQ_ERR_SUCCESS.code, events & POLLOUT != 0 || isConnected, unsafe mosquitto_want_write(client.pointer) {
            code = unsafe mosquitto_loop_write(client.pointer, 1)
        }
        return code == MOSQ_ERR_SUCCESS.code ? unsafe mosquitto_loop_misc(client.pointer) : code
    }

    /// Writes what is queued and DISCONNECT behind it, so that the broker does not publish the Last Will.
    private func sayGoodbye(_ client: Client) {
        guard isConnected else { return }
        _ = state.withLock { _ in unsafe mosquitto_disconnect(client.pointer) }
        let end = monotonicMilliseconds + PublisherLoop.goodbyeMilliseconds
        while monotonicMilliseconds < end, turn(client, patience: 10) == MOSQ_ERR_SUCCESS.code {}
    }

    private var monotonicMilliseconds: Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
