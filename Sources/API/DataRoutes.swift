import Foundation
import Hummingbird
import Store
import Telemetry

/// `/api/v1/…`: the store's tables page by page.
enum DataRoutes {
    static func add(to router: Router<BasicRequestContext>, _ store: StoreAccess) {
        let api = router.group("api/v1")
        for collection in StoreCollection.allCases {
            api.get(RouterPath(collection.rawValue)) { request, _ -> Response in
                let query: PageQuery
                switch Parameters(request).pageQuery(collection) {
                case .success(let parsed): query = parsed
                case .failure(let problem): return Reply.problem(.badRequest, problem.message)
                }
                return Reply.json(JSONText.page(try await store.read { reader throws(StoreError) in try reader.page(query) }))
            }
        }
        for collection in RollupCollection.allCases {
            api.get(RouterPath(collection.rawValue)) { request, _ -> Response in
                switch Parameters(request).rollupQuery(collection) {
                case .failure(let problem): return Reply.problem(.badRequest, problem.message)
                case .success(let (query, cursor)):
                    return Reply.json(
                        JSONText.page(try await store.read { reader throws(StoreError) in try reader.rollupPage(query, cursor: cursor) }))
                }
            }
        }
        api.get("summary") { _, _ -> Response in
            let summary = try await store.read { reader throws(StoreError) in try reader.summary() }
            return Reply.json(
                """
                {"received":\(summary.received),"stored":\(summary.stored),"duplicate":\(summary.duplicate),\
                "rejected":\(summary.rejected),"dropped":\(summary.dropped),"devices":\(summary.devices),\
                "alerts_firing":\(summary.alertsFiring),"alerts":\(summary.alerts),"tasks":\(summary.tasks)}
                """)
        }
        api.get("positions") { _, _ -> Response in
            let positions = try await store.read { reader throws(StoreError) in try reader.positions() }
            let items = positions.map { position in
                """
                {"kind":"\(position.kind)","device":\(JSONText.quoted(position.device)),\
                "name":\(JSONText.quoted(position.name)),"lat":\(position.lat),"lon":\(position.lon),\
                "ts":\(position.at.map { "\($0.milliseconds)" } ?? "null")}
                """
            }
            return Reply.json("{\"items\":[\(items.joined(separator: ","))]}")
        }
        api.get("titles") { _, _ -> Response in
            let titles = try await store.read { reader throws(StoreError) in try reader.ruleTitles() }
            let items = titles.sorted { $0.key < $1.key }.map { rule, title in
                """
                {"rule":\(JSONText.quoted(rule)),"en":\(JSONText.quoted(title.english)),\
                "zh":\(JSONText.quoted(title.chinese)),"unit":\(JSONText.quoted(title.unit))}
                """
            }
            return Reply.json("{\"items\":[\(items.joined(separator: ","))]}")
        }
    }
}

/// A parameter of the request that cannot be understood.
struct ParameterProblem: Error {
    var message: String
}

/// The parameters of a request, checked.
struct Parameters {
    let request: Request
    /// What a collection can be asked by; all else is refused.
    static func pageKeys(_ collection: StoreCollection) -> [String] {
        if collection == .counts { return [] }
        return ([.readings, .devices].contains(collection) ? ["kind"] : [])
            + ([.alerts, .silences, .tasks].contains(collection) ? ["state"] : [])
            + (collection == .silences ? [] : ["device"])
            + (collection.hasPlaces ? ["site", "area"] : []) + (collection.hasTimes ? ["since", "until"] : [])
            + ["limit", "cursor"]
    }
    static let rollupKeys = ["since", "until", "step", "device", "site", "area", "flagged", "limit", "cursor"]

    init(_ request: Request) { self.request = request }

    func text(_ name: String) -> String? { request.uri.queryParameters[Substring(name)].map { String($0) } }

    func integer(_ name: String, _ range: ClosedRange<Int64>) throws(ParameterProblem) -> Int64? {
        guard let text = text(name) else { return nil }
        guard let number = Int64(text), range.contains(number) else {
            throw ParameterProblem(
                message: "\(name) is a whole number from \(range.lowerBound) to \(range.upperBound), not '\(text)'")
        }
        return number
    }

    /// Milliseconds since 1970 or RFC 3339 with an offset.
    func moment(_ name: String) throws(ParameterProblem) -> Timestamp? {
        guard let text = text(name) else { return nil }
        if let number = Int64(text) { return Timestamp(milliseconds: number) }
        // An unescaped + arrives as it is or as a space.
        if let time = Timestamp(rfc3339: String(text.map { $0 == " " ? "+" : $0 })) { return time }
        throw ParameterProblem(message: "\(name) is milliseconds since 1970 or RFC 3339 with an offset, not '\(text)'")
    }

    func pageQuery(_ collection: StoreCollection) -> Result<PageQuery, ParameterProblem> {
        do throws(ParameterProblem) {
            try refuseOthers(than: Parameters.pageKeys(collection))
            var query = PageQuery(collection, device: text("device"), state: text("state"))
            if let name = text("kind") {
                guard let kind = Kind(name: name) else {
                    throw ParameterProblem(
                        message: "kind is one of \(Kind.allCases.map(\.name).joined(separator: ", ")), not '\(name)'")
                }
                query.kind = kind
            }
            query.site = text("site")
            query.area = text("area")
            query.since = try moment("since")
            query.until = try moment("until")
            if let since = query.since, let until = query.until, until < since {
                throw ParameterProblem(message: "until lies before since")
            }
            query.limit = Int(try integer("limit", 1...Int64(StoreReader.pageRows)) ?? 50)
            query.cursor = try cursor()
            return .success(query)
        } catch {
            return .failure(error)
        }
    }

    func rollupQuery(_ collection: RollupCollection) -> Result<(RollupQuery, PageCursor?), ParameterProblem> {
        do throws(ParameterProblem) {
            try refuseOthers(than: Parameters.rollupKeys)
            let until = try moment("until") ?? Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
            let since = try moment("since") ?? until + -86_400_000
            if until < since { throw ParameterProblem(message: "until lies before since") }
            var step = RollupQuery.step(for: collection, milliseconds: until - since)
            if let text = text("step") {
                let steps = RollupQuery.steps(of: collection)
                guard let given = RollupQuery.Step(rawValue: text), steps.contains(given) else {
                    let words = steps.isEmpty ? "\(collection.rawValue) have no step" : "step is one of \(steps.map(\.rawValue).joined(separator: ", "))"
                    throw ParameterProblem(message: "\(words), not '\(text)'")
                }
                step = given
            }
            let limit = try integer("limit", 1...Int64(StoreReader.pageRows)) ?? Int64(StoreReader.pageRows)
            var query = RollupQuery(collection, step: step, from: since, to: until, limit: Int(limit))
            query.device = text("device")
            query.site = text("site")
            query.area = text("area")
            query.includesFlagged = try integer("flagged", 0...1) == 1
            return .success((query, try cursor()))
        } catch {
            return .failure(error)
        }
    }

    private func cursor() throws(ParameterProblem) -> PageCursor? {
        guard let text = text("cursor") else { return nil }
        if let cursor = PageCursor(text) { return cursor }
        throw ParameterProblem(message: "cursor is what an earlier page gave as next, not '\(text)'")
    }

    private func refuseOthers(than keys: [String]) throws(ParameterProblem) {
        for (key, _) in request.uri.queryParameters where !keys.contains(String(key)) {
            throw ParameterProblem(message: "there is no parameter '\(key)'\(keys.isEmpty ? "" : "; there are \(keys.joined(separator: ", "))")")
        }
    }
}
