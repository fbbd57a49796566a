import Store
import Telemetry

extension OpenAPI {
    /// The paths of ``ActionCatalogue``; a path that is read too gets its `post` from ``postOfNew(_:)``.
    static var actionPaths: [String] {
        ActionCatalogue.all.filter { !$0.makesNew || StoreCollection(rawValue: $0.collection) == nil }.map { description in
            "\"/\(ActionRoutes.path(of: description, subject: "{id}"))\":{\(post(description))}"
        }
    }

    /// The `post` of a collection in which an action makes something new, with a comma before it; empty where none does.
    static func postOfNew(in collection: String) -> String {
        ActionCatalogue.all.first { $0.makesNew && $0.collection == collection }.map { ",\(post($0))" } ?? ""
    }

    static let securitySchemes = """
        {"securitySchemes":{"token":{"type":"http","scheme":"bearer","description":"The token of the file STORE.token beside \
        the store, written anew at each start."}}}
        """

    private static func post(_ description: ActionDescription) -> String {
        var properties = [
            "\"as\":{\"type\":\"string\",\"maxLength\":\(Limits.idBytes),\"description\":\"Who answers for the change.\"}",
            "\"role\":{\"type\":\"string\",\"enum\":[\"operator\",\"officer\",\"checker\"],\"default\":\"operator\"}",
        ]
        properties += description.fields.map { field in
            let schema = form(field.form).dropLast()
            return "\(JSONText.quoted(field.name)):\(schema),\"description\":\(JSONText.quoted(field.about))}"
        }
        let required = (["as"] + description.fields.filter(\.isRequired).map(\.name)).map(JSONText.quoted)
        let identity = description.makesNew
            ? "" : "{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"description\":\"The id, which may be shortened.\",\"schema\":{\"type\":\"string\"}}"
        return """
            "post":{"summary":\(JSONText.quoted(description.summary)),"operationId":\(JSONText.quoted(description.name)),\
            "security":[{"token":[]}],"parameters":[\(identity)],"requestBody":{"required":true,"content":{"application/json":\
            {"schema":{"type":"object","additionalProperties":false,"required":[\(required.joined(separator: ","))],\
            "properties":{\(properties.joined(separator: ","))}}}}},"responses":\(responses)}
            """
    }

    private static func form(_ form: ActionField.Form) -> String {
        switch form {
        case .text: "{\"type\":\"string\",\"maxLength\":\(ActionCatalogue.textBytes)}"
        case .number(let range): "{\"type\":\"number\",\"minimum\":\(range.lowerBound),\"maximum\":\(range.upperBound)}"
        case .flag: "{\"type\":\"boolean\"}"
        case .list: "{\"type\":\"array\",\"maxItems\":\(ActionCatalogue.listCount),\"items\":{\"type\":\"string\"}}"
        case .moment: "{\"type\":\"integer\"}"
        case .choice(let choices): "{\"type\":\"string\",\"enum\":[\(choices.map(JSONText.quoted).joined(separator: ","))]}"
        }
    }

    private static let responses: String = {
        let problem = """
            "content":{"application/json":{"schema":{"type":"object","required":["error"],"properties":{"error":\
            {"type":"string"},"cause":{"type":"string"},"field":{"type":"string"},"possible":{"type":"array","items":\
            {"type":"string"}}}}}}
            """
        let others = [
            ("400", "A field is missing or wrong."), ("401", "Without the token."), ("403", "Not this author or role."),
            ("404", "No such id, or more than one."), ("409", "Not in this state; possible says what is."),
            ("413", "The body is too large."), ("503", "Not now."),
        ]
        return "{\"200\":{\"description\":\"Committed; what is now.\",\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\"}}}},"
            + others.map { "\"\($0.0)\":{\"description\":\"\($0.1)\",\(problem)}" }.joined(separator: ",") + "}"
    }()
}
