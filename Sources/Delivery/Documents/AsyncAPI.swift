import Telemetry

/// The contract of the topics as an AsyncAPI 3.0.0 document, served as `/api/v1/asyncapi.json`: what gateways send, what
/// Patrol publishes, with the schemas of ``Schemas`` and an example of each.
public enum AsyncAPI {
    private struct Channel {
        let name: String, address: String, about: String
        /// Levels in braces, with what they are.
        var parameters: [(key: String, value: JSONTree)] = []
        /// Schemas of ``Schemas`` that its messages have.
        let messages: [String]
        /// Patrol receives here; else it sends.
        var isInput = false
        var isRetained = false
    }

    public static func document(topicRoot: String, version: String) -> String {
        let gateway: (key: String, value: JSONTree) = ("gateway", ["description": "Id of the gateway."])
        let area: (key: String, value: JSONTree) = ("area", ["description": "Area code, or unknown."])
        var channels = Kind.allCases.map { kind in
            Channel(
                name: "\(kind.name)In", address: "\(topicRoot)/in/{gateway}/\(kind.name)/{device}",
                about: "One reading of kind \(kind.name), or an array of them. QoS 1: acknowledged once it is stored.",
                parameters: [gateway, ("device", ["description": "Id of the device."])], messages: [kind.name], isInput: true)
        }
        channels += [
            Channel(
                name: "external", address: "\(topicRoot)/in/{gateway}/external",
                about: "What another system says of a task: its number and stage. The gateway is the system's name. QoS 1: acknowledged once it is stored.",
                parameters: [gateway], messages: ["external"], isInput: true),
            Channel(
                name: "leadIn", address: "\(topicRoot)/in/{gateway}/lead",
                about: "A matter that a person or another system reports. QoS 1: acknowledged once it is in a task.",
                parameters: [gateway], messages: ["lead"], isInput: true),
            Channel(
                name: "alerts", address: "\(topicRoot)/out/alerts/{area}/{severity}", about: "One event per transition of an alert.",
                parameters: [area, ("severity", ["enum": ["info", "warning", "critical"]])], messages: ["alertEvent"]),
            Channel(
                name: "tasks", address: "\(topicRoot)/out/tasks/{area}", about: "One event per transition of a task.",
                parameters: [area], messages: ["taskEvent"]),
            Channel(
                name: "silences", address: "\(topicRoot)/out/silences", about: "Silences that people have made, and that are over.",
                messages: ["silenceEvent"]),
            Channel(
                name: "alertState", address: "\(topicRoot)/state/alerts/{alert}",
                about: "The last event of an alert, retained while it is open; an empty payload clears it.",
                parameters: [("alert", ["description": "Id of the alert."])], messages: ["alertEvent"], isRetained: true),
            Channel(
                name: "presence", address: "\(topicRoot)/state/patrol", about: "Whether Patrol is there. Its Last Will is on this topic.",
                messages: ["presence"], isRetained: true),
            Channel(
                name: "rejects", address: "\(topicRoot)/rejects/{gateway}", about: "What was refused, why, and which field. QoS 0.",
                parameters: [gateway], messages: ["reject"]),
            Channel(
                name: "status", address: "\(topicRoot)/status/{gateway}", about: "What a gateway is told of itself. QoS 0.",
                parameters: [gateway], messages: ["status"], isRetained: true),
            Channel(
                name: "test", address: "\(topicRoot)/out/test", about: "Events of 'patrol outlets test': nothing has happened.",
                messages: ["testEvent"]),
        ]
        let tree: JSONTree = [
            "asyncapi": "3.0.0",
            "info": [
                "title": "Patrol", "version": .text(version),
                "description": .text(
                    "Telemetry in, alerts and tasks out. Events are CloudEvents 1.0, at least once, each with an id that never changes: who keeps the last id has each exactly once. The same events come by HTTP: see /api/v1/openapi.json."
                ),
            ],
            "defaultContentType": "application/json",
            "channels": .object(channels.map { ($0.name, channel($0)) }),
            "operations": .object(channels.map { ($0.name + ($0.isInput ? "Receive" : "Send"), operation($0)) }),
            "components": ["messages": .object(messages), "schemas": .object(Schemas.all.map { (component($0.name), $0.tree) })],
        ]
        return tree.json
    }

    /// Names of components have no dots.
    private static func component(_ name: String) -> String { name.replacing(".", with: "_") }

    private static func channel(_ channel: Channel) -> JSONTree {
        var tree: [(key: String, value: JSONTree)] = [
            ("address", .text(channel.address)), ("description", .text(channel.about)),
            ("messages", .object(channel.messages.map { ($0, ["$ref": "#/components/messages/\($0)"]) })),
        ]
        if !channel.parameters.isEmpty { tree.append(("parameters", .object(channel.parameters))) }
        return .object(tree)
    }

    private static func operation(_ channel: Channel) -> JSONTree {
        [
            "action": channel.isInput ? "receive" : "send", "summary": .text(channel.about),
            "channel": ["$ref": "#/channels/\(channel.name)"],
            "messages": .list(channel.messages.map { ["$ref": "#/channels/\(channel.name)/messages/\($0)"] }),
            "bindings": ["mqtt": ["qos": ["rejects", "status"].contains(channel.name) ? 0 : 1, "retain": .flag(channel.isRetained), "bindingVersion": "0.2.0"]],
        ]
    }

    private static var messages: [(key: String, value: JSONTree)] {
        func event(_ data: String) -> JSONTree {
            ["allOf": [["$ref": "#/components/schemas/event_1"], ["properties": ["data": ["$ref": "#/components/schemas/\(data)"]]]]]
        }
        // No part of the stream: it has neither sequence nor epoch.
        let test: JSONTree = [
            "type": "object", "required": ["specversion", "id", "type", "data"],
            "properties": ["type": ["const": "patrol.test"], "data": ["$ref": "#/components/schemas/test_1"]],
        ]
        func message(_ payload: JSONTree, _ examples: [JSONTree], cloud: Bool = false) -> JSONTree {
            [
                "contentType": cloud ? "application/cloudevents+json" : "application/json", "payload": payload,
                "examples": .list(examples.map { ["payload": $0] }),
            ]
        }
        func plain(_ name: String) -> JSONTree { ["$ref": "#/components/schemas/\(name)_1"] }
        return Kind.allCases.map { ($0.name, message(plain($0.name), [Examples.payload($0)])) } + [
            ("lead", message(plain("lead"), [.raw(Examples.lead)])),
            ("alertEvent", message(event("alert_1"), Examples.alerts.map { .raw($0) }, cloud: true)),
            ("taskEvent", message(event("task_1"), [.raw(Examples.task)], cloud: true)),
            ("silenceEvent", message(event("silence_1"), [.raw(Examples.silence)], cloud: true)),
            ("testEvent", message(test, [.raw(Examples.test)], cloud: true)),
            ("reject", message(plain("reject"), [.raw(Examples.reject)])),
            ("external", message(plain("external"), [Examples.external])),
            ("status", message(plain("status"), [.raw(Examples.status)])),
            ("presence", message(plain("presence"), [["online": true, "epoch": "5f0c11d2", "since": "2026-06-07T14:00:00.000Z"], ["online": false, "reason": "gone"]])),
        ]
    }
}
