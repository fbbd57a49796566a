import API
import Delivery
import Foundation
import Hummingbird
import HummingbirdTesting
import Store
import Synchronization
import Telemetry
import Testing

/// Changes over HTTP, without sockets and with an engine that only writes down what it is asked.
@Suite struct ActionRouteTests {
    private final class Asked: Sendable {
        private let list = Mutex<[Action]>([])
        func add(_ action: Action) { list.withLock { $0.append(action) } }
        var all: [Action] { list.withLock { $0 } }
    }

    private func withServer(
        answer: ActionAnswer = .done("{\"id\":\"a1\"}"), _ body: @Sendable (any TestClientProtocol, Asked) async throws -> Void
    ) async throws {
        let folder = NSTemporaryDirectory() + "patrol-api-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try StoreWriter(path: folder + "/patrol.db")
        let asked = Asked()
        let router = HTTPServer.router(
            options: HTTPServerOptions(host: "127.0.0.1", port: 0), status: StatusSource(troubles: { [] }, metrics: { "" }),
            store: try StoreReader(path: folder + "/patrol.db"), outlets: Outlets(stream: try EventStream(path: folder + "/patrol.db")),
            actions: ActionGate(token: "secret") { action in
                asked.add(action)
                return answer
            })
        try await Application(router: router).test(.router) { try await body($0, asked) }
    }

    private func post(
        _ client: any TestClientProtocol, _ path: String, _ json: String, token: String? = "secret"
    ) async throws -> (status: HTTPResponse.Status, object: [String: Any]) {
        var headers: HTTPFields = [:]
        if let token { headers[.authorization] = "Bearer \(token)" }
        let response = try await client.execute(
            uri: "/api/v1/\(path)", method: .post, headers: headers, body: ByteBuffer(string: json))
        let object = try JSONSerialization.jsonObject(with: Data(String(buffer: response.body).utf8)) as? [String: Any]
        return (response.status, object ?? [:])
    }

    @Test func aChangeArrivesAsItWasAsked() async throws {
        try await withServer { client, asked in
            let answer = try await post(client, "alerts/a%C3%A4/comment", #"{"as": "王敏", "role": "officer", "text": "ok"}"#)
            #expect(answer.status == .ok && answer.object["id"] as? String == "a1")
            #expect(asked.all == [Action("alert.comment", subject: "aä", author: "王敏", role: .officer, fields: ["text": .text("ok")])])
        }
    }

    @Test func withoutTheTokenNothingIsAsked() async throws {
        try await withServer { client, asked in
            for token in [nil, "", "secre", "secret2", "Secret"] {
                let status = try await post(client, "alerts/a/ack", #"{"as":"x"}"#, token: token).status
                #expect(status == .unauthorized, "\(token ?? "-")")
            }
            #expect(asked.all == [])
        }
    }

    @Test func badBodiesSayWhat() async throws {
        try await withServer { client, asked in
            let cases = [
                ("alerts/a/ack", "", "as"), ("alerts/a/ack", "{", nil), ("alerts/a/ack", "[]", nil), ("alerts/a/ack", "{}", "as"),
                ("alerts/a/ack", #"{"as":7}"#, "as"), ("alerts/a/ack", #"{"as":"x","role":"patrol"}"#, "role"),
                ("alerts/a/ack", #"{"as":"x","other":1}"#, "other"), ("alerts/a/comment", #"{"as":"x"}"#, "text"),
                ("alerts/a/comment", #"{"as":"x","text":{"deep":1}}"#, nil), ("alerts/a/comment", #"{"as":"x","text":5}"#, "text"),
                ("alerts/\(String(repeating: "a", count: 65))/ack", #"{"as":"x"}"#, "id"),
            ] as [(String, String, String?)]
            for (path, body, field) in cases {
                let answer = try await post(client, path, body)
                #expect(answer.status == .badRequest && answer.object["field"] as? String == field, "\(body): \(answer)")
                #expect((answer.object["error"] as? String)?.isEmpty == false)
            }
            let large = #"{"as":"x","text":""# + String(repeating: "x", count: 1 << 20) + "\"}"
            let status = try await post(client, "alerts/a/comment", large).status
            #expect(status == .contentTooLarge)
            #expect(asked.all == [])
        }
    }

    @Test func refusalsHaveTheirStatusAndSayWhatIsPossible() async throws {
        let statuses: [(ActionRefusal.Cause, HTTPResponse.Status)] = [
            (.unknown, .notFound), (.invalid, .badRequest), (.conflict, .conflict), (.forbidden, .forbidden),
            (.unavailable, .serviceUnavailable),
        ]
        for (cause, status) in statuses {
            try await withServer(answer: .refused(ActionRefusal(cause, "no \"way\"", possible: ["ack", "close"]))) { client, _ in
                let answer = try await post(client, "alerts/a/ack", #"{"as":"x"}"#)
                #expect(answer.status == status)
                #expect(answer.object["error"] as? String == "no \"way\"")
                #expect(answer.object["cause"] as? String == cause.rawValue)
                #expect(answer.object["possible"] as? [String] == ["ack", "close"])
            }
        }
    }

    @Test func otherMethodsAndPathsChangeNothing() async throws {
        try await withServer { client, asked in
            for path in ["alerts", "alerts/a/eat"] {
                let status = try await post(client, path, "{}").status
                #expect(status == .methodNotAllowed)
            }
            for method in [HTTPRequest.Method.put, .patch, .delete] {
                let response = try await client.execute(uri: "/api/v1/alerts/a/ack", method: method)
                #expect(response.status == .methodNotAllowed)
            }
            #expect(asked.all == [])
        }
    }

    @Test func theDescriptionHasEveryAction() async throws {
        try await withServer { client, _ in
            let response = try await client.execute(uri: "/api/v1/openapi.json", method: .get)
            let document = try #require(try JSONSerialization.jsonObject(with: Data(String(buffer: response.body).utf8)) as? [String: Any])
            let paths = try #require(document["paths"] as? [String: [String: Any]])
            for action in ActionCatalogue.all {
                let path = "/api/v1/\(action.collection)" + (action.makesNew ? "" : "/{id}/\(action.verb)")
                let post = try #require(paths[path]?["post"] as? [String: Any], "\(path)")
                #expect(post["operationId"] as? String == action.name)
                let content = try #require(((post["requestBody"] as? [String: Any])?["content"] as? [String: Any])?["application/json"] as? [String: Any])
                let properties = try #require((content["schema"] as? [String: Any])?["properties"] as? [String: Any])
                #expect(Set(properties.keys) == Set(["as", "role"] + action.fields.map(\.name)))
            }
        }
    }

    @Test func theTokenFileIsForItsOwnerAlone() throws {
        let store = NSTemporaryDirectory() + "patrol-token-" + UUID().uuidString
        defer { TokenFile.remove(besideStore: store) }
        let first = TokenFile(host: "0.0.0.0", port: 8080)
        #expect(first.url == "http://127.0.0.1:8080" && first.token.count == 64)
        #expect(TokenFile(host: "::1", port: 1).url == "http://[::1]:1")
        try first.write(besideStore: store)
        let second = TokenFile(host: "127.0.0.1", port: 8081)
        try second.write(besideStore: store)
        #expect(TokenFile(store: store) == second && first.token != second.token)
        let mode = try FileManager.default.attributesOfItem(atPath: TokenFile.path(ofStore: store))[.posixPermissions] as? Int
        #expect(mode == 0o600)
        TokenFile.remove(besideStore: store)
        #expect(TokenFile(store: store) == nil)
    }
}
