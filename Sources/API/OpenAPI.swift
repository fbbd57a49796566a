import Store
import Telemetry

/// The description that the server serves of itself (OpenAPI 3.1.0), made from the lists the routes are made from.
enum OpenAPI {
    static let document: String = {
        var paths: [String] = []
        for collection in StoreCollection.allCases {
            paths.append(path("/api/v1/\(collection.rawValue)", summary(collection), pageParameters(collection), page, OpenAPI.postOfNew(in: collection.rawValue)))
        }
        for collection in RollupCollection.allCases {
            paths.append(path("/api/v1/\(collection.rawValue)", summary(collection), rollupParameters(collection), page))
        }
        paths += eventPaths
        paths.append(path("/api/v1/about", "The server's clock (now), time zone and names of areas.", [], object("About.")))
        paths.append(path("/api/v1/summary", "Counts at a glance.", [], object("Counts.")))
        paths.append(path("/api/v1/positions", "Where devices are, WGS-84 degrees.", [], object("Places.")))
        paths.append(path("/api/v1/titles", "Titles and units of rules by id.", [], object("Titles.")))
        paths += actionPaths
        paths.append(path("/healthz", "200 while the process runs.", [], plain("Alive.")))
        paths.append(
            path(
                "/readyz", "200 once subscribed and the store writable; 503 with the reasons otherwise.", [],
                "{\"200\":\(content("Ready.", "application/json")),\"503\":\(content("Not ready.", "application/json"))}"))
        paths.append(path("/metrics", "Metrics in the Prometheus text format 0.0.4.", [], plain("Metrics.")))
        return """
            {"openapi":"3.1.0","info":{"title":"Patrol","version":"1","description":"Times are UTC milliseconds. Lists come \
            page by page: pass next as cursor."},"paths":{\(paths.joined(separator: ","))},\
            "components":{\(securitySchemes.dropFirst().dropLast()),"schemas":{\(eventComponents)}}}
            """
    }()

    private static func summary(_ collection: StoreCollection) -> String {
        switch collection {
        case .readings: "Readings of a kind, newest first."
        case .minutes: "Minutes of noise, newest first."
        case .alerts: "Alerts, newest first."
        case .silences: "Silences of alerts, newest first; match is JSON."
        case .tasks: "Tasks, newest first."
        case .rejects: "Rejected readings and messages, newest first."
        case .devices: "Devices."
        case .counts: "Readings by kind and what became of them."
        }
    }

    private static func summary(_ collection: RollupCollection) -> String {
        switch collection {
        case .noise: "Levels of a stretch of time, oldest first."
        case .vehicle: "Distance, time and speed of vehicles, oldest first."
        case .bodycam: "Presence, recording and battery of cameras, oldest first."
        case .stops: "Stops of vehicles, oldest first."
        }
    }

    private static func rollupParameters(_ collection: RollupCollection) -> [String] {
        let steps = RollupQuery.steps(of: collection).map { "\"\($0.rawValue)\"" }.joined(separator: ",")
        var list = [
            parameter("since", "query", "From here on: milliseconds since 1970 or RFC 3339; else the day before until.", text),
            parameter("until", "query", "Before this; else now.", text),
            parameter("device", "query", "Id of one device.", text), parameter("site", "query", "Devices of a site.", text),
            parameter("area", "query", "Devices of an area and all below it, by its code.", text),
        ]
        if !steps.isEmpty {
            list.append(parameter("step", "query", "Length of a bucket; else by the range.", "{\"type\":\"string\",\"enum\":[\(steps)]}"))
        }
        if collection == .noise {
            list.append(
                parameter("flagged", "query", "1: also what flagged readings make.", "{\"type\":\"integer\",\"minimum\":0,\"maximum\":1}"))
        }
        list.append(parameter("limit", "query", "Rows at most.", limit(else: StoreReader.pageRows)))
        list.append(parameter("cursor", "query", "The next of an earlier page.", text))
        return list
    }

    private static func limit(else rows: Int) -> String {
        "{\"type\":\"integer\",\"minimum\":1,\"maximum\":\(StoreReader.pageRows),\"default\":\(rows)}"
    }
    private static let text = "{\"type\":\"string\"}"

    private static func pageParameters(_ collection: StoreCollection) -> [String] {
        let kinds = Kind.allCases.map { "\"\($0.name)\"" }.joined(separator: ",")
        let states: [StoreCollection: String] = [.alerts: "pending, firing or resolved.", .silences: "standing or over.", .tasks: "Stage."]
        return Parameters.pageKeys(collection).map { key in
            switch key {
            case "kind": parameter(key, "query", "Kind of device.", "{\"type\":\"string\",\"enum\":[\(kinds)]}")
            case "state": parameter(key, "query", states[collection]!, text)
            case "device": parameter(key, "query", "Id of one device.", text)
            case "site": parameter(key, "query", "Devices of a site.", text)
            case "area": parameter(key, "query", "Devices of an area and all below it, by its code.", text)
            case "since": parameter(key, "query", "From here on: milliseconds since 1970 or RFC 3339.", text)
            case "until": parameter(key, "query", "Before this.", text)
            case "limit": parameter(key, "query", "Rows at most.", limit(else: 50))
            default: parameter(key, "query", "The next of an earlier page.", text)
            }
        }
    }

    static func parameter(_ name: String, _ place: String, _ about: String, _ schema: String) -> String {
        "{\"name\":\"\(name)\",\"in\":\"\(place)\",\"description\":\(JSONText.quoted(about)),\"schema\":\(schema)}"
    }

    static func path(
        _ path: String, _ summary: String, _ parameters: [String], _ responses: String, _ others: String = ""
    ) -> String {
        """
        "\(path)":{"get":{"summary":\(JSONText.quoted(summary)),"parameters":[\(parameters.joined(separator: ","))],\
        "responses":\(responses)}\(others)}
        """
    }

    private static func content(_ about: String, _ type: String) -> String {
        "{\"description\":\"\(about)\",\"content\":{\"\(type)\":{\"schema\":\(type == "text/plain" ? text : "{\"type\":\"object\"}")}}}"
    }

    private static func plain(_ about: String) -> String { "{\"200\":\(content(about, "text/plain"))}" }
    static func object(_ about: String) -> String { "{\"200\":\(content(about, "application/json"))}" }

    private static let page = """
        {"200":{"description":"A page.","content":{"application/json":{"schema":{"type":"object","required":["items","next"],\
        "properties":{"items":{"type":"array","items":{"type":"object"}},"next":{"type":["string","integer","null"]}}}}}},\
        "400":{"description":"A parameter is wrong; error says which.","content":{"application/json":{"schema":\
        {"type":"object","properties":{"error":{"type":"string"}}}}}}}
        """
}
