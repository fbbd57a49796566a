import Store
import Testing

@testable import API

@Suite struct StreamTests {
    @Test func framesFollowTheFormat() {
        let alert = OutboxRow(sequence: 7, topic: "out", payload: "{\"a\":1}", retainedTopic: "state")
        #expect(StreamRoutes.frame(alert) == "id: 7\nevent: alert\ndata: {\"a\":1}\n\n")
        let task = OutboxRow(sequence: 8, topic: "out", payload: "{\n}")
        #expect(StreamRoutes.frame(task) == "id: 8\nevent: task\ndata: {\ndata: }\n\n")
    }

    @Test func textIsQuoted() {
        #expect(JSONText.quoted("a\"\\\n\u{1}\u{2028}好") == "\"a\\\"\\\\\\n\\u0001\\u2028好\"")
    }
}
