import Delivery
import Hummingbird

/// What consumers build against: OpenAPI, AsyncAPI, and the schemas of everything they are sent.
enum DocumentRoutes {
    static func add(to router: Router<BasicRequestContext>, topicRoot: String) {
        let asyncAPI = AsyncAPI.document(topicRoot: topicRoot, version: "1")
        router.get("api/v1/openapi.json") { _, _ in Reply.json(OpenAPI.document) }
        router.get("api/v1/asyncapi.json") { _, _ in Reply.json(asyncAPI) }
        router.get("api/v1/schemas") { _, _ in
            Reply.json("{\"items\":[\(Schemas.all.map { "\"\($0.name).json\"" }.joined(separator: ","))]}")
        }
        router.get("api/v1/schemas/:name") { _, context -> Response in
            let name = context.parameters.get("name") ?? ""
            guard name.hasSuffix(".json"), let schema = Schemas.schema(named: String(name.dropLast(5))) else {
                return Reply.problem(.notFound, "there is no schema '\(name)'; /api/v1/schemas lists those there are")
            }
            return Reply.text(schema.tree.json + "\n", type: "application/schema+json")
        }
    }
}
