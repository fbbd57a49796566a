import API
import Delivery
import Foundation
import Hummingbird
import HummingbirdTesting
import Store
import Telemetry
import Testing

/// Routes without sockets, on a store with one meter, one alert and its task.
@Suite struct RouteTests {
    private func withServer(
        troubles: [String] = [], _ body: @Sendable (any TestClientProtocol) async throws -> Void
    ) async throws {
        let folder = NSTemporaryDirectory() + "patrol-api-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let writer = try StoreWriter(path: folder + "/patrol.db")
        try fill(writer)
        let families = [
            MetricFamily(
                name: "patrol_readings_total", shape: .counter, help: "Readings\nby \\ outcome.",
                samples: [.init(labels: [("outcome", "a \"b\" \\ c\n")], value: 3), .init(value: .infinity)])
        ]
        let router = HTTPServer.router(
            options: HTTPServerOptions(host: "127.0.0.1", port: 0),
            status: StatusSource(troubles: { troubles }, families: { families }),
            store: try StoreReader(path: folder + "/patrol.db"),
            outlets: Outlets(stream: try EventStream(path: folder + "/patrol.db")))
        try await Application(router: router).test(.router, body)
    }

    private func fill(_ writer: StoreWriter) throws {
        let start = Timestamp(milliseconds: 1_717_768_800_000)
        let alert = Alert(
            id: "a0123456789abcdef", rule: "noise-over-70", device: "meter-1", kind: .noise, deviceNumber: 0, site: nil,
            area: "330110005000", severity: "warning", state: "firing", startedAt: start, firedAt: start + 30_000,
            resolvedAt: nil, value: 75.5)
        try writer.begin()
        try writer.write(
            device: Device(number: 0, kind: .noise, id: "meter-1", gateway: "gw", name: "工地“1”", lat: 30.25, lon: 120.01),
            registeredAt: start)
        try writer.write(
            device: Device(number: 1, kind: .noise, id: "meter-2", gateway: "gw", name: nil, area: "330110005000", lat: nil, lon: nil),
            registeredAt: start)
        for (span, rows, length) in [(2, 12, 3_600_000), (3, 3, 86_400_000)] as [(Int, Int, Int64)] {
            for row in 0..<rows {
                try writer.write(
                    noise: NoiseRecord(
                        bucket: start + Int64(row / 2) * length, device: UInt32(row % 2), isFlagged: false, leq: 60_000 + Int64(row), lmax: 70_000,
                        lmin: 50_000, percentiles: [700, 690, 600, 510, 500], coveredMilliseconds: length, samples: length / 1000, revised: nil),
                    span: span, input: 1, state: [UInt8]().span, day: span == 3 ? (length, .init(repeating: 60)) : nil)
            }
        }
        try writer.write(alert: alert)
        _ = try writer.rows(
            """
            INSERT INTO task (id, alert_id, kind, area, stage, created_at, respond_due, set_out_due, dispose_due)
            VALUES ('t0123456789abcdef', ?, 'noise-check', ?, 'reported', ?4 + 30000, ?4 + 90000, ?4 + 210000, ?4 + 930000)
            """.replacing("?4", with: "\(start.milliseconds)"), [.text(alert.id), .text(alert.area)])
        let event = """
            {"source":"/patrol","type":"patrol.alert.firing","subject":"a0123456789abcdef","area":"330110005000","data":{"rule":"noise-over-70","title":{"en":"Noise","zh":"噪声"},"unit":"dB(A)"}}
            """
        for _ in 1...3 {
            _ = try writer.append(outbox: OutboxRow(topic: "out", payload: event, retainedTopic: "state"))
        }
        try writer.commit()
    }

    private func expect(
        _ client: any TestClientProtocol, _ uri: String, _ method: HTTPRequest.Method, _ status: HTTPResponse.Status
    ) async throws {
        let response = try await client.execute(uri: uri, method: method)
        #expect(response.status == status, "\(method) \(uri)")
    }

    private func object(_ response: TestResponse) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(String(buffer: response.body).utf8)) as? [String: Any])
    }

    @Test func healthAndReadiness() async throws {
        try await withServer { client in
            try await expect(client, "/healthz", .get, .ok)
            try await expect(client, "/readyz", .get, .ok)
            try await expect(client, "/healthz", .head, .ok)
        }
        try await withServer(troubles: ["the broker \"x\" is gone"]) { client in
            let response = try await client.execute(uri: "/readyz", method: .get)
            #expect(response.status == .serviceUnavailable)
            #expect(try object(response)["reasons"] as? [String] == ["the broker \"x\" is gone"])
        }
    }

    @Test func metricsAreEscaped() async throws {
        try await withServer { client in
            let response = try await client.execute(uri: "/metrics", method: .get)
            #expect(response.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(
                String(buffer: response.body) == """
                    # HELP patrol_readings_total Readings\\nby \\\\ outcome.
                    # TYPE patrol_readings_total counter
                    patrol_readings_total{outcome="a \\"b\\" \\\\ c\\n"} 3
                    patrol_readings_total +Inf

                    """)
        }
    }

    @Test func tablesAreJSON() async throws {
        try await withServer { client in
            let collections = StoreCollection.allCases.map(\.rawValue) + RollupCollection.allCases.map(\.rawValue)
            for name in collections + ["events", "positions", "titles", "summary"] {
                let response = try await client.execute(uri: "/api/v1/\(name)", method: .get)
                #expect(response.status == .ok, "\(name)")
                _ = try object(response)
            }
            let alerts = try object(try await client.execute(uri: "/api/v1/alerts?state=firing&since=2024-06-07T00:00:00Z", method: .get))
            let alert = try #require((alerts["items"] as? [[String: Any]])?.first)
            #expect(alert["id"] as? String == "a0123456789abcdef")
            #expect(alert["name"] as? String == "工地“1”")
            #expect(alert["value"] as? Double == 75.5)
            #expect(alert["resolved_at"] is NSNull)
            let none = try object(try await client.execute(uri: "/api/v1/alerts?state=resolved", method: .get))
            #expect((none["items"] as? [Any])?.isEmpty == true)
        }
    }

    /// Pages of one to seven rows put together are what a whole one is: rows of a bucket are neither lost nor given twice.
    @Test(arguments: [("1h", 12, 1), ("1h", 12, 5), ("1h", 12, 7), ("1d", 3, 2)]) func rollupsComePageByPage(step: String, rows: Int, limit: Int) async throws {
        try await withServer { client in
            func ask(_ more: String) async throws -> [String: Any] {
                let range = "since=2024-06-07T00:00:00Z&until=2024-06-09T00:00:00Z"
                return try object(try await client.execute(uri: "/api/v1/noise?\(range)&step=\(step)\(more)", method: .get))
            }
            func keys(_ page: [String: Any]) throws -> [String] {
                try #require(page["items"] as? [[String: Any]]).map { "\($0["device"]!) \($0["bucket"]!) \($0["leq"]!)" }
            }
            let whole = try await ask("")
            let expected = try keys(whole)
            #expect(expected.count == rows && Set(expected).count == rows)
            #expect(whole["next"] is NSNull)
            var found: [String] = []
            var cursor = ""
            repeat {
                let page = try await ask("&limit=\(limit)" + cursor)
                found += try keys(page)
                guard let next = page["next"] as? String else { break }
                cursor = "&cursor=\(next)"
            } while found.count <= rows
            #expect(found == expected)
            #expect(try keys(await ask("&device=meter-2")) == expected.filter { $0.hasPrefix("meter-2 ") })
            #expect(try keys(await ask("&area=33011")) == expected.filter { $0.hasPrefix("meter-2 ") })
        }
    }

    @Test func pagesAreAskedByPlace() async throws {
        try await withServer { client in
            func devices(_ uri: String) async throws -> Set<String> {
                let page = try object(try await client.execute(uri: uri, method: .get))
                return Set(try #require(page["items"] as? [[String: Any]]).compactMap { ($0["device"] ?? $0["id"]) as? String })
            }
            for (collection, id) in [("devices", "meter-2"), ("alerts", "meter-1"), ("tasks", "meter-1")] {
                #expect(try await devices("/api/v1/\(collection)").contains(id), "\(collection)")
                #expect(try await devices("/api/v1/\(collection)?area=33011").contains(id), "\(collection)")
                #expect(try await devices("/api/v1/\(collection)?area=33012").isEmpty, "\(collection)")
                #expect(try await devices("/api/v1/\(collection)?site=nowhere").isEmpty, "\(collection)")
            }
            for place in ["site=s", "area=33"] { #expect(try await devices("/api/v1/readings?kind=noise&\(place)").isEmpty) }
            // What a list cannot be asked by is refused, not passed over.
            for wrong in ["rejects?area=33", "counts?site=s", "devices?since=0", "alerts?areas=33", "alerts?kind=noise", "readings?state=firing"] {
                let answer = try await client.execute(uri: "/api/v1/\(wrong)", method: .get)
                #expect(answer.status == .badRequest)
                #expect(String(buffer: answer.body).contains("there is no parameter"), "\(wrong)")
            }
        }
    }

    @Test func eventsGoOn() async throws {
        try await withServer { client in
            let page = try object(try await client.execute(uri: "/api/v1/events?after=1&limit=1", method: .get))
            let event = try #require((page["items"] as? [[String: Any]])?.first)
            let epoch = try #require(page["epoch"] as? String)
            #expect(event["id"] as? String == "\(epoch)-2")
            #expect(event["sequence"] as? String == "0000000000000002")
            #expect(page["next"] as? String == "\(epoch)-2")
            let rest = try object(try await client.execute(uri: "/api/v1/events?after=\(epoch)-2", method: .get))
            #expect((rest["items"] as? [Any])?.count == 1)
            #expect(rest["reset"] == nil)
        }
    }

    @Test func eventsAreChosen() async throws {
        try await withServer { client in
            for (query, count) in [
                ("type=patrol.alert.*", 3), ("type=patrol.task.*", 0), ("area=330110005", 3), ("area=330110006,330110007", 0),
                ("type=patrol.alert.firing&area=33", 3),
            ] {
                let page = try object(try await client.execute(uri: "/api/v1/events?\(query)", method: .get))
                #expect((page["items"] as? [Any])?.count == count, "\(query)")
                #expect((page["next"] as? String)?.hasSuffix("-3") == true, "what does not match is passed over")
            }
        }
    }

    @Test func aConsumerOfAnotherStoreIsTold() async throws {
        try await withServer { client in
            let page = try object(try await client.execute(uri: "/api/v1/events?after=ffffffff-7&wait=30", method: .get))
            let reset = try #require(page["reset"] as? [String: Any])
            #expect(reset["from"] as? String == "ffffffff-7")
            #expect((page["items"] as? [Any])?.count == 3)
        }
    }

    @Test func badParametersSaySo() async throws {
        try await withServer { client in
            for query in [
                "alerts?limit=0", "alerts?limit=x", "readings?kind=drone", "readings?since=yesterday", "alerts?cursor=~",
                "alerts?sinc=1", "readings?since=2&until=1", "events?after=-1", "stream?after=x",
                "events?after=a-b-1", "events?wait=61", "events?limit=5001", "events?types=x", "events?type=",
                "noise?step=2h", "bodycam?step=1m", "stops?step=1h", "noise?since=2&until=1", "noise?flagged=2", "vehicle?kind=noise",
                "noise?limit=5001", "noise?cursor=~",
            ] {
                let response = try await client.execute(uri: "/api/v1/\(query)", method: .get)
                #expect(response.status == .badRequest, "\(query)")
                #expect((try object(response)["error"] as? String)?.isEmpty == false)
            }
            try await expect(client, "/api/v1/nothing", .get, .notFound)
        }
    }

    @Test func nothingCanBeChanged() async throws {
        try await withServer { client in
            for method in [HTTPRequest.Method.post, .put, .patch, .delete] {
                let response = try await client.execute(uri: "/api/v1/alerts", method: method)
                #expect(response.status == .methodNotAllowed)
                #expect(response.headers[.allow] == "GET, HEAD")
            }
        }
    }

    @Test func theDescriptionCoversTheRoutes() async throws {
        try await withServer { client in
            let document = try object(try await client.execute(uri: "/api/v1/openapi.json", method: .get))
            #expect(document["openapi"] as? String == "3.1.0")
            let paths = try #require(document["paths"] as? [String: Any])
            for (path, methods) in paths
            where path != "/api/v1/stream" && !path.contains("{") && (methods as? [String: Any])?["get"] != nil {
                try await expect(client, path, .get, .ok)
            }
        }
    }

    /// Whoever adds a route or an action has it in the document.
    @Test func everyRouteIsDescribed() async throws {
        let fixture = try StoreFolder()
        defer { fixture.remove() }
        let router = HTTPServer.router(
            options: HTTPServerOptions(host: "127.0.0.1", port: 0), status: StatusSource(troubles: { [] }, families: { [] }),
            store: try StoreReader(path: fixture.path), outlets: Outlets(stream: try EventStream(path: fixture.path)),
            actions: ActionGate(token: "t") { _ in .done("{}") })
        let routes = router.routes.filter { $0.path.description.hasPrefix("/api/") && $0.method != .head }
            .map { (path: $0.path.description, method: $0.method.rawValue.lowercased()) }
        #expect(routes.count > 40)
        try await Application(router: router).test(.router) { client in
            let document = try object(try await client.execute(uri: "/api/v1/openapi.json", method: .get))
            let paths = try #require(document["paths"] as? [String: [String: Any]])
            for route in routes { #expect(paths[route.path]?[route.method] != nil, "\(route)") }
        }
    }

    @Test func schemasAreServed() async throws {
        try await withServer { client in
            let names = try object(try await client.execute(uri: "/api/v1/schemas", method: .get))["items"] as? [String]
            #expect(names?.contains("alert.1.json") == true)
            for name in names ?? [] {
                let schema = try object(try await client.execute(uri: "/api/v1/schemas/\(name)", method: .get))
                #expect((schema["$id"] as? String)?.hasPrefix("urn:patrol:schema:") == true)
            }
            try await expect(client, "/api/v1/schemas/nothing.1.json", .get, .notFound)
            let document = try object(try await client.execute(uri: "/api/v1/asyncapi.json", method: .get))
            #expect(document["asyncapi"] as? String == "3.0.0")
        }
    }

    @Test func theConsoleNeedsNothingElse() async throws {
        try await withServer { client in
            let response = try await client.execute(uri: "/", method: .get)
            #expect(response.headers[.contentType] == "text/html; charset=utf-8")
            let page = String(buffer: response.body)
            #expect(!page.contains("http://") && !page.contains("https://"))
        }
    }
}

/// A store in a folder of its own.
private struct StoreFolder {
    let folder = NSTemporaryDirectory() + "patrol-api-" + UUID().uuidString
    var path: String { folder + "/patrol.db" }

    init() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try StoreWriter(path: path).close()
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }
}
