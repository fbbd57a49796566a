import Store
import Testing

@testable import Delivery

@Suite struct MQTTStateTests {
    private func hash(_ row: RetainedRow) -> Int { Int(row.sequence) }
    private func row(_ topic: String, _ sequence: Int64) -> RetainedRow { RetainedRow(topic: topic, sequence: sequence, payload: "") }

    @Test func nothingGoesWithoutAConnection() {
        var state = MQTTState(delivered: 5)
        #expect(state.next() == .wait)
        state.connected(true)
        #expect(state.next() == .greet)
        #expect(state.next() == .read(after: 5, limit: 1000))
        state.paused = "by hand"
        #expect(state.next() == .wait)
        state.paused = nil
        state.connected(false)
        #expect(state.next() == .wait)
    }

    @Test func theWindowIsKept() {
        var state = MQTTState(delivered: 0)
        state.connected(true)
        _ = state.next()
        state.took(EventPage(events: (1...1000).map { event($0) }))
        #expect(state.next() == .wait)
        #expect(state.acknowledged(2) == nil)
        #expect(state.acknowledged(1) == 2)
        #expect(state.next() == .read(after: 1000, limit: 2))
    }

    /// The broker's retained topics are compared once everything is sent, and only what differs is told.
    @Test func retainedTopicsArePutRight() {
        var state = MQTTState(delivered: 9)
        state.connected(true)
        _ = state.next()
        state.brokerRetains(["s/stale": 1, "s/same": 2, "s/changed": 3, "s/sent": 4])
        #expect(state.next() == .read(after: 9, limit: 1000))
        state.took(EventPage(events: [event(10, retained: "s/sent", isEnd: true)]))
        #expect(state.next() == .read(after: 10, limit: 999))
        state.took(EventPage(events: []))
        #expect(state.next() == .compare)
        // An event has come between: it is sent first.
        #expect(state.retains(last: 11, rows: [], hash: hash).isEmpty)
        #expect(state.next() == .read(after: 10, limit: 999))
        state.took(EventPage(events: [event(11, retained: "s/new")]))
        #expect(state.next() == .read(after: 11, limit: 998))
        state.took(EventPage(events: []))
        #expect(state.next() == .compare)
        let rows = [row("s/same", 2), row("s/changed", 5), row("s/new", 11), row("s/lost", 6)]
        #expect(
            state.retains(last: 11, rows: rows, hash: hash) == [
                .init(topic: "s/stale", row: nil), .init(topic: "s/changed", row: rows[1]), .init(topic: "s/new", row: rows[2]),
                .init(topic: "s/lost", row: rows[3]),
            ])
        #expect(state.next() == .read(after: 11, limit: 998))
        state.took(EventPage(events: []))
        #expect(state.next() == .wait, "once a connection")
    }

    @Test func aBrokerThatDoesNotLetUsReadIsToldEverything() {
        var state = MQTTState(delivered: 3)
        state.connected(true)
        _ = state.next()
        state.brokerRetains(nil)
        _ = state.next()
        state.took(EventPage(events: []))
        #expect(state.next() == .compare)
        #expect(state.retains(last: 3, rows: [row("s/a", 1)], hash: hash).count == 1)
    }
}
