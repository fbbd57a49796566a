import Foundation
import Store
import Testing

@testable import Delivery

/// What readers of the stream are sent: the pure machines of SSE and pull, without a socket and a clock.
@Suite struct ReaderStateTests {
    private let epochs = Epochs([EpochMark(firstSequence: 1, epoch: "e")])

    private func sse(after: Int64 = 0, filter: EventFilter = EventFilter(), reset: StreamReset? = nil) -> SSEState {
        SSEState(after: after, reset: reset, filter: filter, epochs: epochs)
    }

    private func text(_ action: SSEState.Action) -> String {
        if case .write(let bytes) = action { String(decoding: bytes, as: UTF8.self) } else { "\(action)" }
    }

    @Test func aReaderIsGreetedReadsAndWaits() {
        var state = sse(after: 4)
        #expect(text(state.next(now: 0)) == "retry: 2000\nid: e-4\nevent: hello\ndata: {\"after\":\"e-4\",\"epoch\":\"e\"}\n\n")
        #expect(state.next(now: 0) == .read(after: 4))
        state.took(EventPage(events: [event(5, "{\"a\":1}"), event(6, "{\"a\":2}")]))
        let frames = text(state.next(now: 0))
        #expect(frames.hasPrefix("id: e-5\nevent: alert\ndata: {\"specversion\":\"1.0\",\"id\":\"e-5\""))
        #expect(frames.components(separatedBy: "\n\n").count == 3)
        state.wrote(now: 1, seconds: 0)
        #expect(state.after == 6)
        #expect(state.next(now: 1) == .read(after: 6))
        state.took(EventPage(events: []))
        #expect(state.next(now: 1) == .wait(after: 6, seconds: 15))
        #expect(state.next(now: 3) == .read(after: 6))
        state.took(EventPage(events: []))
        #expect(state.next(now: 3) == .wait(after: 6, seconds: 13))
        #expect(text(state.next(now: 16)) == ": still here\n\n")
    }

    @Test func whatDoesNotMatchMovesTheId() {
        var state = sse(filter: EventFilter(types: ["patrol.task.*"]))
        _ = state.next(now: 0)
        #expect(state.next(now: 0) == .read(after: 0))
        state.took(EventPage(events: [event(1), event(2)]))
        #expect(state.next(now: 0) == .read(after: 2))
        // Though events never end, the heartbeat comes, with the place that was reached.
        state.took(EventPage(events: [event(3)]))
        #expect(text(state.next(now: 15)) == "id: e-3\n: still here\n\n")
        #expect(text(state.next(now: 30)) == ": still here\n\n")
    }

    @Test func gapsAndResetsAreTold() {
        let reset = StreamReset(
            from: StreamPosition(epoch: "d", sequence: 9), after: StreamPosition(epoch: "e", sequence: 2), reason: "why")
        var state = sse(after: 2, reset: reset)
        #expect(
            text(state.next(now: 0)).hasPrefix(
                "retry: 2000\nevent: reset\ndata: {\"from\":\"d-9\",\"after\":\"e-2\",\"reason\":\"why\"}\n\nid: e-2\nevent: hello\n"))
        #expect(state.next(now: 0) == .read(after: 2))
        state.took(EventPage(events: [event(6)], gone: 3...5))
        #expect(text(state.next(now: 0)) == "event: gap\ndata: {\"first\":\"e-3\",\"last\":\"e-5\",\"missed\":3}\n\n")
        #expect(text(state.next(now: 0)).hasPrefix("id: e-6\n"))
    }

    @Test func aSlowReaderIsToldAndLetGo() {
        var state = sse()
        _ = state.next(now: 0)
        state.wrote(now: 6, seconds: 5.04)
        #expect(text(state.next(now: 6)) == """
            event: bye
            data: {"reason":"slow: one write took 5.0 s, more than 5.0 s; resume with the last id"}


            """)
        state.wrote(now: 12, seconds: 6)
        #expect(state.next(now: 12) == .end)
    }

    @Test func writesAreBounded() {
        var state = sse()
        _ = state.next(now: 0)
        #expect(state.next(now: 0) == .read(after: 0))
        let big = "{\"a\":\"\(String(repeating: "x", count: 30_000))\"}"
        state.took(EventPage(events: (1...5).map { event($0, big) }))
        var after: [Int64] = []
        var sizes: [Int] = []
        while case .write(let bytes) = state.next(now: 0) {
            sizes.append(bytes.count)
            after.append(state.after)
            state.wrote(now: 0, seconds: 0)
        }
        #expect(sizes.count == 3 && sizes.allSatisfy { $0 < 64 << 10 })
        #expect(after == [0, 0, 5])
    }

    // MARK: Pull

    @Test func aPageIsGathered() {
        var state = PullState(after: 0, limit: 3, waitSeconds: 0, filter: EventFilter())
        #expect(state.next(now: 0) == .read(after: 0))
        state.took(EventPage(events: [event(1), event(2)]))
        #expect(state.next(now: 0) == .read(after: 2))
        state.took(EventPage(events: [event(3), event(4)]))
        #expect(state.next(now: 0) == .answer)
        #expect(state.after == 3 && state.hasMore)
    }

    @Test func aLongPollWaitsForTheFirstMatch() {
        var state = PullState(after: 7, limit: 3, waitSeconds: 10, filter: EventFilter(types: ["patrol.task.*"]))
        #expect(state.next(now: 0) == .read(after: 7))
        state.took(EventPage(events: []))
        #expect(state.next(now: 0) == .wait(after: 7, seconds: 10))
        #expect(state.next(now: 4) == .read(after: 7))
        state.took(EventPage(events: [event(8)]))
        #expect(state.next(now: 4) == .read(after: 8))
        state.took(EventPage(events: []))
        #expect(state.next(now: 4) == .wait(after: 8, seconds: 6))
        #expect(state.next(now: 10) == .read(after: 8))
        state.took(EventPage(events: []))
        #expect(state.next(now: 10) == .answer)
        #expect(state.events.isEmpty && state.after == 8 && !state.hasMore)
    }

    @Test func aHoleIsToldOnce() {
        var state = PullState(after: 2, limit: 10, waitSeconds: 10, filter: EventFilter(types: ["patrol.task.*"]))
        #expect(state.next(now: 0) == .read(after: 2))
        state.took(EventPage(events: [event(6)], gone: 3...5))
        #expect(state.next(now: 0) == .read(after: 6))
        state.took(EventPage(events: []))
        #expect(state.next(now: 0) == .answer, "whoever has missed something is told at once")
        #expect(state.gone == 3...5)
    }
}
