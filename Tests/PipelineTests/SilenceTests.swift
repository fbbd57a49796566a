import Foundation
import Rules
import Settings
import Store
import Telemetry
import Testing

@testable import Pipeline

/// What a silence holds back, and that no restart changes it.
@Suite struct SilenceTests {
    static let start = RuleRestartTests.start

    private func readings(_ seconds: ClosedRange<Int64>, _ level: Double, devices: [UInt32] = [0, 1]) -> [Script] {
        seconds.flatMap { second in
            devices.map { Script(device: $0, ts: Self.start + second * 1000, level: level, received: Self.start + second * 1000) }
        }
    }

    private func add(until second: Int64, _ match: [String: ActionValue]) -> Action {
        Action(
            "silence.add", author: "王敏",
            fields: match.merging(["reason": .text("announced"), "until": .number(Double(Self.start + second * 1000))]) { old, _ in old })
    }

    @discardableResult
    private func run(_ rig: Rig, _ readings: [Script], _ actions: [Action] = [], killed: Bool = false) throws -> Answers {
        let inbox = Inbox(), answers = Answers()
        for action in actions { inbox.submit(action) { answers.add($0) } }
        try rig.run(readings, killed: killed, inbox: inbox)
        return answers
    }

    /// What happened to an alert's device: type, and whether it is silenced.
    private func events(_ rig: Rig, _ device: String) throws -> [String] {
        try rig.lines(
            """
            SELECT replace(json_extract(payload, '$.type'), 'patrol.alert.', ''),
              iif(json_extract(payload, '$.data.silenced_by') IS NULL, 'speaks', 'silenced'),
              (json_extract(payload, '$.data.unsilenced_at') - \(Self.start)) / 1000
            FROM outbox WHERE json_extract(payload, '$.data.device') = '\(device)' AND json_extract(payload, '$.type') LIKE 'patrol.alert.%'
            ORDER BY seq
            """)
    }

    private func tasks(_ rig: Rig) throws -> [String] {
        try rig.lines(
            """
            SELECT a.device, (t.created_at - \(Self.start)) / 1000, stage FROM task t JOIN alert a ON a.id = t.alert_id
            ORDER BY t.created_at, a.device
            """)
    }

    private func all(_ rig: Rig) throws -> [String] {
        try rig.everything() + rig.lines("SELECT * FROM silence ORDER BY number") + rig.lines("SELECT * FROM alert_detail ORDER BY alert_id")
    }

    @Test func aSilencedAlertMakesItsTaskWhenTheSilenceEnds() throws {
        func lives(killed: Bool) throws -> Rig {
            let rig = try Rig()
            try run(rig, readings(0...0, 75), [add(until: 10, ["devices": .list(["d0"])])], killed: killed)
            if killed {
                for reading in readings(1...20, 75) + readings(21...22, 60) { try run(rig, [reading], killed: true) }
            } else {
                try run(rig, readings(1...20, 75) + readings(21...22, 60))
            }
            try run(rig, [])
            return rig
        }
        let rig = try lives(killed: false)
        // d1 is none of its business; d0 speaks with the first reading at the end of the silence.
        #expect(try tasks(rig) == ["d1 2 reported", "d0 10 reported"])
        #expect(try events(rig, "d0") == ["firing silenced -", "firing speaks 10", "resolved speaks -"])
        #expect(try events(rig, "d1") == ["firing speaks -", "resolved speaks -"])
        #expect(try rig.lines("SELECT device, state, (fired_at - \(Self.start)) / 1000 FROM alert ORDER BY device") == ["d0 resolved 3", "d1 resolved 3"])
        #expect(try rig.lines("SELECT json_extract(payload, '$.type') FROM outbox WHERE topic = 'patrol/v1/out/silences' ORDER BY seq")
            == ["patrol.silence.created", "patrol.silence.expired"])
        #expect(try rig.lines("SELECT name FROM engine_input ORDER BY seq") == ["silence.add"])
        let (killed, whole) = (try all(lives(killed: true)), try all(rig))
        #expect(killed.elementsEqual(whole), "\(killed.difference(from: whole))")
    }

    @Test func oneThatEndsWhileSilencedIsOnRecordAndMakesNoTask() throws {
        let rig = try Rig()
        try run(rig, readings(0...0, 75), [add(until: 100, ["rules": .list(["lo*"]), "kinds": .list(["noise"])])])
        try run(rig, readings(1...5, 75) + readings(6...7, 60))
        #expect(try tasks(rig).isEmpty)
        #expect(try events(rig, "d0") == ["firing silenced -", "resolved silenced -"])
        #expect(try rig.lines("SELECT count(*) FROM alert_detail WHERE silenced_by IS NOT NULL") == ["2"])
    }

    @Test func endedByHandOrHeldByAnother() throws {
        func lives(killed: Bool) throws -> Rig {
            let rig = try Rig()
            try run(
                rig, readings(0...0, 75), [add(until: 900, ["devices": .list(["d0", "d1"])]), add(until: 12, ["devices": .list(["d1"])])],
                killed: killed)
            try run(rig, readings(1...5, 75), killed: killed)
            let id = Identifier.silence(number: 1)
            let answers = try run(
                rig, readings(6...6, 75),
                [Action("silence.expire", subject: String(id.prefix(8)), author: "李强"), Action("silence.expire", subject: id, author: "李强")],
                killed: killed)
            #expect(answers.all.count == 2 && answers.refusals.count == 1, "\(answers.refusals)")
            for reading in readings(7...15, 75) { try run(rig, [reading], killed: killed) }
            try run(rig, [])
            return rig
        }
        let rig = try lives(killed: false)
        #expect(try tasks(rig) == ["d0 6 reported", "d1 12 reported"])
        #expect(try events(rig, "d1") == ["firing silenced -", "firing speaks 12"])
        #expect(try rig.lines("SELECT ended_by, (ended_at - \(Self.start)) / 1000 FROM silence ORDER BY number") == ["李强 6", "- 12"])
        let (killed, whole) = (try all(lives(killed: true)), try all(rig))
        #expect(killed.elementsEqual(whole), "\(killed.difference(from: whole))")
    }

    /// Only warnings are silenced: what grows critical speaks.
    @Test func whatGrowsWorseSpeaks() throws {
        var rule = Rig.loud
        rule.escalations = [.init(to: .critical, when: .beyond(90))]
        let rig = try Rig(rules: [rule])
        try run(rig, readings(0...0, 75), [add(until: 900, ["severities": .list(["warning"])])])
        try run(rig, readings(1...5, 75) + readings(6...6, 95, devices: [1]) + readings(7...7, 75))
        #expect(try tasks(rig) == ["d1 6 reported"])
        #expect(try events(rig, "d1") == ["firing silenced -", "escalated speaks -", "firing speaks 6"])
    }

    /// Whoever ends a silence while Patrol is down: the next Patrol lets the alert speak.
    @Test func endedAtRest() throws {
        let rig = try Rig()
        try run(rig, readings(0...0, 75), [add(until: 900, ["devices": .list(["d0"])])])
        try run(rig, readings(1...5, 75))
        #expect(try tasks(rig) == ["d1 2 reported"])
        let answer = try ChangeAtRest.apply(
            Action("silence.expire", subject: Identifier.silence(number: 1), author: "王敏"), storePath: rig.path, settings: nil)
        guard case .done = answer else { return #expect(Bool(false), "\(answer)") }
        #expect(try tasks(rig) == ["d1 2 reported"])
        // At rest the clock is the wall's; the readings of this test are of long ago.
        try rig.execute("UPDATE silence SET ends_at = \(Self.start + 5000)")
        try run(rig, readings(6...6, 75))
        #expect(try tasks(rig) == ["d1 2 reported", "d0 6 reported"])
    }

    @Test func refusedWithAReason() throws {
        let rig = try Rig()
        let answers = try run(
            rig, readings(0...0, 60),
            [
                add(until: 900, [:]), add(until: -5, ["kinds": .list(["noise"])]), add(until: 900, ["rules": .list(["lout"])]),
                add(until: 900, ["severities": .list(["bad"])]), add(until: 400 * 86_400, ["kinds": .list(["noise"])]),
            ])
        #expect(answers.refusals.count == 5, "\(answers.all)")
        let fields = answers.all.map { if case .refused(let refusal) = $0 { refusal.field ?? "-" } else { "done" } }
        #expect(fields == ["-", "until", "rules", "severities", "until"])
        #expect(try rig.lines("SELECT count(*) FROM silence") == ["0"])
    }

    @Test func eachMatcher() {
        let at = Timestamp(milliseconds: 1_000_000)
        let alert = Alert(
            id: "a1", rule: "noise-night", device: "m1", kind: .noise, deviceNumber: 0, site: "s1", area: "330110012003", severity: "warning",
            state: "firing", startedAt: at, firedAt: at, resolvedAt: nil, value: 1)
        func holds(_ match: [Silence.Matcher: [String]], at moment: Timestamp = at) -> Bool {
            Silence(
                id: "s", author: "a", role: "operator", reason: "r", createdAt: at, startsAt: at, endsAt: at + 1000, match: match
            ).holds(for: alert, at: moment, areas: .empty)
        }
        let fitting: [Silence.Matcher: [String]] = [
            .rules: ["x", "noise-*"], .devices: ["m1"], .sites: ["s*"], .areas: ["330110012"], .severities: ["warning", "info"], .kinds: ["noise"],
        ]
        let others: [Silence.Matcher: [String]] = [
            .rules: ["noise"], .devices: ["m"], .sites: ["s2"], .areas: ["330110013"], .severities: ["critical"], .kinds: ["vehicle"],
        ]
        #expect(holds(fitting))
        for matcher in Silence.Matcher.allCases {
            #expect(holds([matcher: fitting[matcher]!]))
            #expect(!holds(fitting.merging([matcher: others[matcher]!]) { $1 }), "\(matcher)")
        }
        #expect(!holds(fitting, at: at + -1) && !holds(fitting, at: at + 1000))
    }
}

/// What an alert's event says.
@Suite struct AlertEventTests {
    @Test func textsLimitStandardCoverageAndReadings() throws {
        let world = try RuleRestartTests.world()
        let rules = try RuleFile.parse(
            """
            rules:
              - id: night
                title: { en: "Night works", zh: "夜间施工" }
                text: { en: "{value} {unit}, {period} limit {limit}, {device}: measure", zh: "{value} {unit}，{period}限值 {limit}，{device}：测量" }
                on: noise
                condition: { metric: laeq, window: 20s, above: 66, coverage: 50 }
                severity: warning
              - { id: plain, on: noise, condition: { metric: laeq, above: 69 }, severity: info }
              - { id: two, on: noise, condition: { metric: laeq, above: 69 }, severity: info, group: { by: team, at_least: 2 } }
            """, path: "r.yaml", world: world)
        let rig = try Rig(rules: rules)
        rig.options.world = world
        let start = SilenceTests.start
        try rig.run([Script(ts: start - 60_000, level: 50)])
        try rig.execute("UPDATE device SET team = 't1'")
        try rig.run((0..<12).flatMap { second in [UInt32(0), 1].map { Script(device: $0, ts: start + second * 1000, level: 72) } })
        func data(_ rule: String) throws -> [String: Any] {
            let line = try rig.lines(
                "SELECT json_extract(payload, '$.data') FROM outbox WHERE json_extract(payload, '$.data.rule') = '\(rule)' ORDER BY seq").first ?? "{}"
            return try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        let night = try data("night")
        #expect(night["message"] as? [String: String] == ["en": "72 dB(A), day limit 66, d0: measure", "zh": "72 dB(A)，昼间限值 66，d0：测量"])
        #expect(night["limit"] as? Double == 66 && night["coverage"] as? Double == 0.5)
        // Half a window after the first reading; it stands on what its window may hold.
        let readings = try #require(night["readings"] as? [String: Any])
        #expect(readings["metric"] as? String == "laeq")
        #expect(readings["from"] as? Int64 == start + 9000 - 20_000 && readings["until"] as? Int64 == start + 10_000)
        // A rule without a text says value, limit and place.
        let plain = try data("plain")
        #expect(plain["message"] as? [String: String] == ["en": "72 dB(A), limit 69: d0", "zh": "72 dB(A)，限值 69：d0"])
        #expect(plain["coverage"] == nil && plain["reason"] == nil)
        #expect(try data("two")["devices"] as? [String] == ["d0", "d1"])
        // The end says why, and the rule that is gone still has its words.
        rig.options.rules = RuleSet(rules.filter { $0.id != "plain" })
        try rig.run([Script(ts: start + 12_000, level: 72)])
        let last = try rig.lines(
            """
            SELECT json_extract(payload, '$.data.reason'), json_extract(payload, '$.data.message.en') FROM outbox
            WHERE json_extract(payload, '$.type') = 'patrol.alert.resolved' AND json_extract(payload, '$.data.device') = 'd0'
            """)
        #expect(last == ["rule 72 dB(A), limit 69: d0"])
    }
}
