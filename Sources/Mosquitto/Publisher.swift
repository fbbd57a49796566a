import CMosquitto
import Glibc
import Ring

/// A message that the broker retains.
public struct RetainedMessage: Sendable {
    public var topic: String
    public var payload: [UInt8]

    public init(topic: String, payload: [UInt8]) {
        self.topic = topic
        self.payload = payload
    }
}

/// The connection on which Patrol publishes, with a thread of its own that connects, and again whenever the connection
/// is lost or refused, whatever the reason. Any thread may call it.
///
/// What goes at QoS 1 is kept, in order, until the broker has acknowledged it; after a reconnect what is kept goes first.
public final class Publisher: Sendable {
    /// What the broker says, on the publisher's thread.
    public enum Word: Sendable {
        case connected
        case disconnected
        /// The message with this id, which ``publish(topic:payload:retain:)`` gave.
        case acknowledged(Int)
        /// After each connect: what the broker retains on the topics that are listed; nil where it does not let us read.
        case retained([String: [UInt8]]?)
    }

    private let loop: PublisherLoop
    private let thread: WorkerThread

    /// - Parameters:
    ///   - will: what the broker publishes, retained, when this connection is lost.
    ///   - listing: a filter of topics; what the broker retains on them is told after each connect.
    /// - Throws: where the settings of the connection can make no client: a file of TLS that is none, say.
    public init(
        options: ConnectionOptions, clientID: String, will: RetainedMessage? = nil, listing: String? = nil,
        hears: @escaping @Sendable (Word) -> Void
    ) throws(MosquittoError) {
        let loop = PublisherLoop(options: options, clientID: clientID, will: will, listing: listing, hears: hears)
        unsafe mosquitto_destroy(try loop.makeClient().pointer)
        self.loop = loop
        thread = WorkerThread { loop.run() }
        thread.start()
    }

    deinit {
        loop.stop()
        // The last owner may let go on the publisher's thread, in what hears; that thread ends by itself.
        if !loop.isOwnThread { thread.join() }
    }

    public var isConnected: Bool { loop.isConnected }

    /// Messages given to ``publish(topic:payload:retain:)`` and not yet acknowledged.
    public var inFlight: Int { loop.inFlight }

    /// Takes a message at QoS 1, with or without a connection; its id comes back when the broker has acknowledged it.
    /// Nil for what MQTT does not allow: a topic with `+` or `#`, a payload above 256 MB.
    @discardableResult
    public func publish(topic: String, payload: [UInt8], retain: Bool = false) -> Int? {
        loop.publish(topic: topic, payload: payload, retain: retain)
    }

    /// Sends a message at QoS 0: it is gone where there is no connection.
    public func send(topic: String, payload: [UInt8], retain: Bool = false) {
        loop.send(topic: topic, payload: payload, retain: retain)
    }
}
