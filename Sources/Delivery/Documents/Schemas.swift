import Telemetry

/// JSON Schemas (draft 2020-12) of everything that consumers are sent and gateways send: one list, from which the AsyncAPI
/// and OpenAPI documents and `/api/v1/schemas/…` are made. Members that a schema does not name may come at any time;
/// a schema's number changes only where something is taken away or means something else.
public enum Schemas {
    public struct Schema: Sendable {
        /// The last part of its address: `/api/v1/schemas/alert.1.json`.
        public let name: String
        public let tree: JSONTree
    }

    public static let all: [Schema] =
        [
            Schema(name: "event.1", tree: event), Schema(name: "alert.1", tree: alert), Schema(name: "task.1", tree: task),
            Schema(name: "silence.1", tree: silence),
            Schema(name: "test.1", tree: test), Schema(name: "reject.1", tree: reject), Schema(name: "presence.1", tree: presence),
            Schema(name: "status.1", tree: status), Schema(name: "external.1", tree: external),
            Schema(name: "lead.1", tree: lead),
        ] + Kind.allCases.map { Schema(name: "\($0.name).1", tree: payload($0)) }

    public static func schema(named name: String) -> Schema? { all.first { $0.name == name } }

    /// Types of events: what has happened to an alert or a task.
    public static let alertTypes = ["patrol.alert.firing", "patrol.alert.resolved"]

    private static let milliseconds: JSONTree = [
        "type": "integer", "description": "UTC milliseconds since 1970.", "minimum": 0,
    ]

    /// A text in both languages.
    private static let words: JSONTree = [
        "type": "object", "required": ["en", "zh"], "properties": ["en": ["type": "string"], "zh": ["type": "string"]],
    ]

    public static let position: JSONTree = [
        "type": "string", "pattern": "^[0-9a-f]{8}-[0-9]+$",
        "description": "EPOCH-SEQUENCE: the place of an event in the stream.",
    ]

    private static func schema(_ name: String, _ about: String, required: [JSONTree], _ properties: JSONTree) -> JSONTree {
        [
            "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:patrol:schema:\(name)", "description": .text(about),
            "type": "object", "required": .list(required), "properties": properties,
        ]
    }

    /// The envelope (CloudEvents 1.0, JSON event format).
    private static let event = schema(
        "event:1", "One event of the stream: a CloudEvent.",
        required: ["specversion", "id", "sequence", "epoch", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"],
        [
            "specversion": ["const": "1.0"],
            "id": position.adding([("examples", ["5f0c11d2-417"])]),
            "sequence": [
                "type": "string", "pattern": "^[0-9]{16,}$",
                "description": "Number in the stream, without gaps within an epoch; of one width, so that text order is its order.",
            ],
            "epoch": [
                "type": "string", "pattern": "^[0-9a-f]{8}$",
                "description": "Changes when a backup of the store was restored: numbers behind it are used anew.",
            ],
            "source": ["type": "string", "description": "/patrol/CLIENT_ID"],
            "type": ["type": "string", "pattern": "^patrol\\.[a-z_]+(\\.[a-z_-]+)?$"],
            "subject": ["type": "string", "description": "The id of the alert or task. Events of one subject come in their order."],
            "time": ["type": "string", "format": "date-time", "description": "When it happened."],
            "datacontenttype": ["const": "application/json"],
            "dataschema": ["type": "string", "pattern": "^urn:patrol:schema:[a-z_]+:[0-9]+$"],
            "area": ["type": "string", "description": "Area code, or unknown."],
            "severity": ["enum": ["info", "warning", "critical"]],
            "rule": ["type": "string"],
            "data": ["type": "object"],
        ])

    private static let alert = schema(
        "alert:1", "An alert as it stands after the event.",
        required: ["id", "rule", "device", "area", "severity", "state"],
        [
            "id": ["type": "string", "pattern": "^a[0-9a-f]{16}$"],
            "rule": ["type": "string"],
            "title": words,
            "message": words.adding([("description", "What happened and what the officer is to do.")]),
            "kind": ["type": "string", "description": "Kind of the device."],
            "device": ["type": "string"],
            "site": ["type": "string"],
            "area": ["type": "string"],
            "severity": ["enum": ["info", "warning", "critical"]],
            "state": ["type": "string", "examples": ["firing", "resolved"]],
            "started_at": milliseconds, "fired_at": milliseconds, "resolved_at": milliseconds,
            "value": ["type": "number"],
            "unit": ["type": "string"],
            "limit": ["type": "number", "description": "What the value was held against: a level, or the limit of the place and hour."],
            "standard": ["type": "string", "description": "The standard of the limit."],
            "coverage": ["type": "number", "minimum": 0, "maximum": 1, "description": "Covered share of the window."],
            "devices": ["type": "array", "items": ["type": "string"], "description": "Of a group: all of them; device is the first."],
            "readings": [
                "type": "object", "required": ["from", "until"], "description": "The readings it stands on: those of device (or devices) with from <= ts < until.",
                "properties": ["metric": ["type": "string"], "from": milliseconds, "until": milliseconds],
            ],
            "reason": [
                "enum": ["condition", "silence", "schedule", "permit", "rule", "person"],
                "description": "Why it has ended. silence: nothing was heard for resolve_after.",
            ],
            "silenced_by": ["type": "string", "description": "The silence that matches it: it makes no task. No consumer should make one of it either."],
            "unsilenced_at": milliseconds.adding([("description", "Its silence is over and it still fires: act as if it fired now. UTC milliseconds.")]),
            "who": ["type": "string", "description": "Of an acknowledgement or a remark: who it is from."],
            "role": ["type": "string"],
            "text": ["type": "string"],
        ])

    private static let task = schema(
        "task:1", "A task as it stands after the event.",
        required: ["id", "kind", "area", "stage", "created_at", "respond_due", "set_out_due", "dispose_due"],
        [
            "id": ["type": "string", "pattern": "^t[0-9a-f]{16}$"],
            "alert_id": ["type": "string"],
            "kind": ["type": "string"],
            "area": ["type": "string"],
            "matter": ["type": "object", "description": "Of the district's catalogue: en, zh, law, clause."],
            "number": ["type": "integer", "description": "Number of the event in the task's life, from 1 on."],
            "site": ["type": "string"],
            "lat": ["type": "number"], "lon": ["type": "number"],
            "severity": ["enum": ["info", "warning", "critical"]],
            "priority": ["type": "integer", "minimum": 1, "maximum": 4, "description": "1 is first."],
            "text": ["type": "string"],
            "stage": ["type": "string", "examples": ["reported", "assigned", "closed"]],
            "from": ["type": "string", "description": "The stage before."],
            "unit": ["type": "string"],
            "proposed": ["type": "string", "description": "A unit that waits for somebody's word."],
            "candidates": ["type": "array", "items": ["type": "object"], "description": "The nearest units that were considered."],
            "level": ["type": "string", "description": "Of an escalation: how far up it has gone."],
            "told": ["type": "array", "items": ["type": "string"]],
            "department": ["type": "string"],
            "crew": ["type": "array", "items": ["type": "object", "required": ["unit", "stage", "at"]], "description": "Of a one-key dispatch: all its units."],
            "parts": ["type": "array", "items": ["type": "object", "required": ["department"]], "description": "Of a joint task: each department, and by whom its part was reported."],
            "plans": ["type": "array", "items": ["type": "object", "required": ["id", "at"]], "description": "Visits that were planned."],
            "who": ["type": "string"], "role": ["type": "string"], "why": ["type": "string"],
            "created_at": milliseconds, "respond_due": milliseconds, "set_out_due": milliseconds, "dispose_due": milliseconds,
            "respond_breached": ["const": true], "set_out_breached": ["const": true], "dispose_breached": ["const": true],
            "suspended_until": milliseconds,
            "merged_into": ["type": "string"],
            "source": ["type": "object", "required": ["kind", "ref"], "description": "What a lead brought."],
            "external": [
                "type": "object", "required": ["system"],
                "description": "What another system has said of the task: its number and stage, and why Patrol did not follow.",
                "properties": [
                    "system": ["type": "string"], "number": ["type": "string"], "stage": ["type": "string"], "status": ["type": "string"],
                    "conflict": ["type": "string"],
                ],
            ],
            "feedback": ["type": "object", "description": "What was found: verdict, instrument, laeq, limit, measures, photographs."],
        ])

    private static let silence = schema(
        "silence:1", "A silence as it stands after the event.",
        required: ["id", "author", "reason", "created_at", "starts_at", "ends_at", "match"],
        [
            "id": ["type": "string", "pattern": "^s[0-9a-f]{16}$"],
            "author": ["type": "string"], "role": ["type": "string"], "reason": ["type": "string"],
            "created_at": milliseconds, "starts_at": milliseconds, "ends_at": milliseconds,
            "ended_at": milliseconds, "ended_by": ["type": "string", "description": "Who has ended it early."],
            "match": [
                "type": "object", "minProperties": 1, "description": "What it silences: of each list that is there one must fit.",
                "properties": .object(Silence.Matcher.allCases.map { ($0.rawValue, ["type": "array", "items": ["type": "string"]]) }),
            ],
        ])

    private static let test = schema(
        "test:1", "The data of 'patrol outlets test': nothing has happened.", required: ["test"],
        ["outlet": ["type": "string"], "test": ["const": true], "note": ["type": "string"]])

    private static let reject = schema(
        "reject:1", "A reading or message that was refused, to its gateway.",
        required: ["received", "topic", "device", "reason", "field", "hint", "payload"],
        [
            "received": milliseconds,
            "topic": ["type": "string"],
            "device": ["type": "string"],
            "reason": ["enum": .list(RejectReason.allCases.map { .text($0.name) })],
            "field": ["type": "string"],
            "hint": ["type": "string", "description": "What to do."],
            "payload": ["type": "string", "description": "What was refused; its beginning."],
            "held_back": ["type": "integer", "description": "Rejects not told since the last, for their number."],
        ])

    private static let presence = schema(
        "presence:1", "Whether Patrol is there; retained, and set to false by the broker when the connection is lost.",
        required: ["online"],
        [
            "online": ["type": "boolean"], "epoch": ["type": "string"], "since": ["type": "string", "format": "date-time"],
            "reason": ["enum": ["gone", "stopped"]],
        ])

    // MARK: Payloads of gateways, from the vocabulary of the kinds

    /// A reading of a kind, or an array of them.
    private static func payload(_ kind: Kind) -> JSONTree {
        var properties: [(key: String, value: JSONTree)] = [
            ("ts", ["description": "Start of the measured period.", "anyOf": [["type": "integer"], ["type": "string", "format": "date-time"]]]),
            ("seq", ["type": "integer"]),
        ]
        for field in kind.description.fields { properties.append((field.name, type(of: field))) }
        var reading: [(key: String, value: JSONTree)] = [
            ("type", "object"),
            ("required", .list([.text("ts")] + kind.description.fields.filter(\.required).map { .text($0.name) })),
            ("properties", .object(properties)),
        ]
        if kind.description.needsAnyField { reading.append(("minProperties", 2)) }
        return [
            "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:patrol:schema:\(kind.name):1",
            "description": "Readings of kind \(kind.name), as a gateway publishes them.",
            "anyOf": [.object(reading), ["type": "array", "items": .object(reading)]],
        ]
    }

    private static func type(of field: Field) -> JSONTree {
        let about: [(key: String, value: JSONTree)] = field.unit.isEmpty ? [] : [("description", .text(field.unit))]
        let tree: JSONTree =
            switch field.storage {
            case .number(_, let range, let isInteger):
                [
                    "type": isInteger ? "integer" : "number", "minimum": .number(range.lowerBound), "maximum": .number(range.upperBound),
                ]
            case .bool: ["type": "boolean"]
            case .flags(_, let names): ["type": "array", "items": ["enum": .list(names.map { .text($0) })]]
            case .time: ["anyOf": [["type": "integer"], ["type": "string", "format": "date-time"]]]
            case .text: ["anyOf": [["type": "string", "maxLength": .number(Double(Limits.textBytes))], ["type": "integer"]]]
            case .period: ["type": "number", "exclusiveMinimum": 0]
            }
        return tree.adding(about)
    }
}
