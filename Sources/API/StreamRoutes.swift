import Delivery
import HTTPTypes
import Hummingbird
import ServiceLifecycle
import Store

/// The stream of events over HTTP: `/api/v1/events` page by page, `/api/v1/stream` as server-sent events.
///
/// A stream's next page is read only when the last one is written, so a connection never holds more than one page; a
/// reader that takes nothing is disconnected by ``StallGuard``, one that is too slow is told so, and both resume with
/// the last id they saw.
enum StreamRoutes {
    private static let filters = ["type", "area", "severity", "rule"]

    static func add(to router: Router<BasicRequestContext>, _ outlets: Outlets) {
        router.get("api/v1/events") { request, _ -> Response in
            let parameters = Parameters(request)
            var position: StreamPosition?
            let limit: Int64, wait: Double, filter: EventFilter
            do throws(ParameterProblem) {
                try parameters.allow(["after", "cursor", "limit", "wait"] + filters)
                position = try parameters.position("after")
                limit = try parameters.integer("limit", 1...Int64(PullOutlet.pageEvents)) ?? 100
                wait = try parameters.seconds("wait", upTo: PullOutlet.waitSeconds)
                filter = try parameters.filter()
            } catch {
                return Reply.problem(.badRequest, error.message)
            }
            if let name = parameters.text("cursor"), position == nil {
                guard let committed = try await outlets.pull.cursor(name) else {
                    return Reply.problem(
                        .notFound, "nobody has committed the cursor '\(name)'; POST /api/v1/cursors/\(name)/commit registers it")
                }
                position = committed
            }
            let answer = try await outlets.pull.answer(
                after: position, limit: Int(limit), waitSeconds: wait, filter: filter)
            return Response(
                status: .ok,
                headers: [
                    .contentType: "application/json; charset=utf-8", .cacheControl: "no-store", .xContentTypeOptions: "nosniff",
                ],
                body: .init(byteBuffer: ByteBuffer(bytes: answer.json)))
        }
        router.get("api/v1/stream") { request, _ -> Response in
            let parameters = Parameters(request)
            var position: StreamPosition?
            let filter: EventFilter
            do throws(ParameterProblem) {
                try parameters.allow(["after"] + filters)
                position = try parameters.position("after")
                filter = try parameters.filter()
            } catch {
                return Reply.problem(.badRequest, error.message)
            }
            if let text = request.headers[.lastEventID], !text.isEmpty {
                guard let given = StreamPosition(text) else {
                    return Reply.problem(.badRequest, "Last-Event-ID is the id of an event (EPOCH-SEQUENCE), not '\(text)'")
                }
                position = given
            }
            guard request.method != .head else { return Response(status: .ok, headers: headers) }
            guard let reader = outlets.sse.open(after: position, filter: filter) else {
                return Reply.problem(
                    .serviceUnavailable, "\(outlets.sse.readerLimit) streams are open already; try again later")
            }
            let seat = Seat(reader)
            return Response(
                status: .ok, headers: headers,
                body: ResponseBody { writer in
                    try await seat.run(&writer)
                    try await writer.finish(nil)
                })
        }
    }

    private static var headers: HTTPFields {
        [.contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store", .xAccelBuffering: "no"]
    }
}

/// A reader between its request and the writing of its response: one task after the other owns it.
private final class Seat: @unchecked Sendable {
    private let reader: SSEReader

    init(_ reader: SSEReader) { self.reader = reader }

    func run(_ writer: inout any ResponseBodyWriter) async throws {
        try await reader.run(isEnding: { Task.isShuttingDownGracefully }) { bytes in
            try await writer.write(ByteBuffer(bytes: bytes))
        }
    }
}

extension Parameters {
    func allow(_ names: [String]) throws(ParameterProblem) {
        for (key, _) in request.uri.queryParameters where !names.contains(String(key)) {
            throw ParameterProblem(message: "there is no parameter '\(key)'; there are \(names.joined(separator: ", "))")
        }
    }

    func position(_ name: String) throws(ParameterProblem) -> StreamPosition? {
        guard let text = text(name), !text.isEmpty else { return nil }
        if let position = StreamPosition(text) { return position }
        throw ParameterProblem(message: "\(name) is the id of an event (EPOCH-SEQUENCE) or 0, not '\(text)'")
    }

    func seconds(_ name: String, upTo longest: Double) throws(ParameterProblem) -> Double {
        guard let text = text(name) else { return 0 }
        let number = text.hasSuffix("s") ? String(text.dropLast()) : text
        if let seconds = Double(number), (0...longest).contains(seconds) { return seconds }
        throw ParameterProblem(message: "\(name) is seconds from 0 to \(Int(longest)), not '\(text)'")
    }

    /// Lists have commas between their members.
    func filter() throws(ParameterProblem) -> EventFilter {
        func list(_ name: String) throws(ParameterProblem) -> [String] {
            guard let text = text(name) else { return [] }
            let list = text.split(separator: ",").map(String.init)
            if (1...50).contains(list.count) { return list }
            throw ParameterProblem(message: "\(name) is 1 to 50 values with commas between them, not '\(text)'")
        }
        return EventFilter(
            types: try list("type"), areas: try list("area"), severities: try list("severity"), rules: try list("rule"))
    }
}

extension HTTPField.Name {
    static let lastEventID = HTTPField.Name("Last-Event-ID")!
    static let xAccelBuffering = HTTPField.Name("X-Accel-Buffering")!
}
