import Delivery
import Store

extension OpenAPI {
    private static let position = "{\"type\":\"string\",\"pattern\":\"^([0-9a-z]{1,32}-)?[0-9]+$\"}"
    private static let list = "{\"type\":\"string\"}"

    private static var filters: [String] {
        [
            parameter("type", "query", "Types with commas between them; * stands for any end: patrol.alert.*", list),
            parameter("area", "query", "Area codes; a longer code lies within a shorter.", list),
            parameter("severity", "query", "info, warning, critical.", list),
            parameter("rule", "query", "Ids of rules.", list),
        ]
    }

    /// The stream of events, its schemas and documents.
    static var eventPaths: [String] {
        let after = parameter("after", "query", "The id of the last event that you have (EPOCH-SEQUENCE); 0 begins with the oldest kept.", position)
        let cursor = parameter("cursor", "query", "Without after: goes on behind what this consumer has committed.", list)
        let limit = parameter(
            "limit", "query", "Events at most.",
            "{\"type\":\"integer\",\"minimum\":1,\"maximum\":\(PullOutlet.pageEvents),\"default\":100}")
        let wait = parameter(
            "wait", "query", "Seconds to wait where there is nothing new.",
            "{\"type\":\"number\",\"minimum\":0,\"maximum\":\(Int(PullOutlet.waitSeconds)),\"default\":0}")
        let lastEvent = parameter("Last-Event-ID", "header", "Goes on behind this event.", position)
        return [
            path(
                "/api/v1/events", "Events of alerts and tasks (CloudEvents), oldest first; waits for new ones where asked.",
                [after, cursor, limit, wait] + filters, eventPage),
            path(
                "/api/v1/stream",
                """
                The same events live as server-sent events named as the second word of their type (alert, task, silence); the id is the event's. From now on without after \
                or Last-Event-ID. Other names: hello (where it begins), gap (events no longer kept), reset (a backup was \
                restored), bye (why the connection is ended).
                """,
                [after, lastEvent] + filters,
                """
                {"200":{"description":"Events.","content":{"text/event-stream":{"schema":{"type":"string"}}}},\
                "400":\(problem),"503":{"description":"Too many streams are open."}}
                """),
            path("/api/v1/outlets", "How each outlet is doing: lag, last answer, next attempt, dead letters.", [], object("Outlets.")),
            path(
                "/api/v1/outlets/{id}/dead-letters", "What an outlet has given up, with the bytes that it was to send.",
                [
                    "{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}",
                    parameter("after", "query", "Behind this sequence number.", "{\"type\":\"integer\",\"minimum\":0}"),
                    parameter("limit", "query", "Dead letters at most.", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":100}"),
                ],
                "{\"200\":{\"description\":\"Dead letters, oldest first.\",\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\"}}}},\"404\":\(problem)}"),
            path("/api/v1/asyncapi.json", "The contract of the MQTT topics (AsyncAPI 3.0).", [], object("The document.")),
            path("/api/v1/openapi.json", "This document.", [], object("The document.")),
            path("/api/v1/schemas", "Names of the JSON Schemas of events and payloads.", [], object("Names.")),
            path(
                "/api/v1/schemas/{name}", "A JSON Schema, for example alert.1.json for dataschema urn:patrol:schema:alert:1.",
                [
                    "{\"name\":\"name\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\",\"enum\":[\(names)]}}"
                ],
                "{\"200\":{\"description\":\"The schema.\",\"content\":{\"application/schema+json\":{\"schema\":{\"type\":\"object\"}}}},\"404\":\(problem)}"),
        ]
    }

    private static var names: String { Schemas.all.map { "\"\($0.name).json\"" }.joined(separator: ",") }

    private static let problem = """
        {"description":"error says what is wrong.","content":{"application/json":{"schema":{"type":"object","required":["error"],\
        "properties":{"error":{"type":"string"}}}}}}
        """

    private static var eventPage: String {
        """
        {"200":{"description":"A page. Keep next; pass it as after.","content":{"application/json":{"schema":\
        {"$ref":"#/components/schemas/EventPage"},"examples":{"two":{"value":{"epoch":"\(Examples.epoch)","items":\
        [\(Examples.alerts[0]),\(Examples.task)],"next":"\(Examples.epoch)-418","more":false}}}}}},"400":\(problem)}
        """
    }

    /// Schemas that the paths above refer to.
    static var eventComponents: String {
        """
        "EventPage":{"type":"object","required":["epoch","items","next","more"],"properties":{\
        "epoch":{"type":"string"},"items":{"type":"array","items":{"$ref":"#/components/schemas/Event"}},\
        "next":\(Schemas.position.json),"more":{"type":"boolean","description":"The answer was full: ask again at once."},\
        "gone":{"type":"object","description":"Asked for and no longer kept.","properties":{"first":{"type":"string"},\
        "last":{"type":"string"},"missed":{"type":"integer"}}},\
        "reset":{"type":"object","description":"The position asked for is not of this stream any more.","properties":\
        {"from":{"type":"string"},"after":{"type":"string"},"reason":{"type":"string"}}}}},\
        "Event":\(Schemas.schema(named: "event.1")!.tree.json)
        """
    }
}
