import Telemetry
import Testing

@testable import Delivery

@Suite struct AlertmanagerStateTests {
    private func alert(_ id: String, ended: Bool = false) -> AlertmanagerAlert {
        let type = ended ? "resolved" : "firing"
        return AlertmanagerAlert(
            event: Array(
                """
                {"type":"patrol.alert.\(type)","data":{"id":"\(id)","rule":"loud","device":"m1","area":"330110","severity":"warning",\
                "title":{"en":"Loud","zh":"吵"},"fired_at":1000,"value":74.5,"unit":"dB(A)"\(ended ? ",\"resolved_at\":9000" : "")}}
                """.utf8))!
    }

    private func read(_ state: inout AlertmanagerState, _ events: [(Int64, AlertmanagerAlert?)], now: Int64 = 0) -> Int64? {
        guard case .read = state.next(now: now) else {
            Issue.record("must read")
            return nil
        }
        let alerts = events.reduce(into: [Int64: [AlertmanagerAlert]]()) { $0[$1.0] = $1.1.map { [$0] } }
        return state.took(EventPage(events: events.map { event($0.0) }), alerts: alerts)
    }

    @Test func anAlertIsWrittenAsTheAPITakesIt() {
        #expect(
            alert("a1", ended: true).json(openUntil: .distantPast) == """
                {"labels":{"alertname":"loud","device":"m1","area":"330110","severity":"warning"},"annotations":{"patrol_id":"a1",\
                "summary":"Loud","summary_zh":"吵","value":"74.5 dB(A)"},"startsAt":"1970-01-01T00:00:01.000Z",\
                "endsAt":"1970-01-01T00:00:09.000Z"}
                """)
        #expect(alert("a1").json(openUntil: Timestamp(milliseconds: 5000)).contains("\"endsAt\":\"1970-01-01T00:00:05.000Z\""))
        for text in ["", "{}", "[]", "{\"type\":\"patrol.task.reported\",\"data\":{}}", "{\"type\":\"patrol.alert.firing\",\"data\":5}"] {
            #expect(AlertmanagerAlert(event: Array(text.utf8)) == nil)
        }
    }

    @Test func changesGoAtOnceAndAllAgainLater() {
        var state = AlertmanagerState(delivered: 0, open: [alert("old")])
        #expect(read(&state, [(1, alert("a")), (2, nil), (3, alert("b"))]) == nil)
        // The first round, with what was open before.
        #expect(state.next(now: 0) == .post([alert("a"), alert("b"), alert("old")]))
        #expect(state.next(now: 0) == .wait(milliseconds: nil), "one request at a time")
        #expect(state.posted(now: 0) == 3)
        _ = read(&state, [])
        #expect(state.next(now: 0) == .wait(milliseconds: 60_000))
        #expect(read(&state, [(4, alert("a", ended: true))], now: 5) == nil)
        #expect(state.next(now: 5) == .post([alert("a", ended: true)]))
        #expect(state.posted(now: 5) == 4)
        _ = read(&state, [], now: 60_000)
        #expect(state.next(now: 60_000) == .post([alert("b"), alert("old")]))
    }

    @Test func aFailureIsRepeatedWithWhatIsTrueThen() {
        var state = AlertmanagerState(delivered: 0, open: [])
        _ = read(&state, [(1, alert("a"))])
        #expect(state.next(now: 0) == .post([alert("a")]))
        state.failed(now: 0)
        #expect(state.isFailing)
        guard case .wait(let pause?) = state.next(now: 0) else { Issue.record("must wait"); return }
        #expect((500...1000).contains(pause))
        #expect(state.next(now: pause) == .post([alert("a")]))
        #expect(state.posted(now: pause) == 1)
        #expect(!state.isFailing)
    }

    @Test func manyGoInSeveralRequests() {
        var policy = AlertmanagerState.Policy()
        policy.batch = 2
        var state = AlertmanagerState(delivered: 0, open: [], policy: policy)
        _ = read(&state, (1...5).map { ($0, alert("a\($0)")) })
        var told: [Int] = []
        while case .post(let alerts) = state.next(now: 0) {
            told.append(alerts.count)
            _ = state.posted(now: 0)
        }
        #expect(told == [2, 2, 1])
        #expect(state.progress.delivered == 5)
    }

    private func escalated(to severity: String) -> [UInt8] {
        Array(
            """
            {"type":"patrol.alert.escalated","severity":"\(severity)","data":{"id":"a","rule":"loud","device":"m1","area":"330110",\
            "severity":"\(severity)","fired_at":1000,"value":80}}
            """.utf8)
    }

    @Test func aSeverityThatRisesIsAnotherAlert() {
        let told = AlertmanagerAlert.told(by: escalated(to: "critical"), at: Timestamp(milliseconds: 5000))
        #expect(told.map { $0.labels.last?.value } == ["info", "warning", "critical"])
        #expect(told.map(\.endsAt?.milliseconds) == [5000, 5000, nil])
        var state = AlertmanagerState(delivered: 0, open: [])
        _ = read(&state, [(1, alert("a"))])
        _ = state.next(now: 0)
        _ = state.posted(now: 0)
        guard case .read = state.next(now: 0) else { Issue.record("must read"); return }
        _ = state.took(EventPage(events: [event(2)]), alerts: [2: told])
        #expect(state.next(now: 0) == .post(told))
        #expect(state.posted(now: 0) == 2)
        // From then on it is told with its new severity.
        _ = read(&state, [], now: 60_000)
        #expect(state.next(now: 60_000) == .post([told[2]]))
    }

    @Test func whatRisesOutOfTheFilterIsOver() {
        var policy = AlertmanagerState.Policy()
        policy.filter = EventFilter(severities: ["warning"])
        var state = AlertmanagerState(delivered: 0, open: [alert("a")], policy: policy)
        guard case .read = state.next(now: 0) else { Issue.record("must read"); return }
        let rise = escalated(to: "critical")
        let told = AlertmanagerAlert.told(by: rise, at: Timestamp(milliseconds: 5000))
        _ = state.took(EventPage(events: [event(1, String(decoding: rise, as: UTF8.self), at: 5000)]), alerts: [1: told])
        guard case .post(let alerts) = state.next(now: 0) else { Issue.record("must post"); return }
        #expect(alerts == [alert("a").ended(Timestamp(milliseconds: 5000))])
        #expect(state.posted(now: 0) == 1)
        _ = read(&state, [], now: 60_000)
        guard case .wait = state.next(now: 60_000) else { Issue.record("nothing is open"); return }
    }

    @Test func whatIsNotWantedIsPassedOver() {
        var policy = AlertmanagerState.Policy()
        policy.filter = EventFilter(types: ["patrol.task.*"])
        var state = AlertmanagerState(delivered: 0, open: [], policy: policy)
        #expect(read(&state, [(1, alert("a"))]) == 1)
    }
}
