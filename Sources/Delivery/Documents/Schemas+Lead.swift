import Telemetry

extension Schemas {
    /// A lead as a person's or another system's gateway publishes it.
    static let lead: JSONTree = {
        let about: [LeadText: String] = [
            .matter: "The matter's code, which becomes the kind of the task.", .text: "In words.", .site: "The site's id.",
            .area: "The area's code.", .source: "The reporting system's own number: the same again is the same lead.",
            .picture: "A reference to a picture, not the picture.",
        ]
        var properties: [(key: String, value: JSONTree)] = LeadText.allCases.map { text in
            if text == .severity { return (text.name, ["enum": ["info", "warning", "critical"]]) }
            let string: JSONTree = ["type": "string", "maxLength": .number(Double(text.bytes))]
            let form: JSONTree = text.mayBeNumber ? ["anyOf": [string, ["type": "integer"]]] : string
            return (text.name, form.adding([("description", .text(about[text] ?? ""))]))
        }
        properties += [
            ("lat", ["type": "number", "minimum": -90, "maximum": 90, "description": "Degrees WGS-84; with lon."]),
            ("lon", ["type": "number", "minimum": -180, "maximum": 180]),
        ]
        return [
            "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:patrol:schema:lead:1",
            "description": "A matter that a person or another system reports. Its place: a site, an area, or lat and lon.",
            "type": "object", "required": ["matter"], "properties": .object(properties),
            "anyOf": [["required": ["site"]], ["required": ["area"]], ["required": ["lat", "lon"]]],
        ]
    }()
}
