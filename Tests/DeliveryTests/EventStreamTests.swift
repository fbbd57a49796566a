import Foundation
import Store
import Testing

@testable import Delivery

/// A store in a folder of its own, and its stream.
final class StreamFixture {
    let folder = NSTemporaryDirectory() + "patrol-stream-" + UUID().uuidString
    let writer: StoreWriter
    let stream: EventStream

    init(events: Int = 0) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        writer = try StoreWriter(path: folder + "/patrol.db")
        try StreamFixture.append(events, to: writer)
        stream = try EventStream(path: folder + "/patrol.db")
    }

    deinit {
        stream.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    func append(_ count: Int, _ payload: String = "{\"type\":\"patrol.alert.firing\",\"subject\":\"a\"}") throws {
        try StreamFixture.append(count, payload, to: writer)
        stream.committed()
    }

    /// A commit of which the stream is given the rows from index `start` on, as the engine gives all.
    func appendAndHandOver(_ count: Int, from start: Int = 0) throws {
        let rows = try StreamFixture.append(count, to: writer)
        stream.committed(Array(rows[start...]))
    }

    @discardableResult private static func append(
        _ count: Int, _ payload: String = "{\"type\":\"patrol.alert.firing\",\"subject\":\"a\"}", to writer: StoreWriter
    ) throws -> [OutboxRow] {
        try writer.begin()
        let rows = try (0..<count).map { _ in
            try writer.append(outbox: OutboxRow(topic: "p/out/alerts/x/info", payload: payload))
        }
        try writer.commit()
        return rows
    }
}

@Suite struct EventStreamTests {
    /// Only against waiting for ever: tests share few threads, so that each may stand for minutes.
    private let soon = ContinuousClock.now + .seconds(900)

    @Test func whatIsCommittedComes() async throws {
        let fixture = try StreamFixture(events: 2)
        #expect(fixture.stream.last == 2)
        let stream = fixture.stream
        async let waits = stream.more(after: 2, until: soon)
        try fixture.append(1)
        #expect(await waits)
        let page = try await stream.page(after: 2, limit: 10)
        #expect(page.events.map(\.id) == ["\(stream.epochs.current)-3"])
        #expect(try await stream.page(after: 3, limit: 10).events.isEmpty)
    }

    /// More than memory keeps: pages come from the store and from memory without a seam.
    @Test func aReaderThatIsBehindMissesNothing() async throws {
        let fixture = try StreamFixture(events: 700)
        try fixture.append(EventStream.tailEvents + 900)
        #expect(await fixture.stream.more(after: Int64(EventStream.tailEvents + 1599), until: soon))
        var after: Int64 = 0
        while true {
            let page = try await fixture.stream.page(after: after, limit: 333)
            if page.events.isEmpty { break }
            #expect(page.gone == nil)
            #expect(page.events.map(\.sequence) == Array((after + 1)...(after + Int64(page.events.count))))
            after += Int64(page.events.count)
        }
        #expect(after == Int64(EventStream.tailEvents + 1600))
    }

    /// The writer hands over its rows; what it leaves out, or what is beyond the list's bound, comes from the store.
    @Test func whatIsHandedOverJoinsTheStore() async throws {
        let fixture = try StreamFixture(events: 2)
        try fixture.appendAndHandOver(3)
        try fixture.append(2)
        try fixture.appendAndHandOver(4, from: 2)
        try fixture.appendAndHandOver(EventStream.tailEvents + 5)
        try fixture.appendAndHandOver(3)
        let last = Int64(EventStream.tailEvents + 19)
        #expect(await fixture.stream.more(after: last - 1, until: soon))
        var after = last - 1000
        while after < last {
            let page = try await fixture.stream.page(after: after, limit: 333)
            #expect(page.events.map(\.sequence) == Array((after + 1)...(after + Int64(page.events.count))))
            after += Int64(page.events.count)
            if page.events.isEmpty { break }
        }
        #expect(after == last)
    }

    @Test func waitingEnds() async throws {
        let fixture = try StreamFixture()
        let stream = fixture.stream
        #expect(await stream.more(after: 0, until: .now + .milliseconds(20)) == false)
        let task = Task { await stream.more(after: 0, until: .now + .seconds(600)) }
        task.cancel()
        #expect(await task.value == false)
        async let waits = stream.more(after: 0, until: .now + .seconds(600))
        stream.stop()
        #expect(await waits == false)
        // Readers end instead of asking again and again.
        let sse = SSEOutlet(stream: stream)
        guard let reader = sse.open(after: nil, filter: EventFilter()) else {
            Issue.record("there is a place")
            return
        }
        var text = ""
        try await reader.run(isEnding: { false }) { text += String(decoding: $0, as: UTF8.self) }
        #expect(text.contains("event: bye\ndata: {\"reason\":\"ending"))
        let pull = PullOutlet(stream: stream)
        #expect(try await pull.answer(after: nil, limit: 1, waitSeconds: 60, filter: EventFilter()).next.sequence == 0)
    }

    @Test func aReaderResumesWhereItWasLetGo() async throws {
        let fixture = try StreamFixture(events: 450)
        let sse = SSEOutlet(stream: fixture.stream, readerLimit: 1)
        struct Gone: Error {}
        func read(after position: StreamPosition?, chunks: Int) async throws -> [String] {
            guard let reader = sse.open(after: position, filter: EventFilter()) else {
                Issue.record("there is a place")
                return []
            }
            #expect(sse.open(after: nil, filter: EventFilter()) == nil, "one place")
            var text = ""
            var left = chunks
            do {
                try await reader.run(isEnding: { false }) { bytes in
                    if left == 0 { throw Gone() }
                    left -= 1
                    text += String(decoding: bytes, as: UTF8.self)
                }
                Issue.record("it ended by itself")
            } catch is Gone {}
            return text.split(separator: "\n").filter { $0.hasPrefix("id: ") }.map { String($0.dropFirst(4)) }
        }
        let epoch = fixture.stream.epochs.current
        let first = try await read(after: StreamPosition(epoch: epoch, sequence: 0), chunks: 3)
        #expect(first == (0...400).map { "\(epoch)-\($0)" })
        try fixture.append(1)
        let rest = try await read(after: StreamPosition(first[400]), chunks: 2)
        #expect(rest.first == "\(epoch)-400")
        #expect(rest.dropFirst().prefix(50) == (401...450).map { "\(epoch)-\($0)" }[...])
        #expect(sse.counts.gone == ["left": 2])
        #expect(sse.counts.refused == 2)
    }

    @Test func aPullAnswersWithAPageAndWaits() async throws {
        let fixture = try StreamFixture(events: 3)
        let pull = PullOutlet(stream: fixture.stream)
        let epoch = fixture.stream.epochs.current
        let page = try await pull.answer(after: nil, limit: 2, waitSeconds: 0, filter: EventFilter())
        #expect(page.next.description == "\(epoch)-2")
        #expect(String(decoding: page.json, as: UTF8.self).hasSuffix("],\"next\":\"\(epoch)-2\",\"more\":true}\n"))
        let position = StreamPosition(epoch: epoch, sequence: 3)
        async let waits = pull.answer(after: position, limit: 9, waitSeconds: 60, filter: EventFilter())
        try fixture.append(1)
        #expect(try await waits.next.sequence == 4)
    }
}
