import HTTPTypes
import Hummingbird
import ServiceLifecycle
import Store
import Synchronization

/// `/api/v1/stream`: the outbox as server-sent events (WHATWG HTML §9.2), from `Last-Event-ID` on.
///
/// The next page is read only when the last one is written, so a connection never holds more than one page; a reader that
/// takes nothing is disconnected by ``StallGuard`` and resumes with the last id it saw.
enum StreamRoutes {
    static let pageEvents = 100

    static func add(to router: Router<BasicRequestContext>, _ store: StoreAccess, _ options: HTTPServerOptions) {
        let seats = Seats(options.streamLimit)
        router.get("api/v1/stream") { request, _ -> Response in
            let parameters = Parameters(request)
            var after: Int64?
            do throws(ParameterProblem) {
                after = try parameters.integer("after", 0...Int64.max)
            } catch {
                return Reply.problem(.badRequest, error.message)
            }
            if let text = request.headers[.lastEventID] {
                guard let number = Int64(text), number >= 0 else {
                    return Reply.problem(.badRequest, "Last-Event-ID is a sequence number, not '\(text)'")
                }
                after = number
            }
            let bounds = try await store.read { reader throws(StoreError) in try reader.outboxBounds() }
            let start = after ?? bounds.last
            let missed = start < bounds.first - 1 ? bounds.first - 1 - start : 0
            guard request.method != .head else { return Response(status: .ok, headers: headers) }
            guard let seat = seats.take() else {
                return Reply.problem(.serviceUnavailable, "\(options.streamLimit) streams are open already; try again later")
            }
            return Response(
                status: .ok, headers: headers,
                body: ResponseBody { writer in
                    defer { withExtendedLifetime(seat) {} }
                    try await write(&writer, from: start, missed: missed, store, options)
                    try await writer.finish(nil)
                })
        }
    }

    private static var headers: HTTPFields {
        [.contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store", .xAccelBuffering: "no"]
    }

    private static func write(
        _ writer: inout any ResponseBodyWriter, from start: Int64, missed: Int64, _ store: StoreAccess,
        _ options: HTTPServerOptions
    ) async throws {
        var after = start
        // The id of the start lets a reader that saw no event yet resume at the same place.
        var opening = "retry: 2000\nid: \(start)\nevent: hello\ndata: {\"after\":\(start)}\n\n"
        if missed > 0 { opening += "event: gap\ndata: {\"missed\":\(missed)}\n\n" }
        try await writer.write(ByteBuffer(string: opening))
        let clock = ContinuousClock()
        var lastWrite = clock.now
        while !Task.isCancelled && !Task.isShuttingDownGracefully {
            let from = after
            let rows = try await store.read { reader throws(StoreError) in
                try reader.outbox(after: from, limit: pageEvents)
            }
            if let last = rows.last {
                try await writer.write(ByteBuffer(string: rows.map(frame).joined()))
                after = last.sequence
                lastWrite = clock.now
                continue
            }
            if clock.now - lastWrite >= .milliseconds(options.heartbeatMilliseconds) {
                try await writer.write(ByteBuffer(string: ": still here\n\n"))
                lastWrite = clock.now
            }
            try? await Task.sleep(for: .milliseconds(options.streamPollMilliseconds))
        }
    }

    /// One event; a payload is JSON on one line.
    static func frame(_ row: OutboxRow) -> String {
        let name = row.retainedTopic == nil ? "task" : "alert"
        let lines = row.payload.split(separator: "\n", omittingEmptySubsequences: false).map { "data: \($0)\n" }.joined()
        return "id: \(row.sequence)\nevent: \(name)\n\(lines)\n"
    }
}

/// Places for streams; a taken one is free again when it is forgotten.
private final class Seats: Sendable {
    private let free: Mutex<Int>

    init(_ count: Int) { free = Mutex(count) }

    final class Seat: Sendable {
        let owner: Seats
        init(_ owner: Seats) { self.owner = owner }
        deinit { owner.free.withLock { $0 += 1 } }
    }

    func take() -> Seat? {
        free.withLock { count in
            guard count > 0 else { return false }
            count -= 1
            return true
        } ? Seat(self) : nil
    }
}

extension HTTPField.Name {
    static let lastEventID = HTTPField.Name("Last-Event-ID")!
    static let xAccelBuffering = HTTPField.Name("X-Accel-Buffering")!
}
