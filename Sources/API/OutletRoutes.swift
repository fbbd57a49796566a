import Delivery
import Hummingbird
import Store

/// `/api/v1/outlets`: how each outlet is doing, and what it has given up.
enum OutletRoutes {
    static func add(to router: Router<BasicRequestContext>, _ outlets: Outlets) {
        router.get("api/v1/outlets") { _, _ -> Response in
            let dead = try await outlets.stream.read { reader throws(StoreError) in try reader.deadLetterCounts() }
            let items = outlets.reports.map { $0.json(deadLetters: dead[$0.name] ?? 0) }
            return Reply.json("{\"items\":[\(items.joined(separator: ","))],\"last\":\"\(outlets.stream.epochs.position(outlets.stream.last))\"}")
        }
        router.get("api/v1/outlets/:id/dead-letters") { request, context -> Response in
            let name = context.parameters.get("id")?.removingPercentEncoding ?? ""
            guard outlets.outlet(named: name) != nil else {
                return Reply.problem(.notFound, "there is no outlet '\(name)'; there are \(outlets.driven.map(\.name).joined(separator: ", "))")
            }
            let parameters = Parameters(request)
            let after: Int64, limit: Int64
            do throws(ParameterProblem) {
                try parameters.allow(["after", "limit"])
                after = try parameters.integer("after", 0...Int64.max) ?? 0
                limit = try parameters.integer("limit", 1...1000) ?? 100
            } catch {
                return Reply.problem(.badRequest, error.message)
            }
            let letters = try await outlets.stream.read { reader throws(StoreError) in
                try reader.deadLetters(outlet: name, after: after, limit: Int(limit))
            }
            let items = letters.map { letter in
                """
                {"sequence":\(letter.sequence),"event":\(JSONText.quoted(letter.event)),"at":\(letter.at),\
                "attempts":\(letter.attempts),"reason":\(JSONText.quoted(letter.reason)),"payload":\(letter.payload)}
                """
            }
            return Reply.json("{\"items\":[\(items.joined(separator: ","))],\"next\":\(letters.last?.sequence ?? after)}")
        }
    }
}
