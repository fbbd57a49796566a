import Foundation
import Telemetry
import Testing

@testable import Delivery

/// The documents are JSON, refer only to what they hold, and their examples have the members that real events have.
@Suite struct DocumentTests {
    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    private func references(_ value: Any) -> [String] {
        if let object = value as? [String: Any] {
            return (object["$ref"] as? String).map { [$0] } ?? object.values.flatMap(references)
        }
        return (value as? [Any])?.flatMap(references) ?? []
    }

    @Test func everyReferenceLeadsSomewhere() throws {
        let document = try object(AsyncAPI.document(topicRoot: "city/v2", version: "1"))
        let found = references(document)
        #expect(found.count > 20)
        for reference in Set(found) {
            var place: Any? = document
            for part in reference.dropFirst(2).split(separator: "/") { place = (place as? [String: Any])?[String(part)] }
            #expect(place != nil, "\(reference)")
        }
        let channels = try #require(document["channels"] as? [String: [String: Any]])
        #expect(channels.values.allSatisfy { ($0["address"] as? String)?.hasPrefix("city/v2/") == true })
        // Each level in braces is described.
        for (name, channel) in channels {
            let address = channel["address"] as! String
            let named = Set(address.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) })
            #expect(named == Set((channel["parameters"] as? [String: Any] ?? [:]).keys), "\(name)")
        }
    }

    @Test func everyKindHasASchema() throws {
        for kind in Kind.allCases {
            let schema = try #require(Schemas.schema(named: "\(kind.name).1")).tree.json
            for field in kind.description.fields { #expect(schema.contains("\"\(field.name)\""), "\(field.name)") }
        }
        #expect(Set(Schemas.all.map(\.name)).count == Schemas.all.count)
    }

    @Test func examplesAreWhatIsSent() throws {
        let firing = try object(Examples.alerts[0])
        #expect(firing["id"] as? String == "5f0c11d2-417" && firing["sequence"] as? String == "0000000000000417")
        let data = try #require(firing["data"] as? [String: Any])
        #expect(data["id"] as? String == firing["subject"] as? String)
        #expect((try object(Examples.task)["data"] as? [String: Any])?["alert_id"] as? String == data["id"] as? String)
        for text in Examples.alerts + [Examples.task, Examples.test, Examples.reject, Examples.status] + Kind.allCases.map({ Examples.payload($0).json }) {
            _ = try object(text)
        }
    }
}
