import Store
import Testing

@testable import Delivery

/// Positions, epochs, rendering, choosing: the pure parts of the stream.
@Suite struct StreamPartsTests {
    @Test func positionsAreRead() {
        #expect(StreamPosition("5f0c11d2-417") == StreamPosition(epoch: "5f0c11d2", sequence: 417))
        #expect(StreamPosition("417") == StreamPosition(epoch: nil, sequence: 417))
        #expect(StreamPosition("5f0c11d2-417")?.description == "5f0c11d2-417")
        for text in ["", "-", "-1", "a-", "a-b-1", "x", "1.5", "a b-1", "a-٣", "99999999999999999999", "a-+1"] {
            #expect(StreamPosition(text) == nil, "\(text)")
        }
    }

    /// Every position of a small world: three epochs, of which the second and third begin where a backup ended.
    @Test func positionsAreJudged() {
        let epochs = Epochs([
            EpochMark(firstSequence: 1, epoch: "a"), EpochMark(firstSequence: 4, epoch: "b"),
            EpochMark(firstSequence: 6, epoch: "c"),
        ])
        let ends: [(String, Int64)] = [("a", 3), ("b", 5), ("c", 8)]
        for (epoch, end) in ends {
            for number in Int64(0)...10 {
                let reset = epochs.judge(StreamPosition(epoch: epoch, sequence: number), last: 8)
                #expect((reset == nil) == (number <= end), "\(epoch)-\(number)")
                #expect(reset == nil || reset?.after.sequence == end)
            }
        }
        #expect(epochs.judge(StreamPosition(epoch: "x", sequence: 2), last: 8)?.after.sequence == 0)
        #expect(epochs.judge(StreamPosition(epoch: "x", sequence: 0), last: 8) == nil)
        #expect(epochs.judge(StreamPosition(epoch: nil, sequence: 9), last: 8)?.after.sequence == 8)
        #expect((1...8).map { epochs.epoch(of: $0) }.joined() == "aaabbccc")
    }

    @Test func anEventHasItsPlace() {
        let event = event(417, epoch: "5f0c11d2", CloudEvent.event(
            type: "patrol.alert.firing", subject: "a1", at: .init(milliseconds: 0), source: "/patrol/x", area: "330110",
            severity: "warning", rule: "r\"1", data: ["id": "a1"]))
        #expect(
            String(decoding: event.json, as: UTF8.self) == """
                {"specversion":"1.0","id":"5f0c11d2-417","sequence":"0000000000000417","epoch":"5f0c11d2","source":"/patrol/x",\
                "type":"patrol.alert.firing","subject":"a1","time":"1970-01-01T00:00:00.000Z",\
                "datacontenttype":"application/json","dataschema":"urn:patrol:schema:alert:1","area":"330110",\
                "severity":"warning","rule":"r\\"1","data":{"id":"a1"}}
                """)
        let attributes = event.attributes
        #expect(attributes.type == "patrol.alert.firing" && attributes.subject == "a1" && attributes.area == "330110")
        #expect(attributes.severity == "warning" && attributes.rule == "r\\\"1")
    }

    @Test func attributesOfOddTextDoNotTrap() {
        for text in ["", "{", "{}", "{\"", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1,\"type\":\"x\"}", "{\"type\":\"x\\", "[]"] {
            #expect(EventAttributes(Array(text.utf8)) == EventAttributes())
        }
    }

    @Test func filtersChoose() {
        var event = EventAttributes()
        (event.type, event.area, event.severity, event.rule) = ("patrol.alert.firing", "330110012003", "critical", "noise")
        #expect(EventFilter().matches(event))
        #expect(EventFilter(types: ["patrol.task.*", "patrol.alert.firing"]).matches(event))
        #expect(EventFilter(types: ["patrol.*"], areas: ["330110012"], severities: ["critical"], rules: ["noise"]).matches(event))
        for filter in [
            EventFilter(types: ["patrol.alert"]), EventFilter(areas: ["330110013"]), EventFilter(severities: ["warning"]),
            EventFilter(types: ["patrol.*"], rules: ["other"]),
        ] { #expect(!filter.matches(event)) }
        #expect(!EventFilter(severities: ["critical"]).matches(EventAttributes()))
    }

    /// Every order in which four events can be done.
    @Test func progressIsWhatIsDoneWithoutAHole() {
        func orders(_ left: [Int64]) -> [[Int64]] {
            left.isEmpty ? [[]] : left.flatMap { one in orders(left.filter { $0 != one }).map { [one] + $0 } }
        }
        for order in orders([11, 12, 13, 14]) {
            var progress = OutletProgress(delivered: 10)
            for number in Int64(11)...14 { progress.take(number, at: number * 1000) }
            var done: Set<Int64> = []
            for number in order {
                let moved = progress.done(number)
                done.insert(number)
                let whole = (Int64(11)...14).prefix { done.contains($0) }.last ?? 10
                #expect(progress.delivered == whole)
                #expect(moved == (done.contains(11) && whole >= number ? whole : nil))
                #expect(progress.oldestAt == (whole == 14 ? nil : (whole + 1) * 1000))
                #expect(progress.done(number) == nil)
            }
            #expect(progress.open == 0)
        }
    }
}

/// An event of a stream whose only epoch is `epoch`.
func event(
    _ sequence: Int64, epoch: String = "e", _ payload: String = "{\"type\":\"patrol.alert.firing\"}", retained: String? = nil,
    isEnd: Bool = false, at: Int64 = 1000
) -> StreamEvent {
    StreamEvent(
        OutboxRow(
            sequence: sequence, at: at, topic: "p/out/alerts/330110/warning", payload: payload, retainedTopic: retained,
            isEnd: isEnd),
        epochs: Epochs([EpochMark(firstSequence: 1, epoch: epoch)]))
}
