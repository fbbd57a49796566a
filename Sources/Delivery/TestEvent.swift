import Foundation
import Telemetry

/// The event of `patrol outlets test`: it is no part of the stream and says so.
enum TestEvent {
    static func json(
        outlet: String, at: Timestamp = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)),
        id: String = "test-\(UUID().uuidString.lowercased())"
    ) -> [UInt8] {
        var data = JSONObject()
        data.add("outlet", outlet)
        data.add("test", raw: "true")
        data.add("note", "a test by 'patrol outlets test': nothing has happened")
        let event = CloudEvent.event(type: "patrol.test", subject: "test", at: at, source: "/patrol", data: data)
        return Array("{\"specversion\":\"1.0\",\"id\":\"\(id)\",".utf8) + Array(event.utf8.dropFirst())
    }
}
