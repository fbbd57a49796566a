import Foundation
public import Telemetry
import HTTPTypes
import Hummingbird

/// Where changes go, and who may ask for them.
public struct ActionGate: Sendable {
    /// The bearer token that a change needs.
    public var token: String
    public var submit: @Sendable (Action) async -> ActionAnswer

    public init(token: String, submit: @escaping @Sendable (Action) async -> ActionAnswer) {
        self.token = token
        self.submit = submit
    }

    /// Looks at every byte whatever the first ones are.
    func admits(_ given: some StringProtocol) -> Bool {
        let (left, right) = (Array(given.utf8), Array(token.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

/// `POST /api/v1/{collection}` and `/api/v1/{collection}/{id}/{verb}`: the actions of ``ActionCatalogue``. The body is a
/// JSON object of the action's fields with `as`, who answers for it, and `role`.
enum ActionRoutes {
    static let bodyBytes = 64 << 10

    static func add(to router: Router<BasicRequestContext>, _ gate: ActionGate) {
        for description in ActionCatalogue.all {
            router.post(RouterPath(path(of: description, subject: ":id"))) { request, context -> Response in
                let subject = context.parameters.get("id")?.removingPercentEncoding ?? ""
                return await answer(request, description, subject: subject, gate)
            }
        }
    }

    static func path(of description: ActionDescription, subject: String) -> String {
        description.makesNew
            ? "api/v1/\(description.collection)" : "api/v1/\(description.collection)/\(subject)/\(description.verb)"
    }

    private static func answer(
        _ request: Request, _ description: ActionDescription, subject: String, _ gate: ActionGate
    ) async -> Response {
        guard let authorization = request.headers[.authorization], authorization.hasPrefix("Bearer "),
            gate.admits(authorization.dropFirst(7))
        else {
            var response = Reply.problem(
                .unauthorized, "a change needs the header 'Authorization: Bearer …' with the token of the file beside the store")
            response.headers[.wwwAuthenticate] = "Bearer"
            return response
        }
        guard let body = try? await request.body.collect(upTo: bodyBytes) else {
            return Reply.problem(.contentTooLarge, "the body has more than \(bodyBytes) bytes")
        }
        let action: Action
        switch parse(Data(String(buffer: body).utf8), description, subject: subject) {
        case .success(let parsed): action = parsed
        case .failure(let refusal): return reply(refusal)
        }
        switch await gate.submit(action) {
        case .done(let json): return Reply.json(json)
        case .refused(let refusal): return reply(refusal)
        }
    }

    private static func parse(
        _ body: Data, _ description: ActionDescription, subject: String
    ) -> Result<Action, ActionRefusal> {
        var fields: [String: ActionValue] = [:]
        if !body.isEmpty {
            guard let object = try? JSONDecoder().decode([String: ActionValue].self, from: body) else {
                return .failure(
                    ActionRefusal(.invalid, "the body is a JSON object of texts, numbers, true, false and lists of texts"))
            }
            fields = object
        }
        guard case .text(let author)? = fields.removeValue(forKey: "as") else {
            return .failure(ActionRefusal(.invalid, "every change names its author: the field 'as'", field: "as"))
        }
        var action = Action(description.name, subject: subject, author: author, fields: fields)
        if let role = action.fields.removeValue(forKey: "role") {
            guard case .text(let name) = role, let known = Action.Role(rawValue: name), known.isPerson else {
                return .failure(ActionRefusal(.invalid, "role is one of operator, officer, checker", field: "role"))
            }
            action.role = known
        }
        if let problem = ActionCatalogue.problem(with: action) { return .failure(problem) }
        return .success(action)
    }

    private static func reply(_ refusal: ActionRefusal) -> Response {
        let status: HTTPResponse.Status =
            switch refusal.cause {
            case .unknown: .notFound
            case .invalid: .badRequest
            case .conflict: .conflict
            case .forbidden: .forbidden
            case .unavailable: .serviceUnavailable
            }
        var text = "{\"error\":\(JSONText.quoted(refusal.message)),\"cause\":\"\(refusal.cause.rawValue)\""
        if let field = refusal.field { text += ",\"field\":\(JSONText.quoted(field))" }
        text += ",\"possible\":[\(refusal.possible.map(JSONText.quoted).joined(separator: ","))]}"
        return Reply.json(text, status: status)
    }
}
