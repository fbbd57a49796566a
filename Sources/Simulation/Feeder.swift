import Glibc
public import Ingest
public import Mosquitto
import Synchronization
import Telemetry

/// Publishes to a broker as gateways do: QoS 1, in order, no more in flight than the broker is given time for. Any
/// thread may call it; the order is kept for one that does.
public final class Feeder: Sendable {
    public static let inFlight = 1000
    /// Without any acknowledgement for so long, the broker is given up.
    public static let patienceSeconds = 60

    private let publisher: Publisher
    private let address: BrokerAddress
    private let sent = Atomic<Int>(0)
    private let refused = Atomic<Int>(0)

    public init(connection: ConnectionOptions) throws(MosquittoError) {
        address = connection.address
        publisher = try Publisher(options: connection, clientID: connection.clientID) { _ in }
    }

    /// Messages given to the library.
    public var sentCount: Int { sent.load(ordering: .relaxed) }
    /// Messages that MQTT does not allow: a topic with `+` or `#`, say.
    public var refusedCount: Int { refused.load(ordering: .relaxed) }
    /// Messages that the broker has not acknowledged yet.
    public var unacknowledgedCount: Int { publisher.inFlight }

    /// Waits for the connection; false when there is none after `seconds`.
    public func waitUntilConnected(seconds: Int) -> Bool {
        for _ in 0..<seconds * 100 {
            if publisher.isConnected { return true }
            _ = poll(nil, 0, 10)
        }
        return publisher.isConnected
    }

    /// Publishes one message, waiting while too many are unacknowledged. False when the broker is given up or the
    /// message is none that MQTT allows.
    @discardableResult
    public func send(topic: String, payload: [UInt8]) -> Bool {
        if publisher.inFlight >= Feeder.inFlight && !waitForRoom(below: Feeder.inFlight) { return false }
        guard publisher.publish(topic: topic, payload: payload) != nil else {
            refused.wrappingAdd(1, ordering: .relaxed)
            return false
        }
        sent.wrappingAdd(1, ordering: .relaxed)
        return true
    }

    private func waitForRoom(below limit: Int) -> Bool {
        var waited = 0
        var lowest = Int.max
        while true {
            let count = publisher.inFlight
            if count < limit { return true }
            if count < lowest {
                lowest = count
                waited = 0
            }
            if waited >= Feeder.patienceSeconds * 1000 { return false }
            waited += 1
            _ = poll(nil, 0, 1)
        }
    }

    /// Waits until the broker has acknowledged everything; what it has not within `seconds`.
    public func drain(seconds: Int) -> Int {
        for _ in 0..<seconds * 1000 where publisher.inFlight > 0 { _ = poll(nil, 0, 1) }
        return publisher.inFlight
    }

    /// Publishes a recording as fast as it goes. CSV rows go as native payloads, messages as they are.
    public func send(recording: Recording) throws {
        var isLost = false
        try recording.forEach { message in
            let topic = unsafe String(decoding: message.topic, as: UTF8.self)
            let refusedBefore = refusedCount
            if unsafe !send(topic: topic, payload: Array(message.payload)) && refusedCount == refusedBefore {
                isLost = true
                return false
            }
            return true
        }
        if isLost {
            throw MosquittoError(
                "the broker at \(address) has acknowledged nothing for \(Feeder.patienceSeconds) s; is it still running?")
        }
    }
}
