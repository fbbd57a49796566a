import Foundation
import Store
import Testing

@testable import Delivery

@Suite struct TaskAdapterTests {
    private func told(_ json: String) -> StreamEvent {
        StreamEvent(DeadLetter(outlet: "", sequence: 418, event: "5f0c11d2-418", at: 0, attempts: 0, reason: "", payload: json))
    }

    @Test func everyAdapterHasANameOfItsOwn() {
        #expect(Set(TaskAdapters.all.map(\.name)).count == TaskAdapters.all.count)
        #expect(TaskAdapters.adapter(named: "ticket")?.name == "ticket" && TaskAdapters.adapter(named: "none") == nil)
    }

    @Test func aTicketIsTheTaskAsItIsNow() throws {
        let document = try #require(TicketAdapter().document(for: told(Examples.task)))
        let ticket = try #require(try JSONSerialization.jsonObject(with: Data(document.body)) as? [String: Any])
        #expect(ticket["status"] as? String == "new" && ticket["priority"] as? Int == 2 && ticket["category"] as? String == "noise-check")
        #expect((ticket["reference"] as? String)?.hasPrefix("t") == true && ticket["due"] as? String == "2026-06-07T14:15:30.000Z")
        #expect(TicketAdapter().document(for: told(Examples.alerts[0])) == nil)
    }

    @Test func answersAreRead() throws {
        func answer(_ adapter: any TaskAdapter, _ text: String) throws -> TaskAnswer? { try adapter.answer(Array(text.utf8)) }
        for adapter in TaskAdapters.all {
            #expect(try answer(adapter, "") == nil && answer(adapter, "{}") == nil)
            #expect(throws: OutletProblem.self) { try answer(adapter, "<html>") }
        }
        #expect(try answer(TicketAdapter(), #"{"ticket":"T-1","status":"on_site","agent":"陈","x":[1]}"#)
            == TaskAnswer(["number": .text("T-1"), "stage": .text("on_site"), "by": .text("陈")]))
        #expect(try answer(CloudEventsAdapter(), #"{"number":"7","stage":"feedback","laeq":52.1,"measures":["a"]}"#)
            == TaskAnswer(["number": .text("7"), "stage": .text("feedback"), "laeq": .number(52.1), "measures": .list(["a"])]))
        #expect(throws: OutletProblem.self) { try answer(CloudEventsAdapter(), #"{"number":{}}"#) }
        #expect(TicketAdapter().stage("resolved") == "disposed" && TicketAdapter().stage("disposed") == nil)
    }
}
