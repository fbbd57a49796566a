import Store
import Telemetry

extension Engine {
    /// Appends an event to the stream. (A replay into a store at rest publishes nothing.)
    func publish(_ event: @autoclosure () -> OutboxRow, into result: inout Committed) throws(StoreError) {
        guard options.publishes else { return }
        result.events.append(try store.append(outbox: event()))
    }

    /// Looks for events older than their retention this often, in milliseconds of the server's clock.
    private static let trimEveryMilliseconds: Int64 = 10_000
    /// Events taken away in one commit at most.
    private static let trimEvents: Int64 = 500

    /// Takes the oldest events away, a few with each commit, so that no commit has much of it to do.
    func trimStream(_ now: Timestamp) throws(StoreError) {
        guard let retention = options.eventRetentionMilliseconds, now >= nextTrim else { return }
        let count = try store.trimOutbox(before: (now + -retention).milliseconds, limit: Engine.trimEvents)
        if count < Engine.trimEvents { nextTrim = now + Engine.trimEveryMilliseconds }
    }
}
