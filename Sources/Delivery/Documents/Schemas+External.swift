import Telemetry

extension Schemas {
    /// What another system says of a task over the broker: the fields of `task.external`.
    static let external: JSONTree = {
        let action = ActionCatalogue.description(of: "task.external")!
        return [
            "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:patrol:schema:external:1",
            "description": .text(action.summary), "type": "object", "required": ["task"],
            "properties": .object(
                [("task", ["type": "string", "description": "The task's id, or the other system's number of it."])]
                    + action.fields.map { field in
                        let type: JSONTree =
                            switch field.form {
                            case .number(let range): ["type": "number", "minimum": .number(range.lowerBound), "maximum": .number(range.upperBound)]
                            case .list: ["type": "array", "items": ["type": "string"]]
                            case .choice(let choices): ["enum": .list(choices.map { .text($0) })]
                            case .flag: ["type": "boolean"]
                            case .moment: ["type": "integer"]
                            case .text: ["type": "string"]
                            }
                        return (field.name, type.adding([("description", .text(field.about))]))
                    }),
        ]
    }()
}

extension Examples {
    public static var external: JSONTree {
        ["task": "t6718df5666ffaf41", "number": "2026-0417", "stage": "on_scene", "by": "Chen"]
    }
}
