import Foundation
import Logging
import Ring
import Store
import Synchronization
import Telemetry
import Testing

@testable import Pipeline

private let start: Int64 = 1_717_768_800_000

private func loud(from second: Int64 = 0, count: Int = 5) -> [Script] {
    (0..<count).map { Script(ts: start + (second + Int64($0)) * 1000, level: $0 == 0 ? 60 : 75) }
}

/// What was answered, in the order of the answers.
final class Answers: Sendable {
    private let list = Mutex<[ActionAnswer]>([])
    func add(_ answer: ActionAnswer) { list.withLock { $0.append(answer) } }
    var all: [ActionAnswer] { list.withLock { $0 } }
    var refusals: [String] {
        all.compactMap { if case .refused(let refusal) = $0 { refusal.description } else { nil } }
    }
}

extension Rig {
    /// A life in which readings come and then actions, one batch.
    @discardableResult
    func run(_ readings: [Script], then actions: [Action]) throws -> Answers {
        let inbox = Inbox()
        let answers = Answers()
        for action in actions { inbox.submit(action) { answers.add($0) } }
        try run(readings, inbox: inbox)
        return answers
    }
}

@Suite struct ActionTests {
    private let ack = Action("alert.ack", subject: "a", author: "王敏", fields: ["why": .text("seen")])

    @Test func anAcknowledgementIsCommittedLoggedPublishedAndAnswered() throws {
        let rig = try Rig()
        let answers = try rig.run(loud(), then: [ack])
        #expect(answers.refusals == [])
        #expect(try rig.lines("SELECT what, who, role, text, at - \(start) FROM alert_note") == ["acknowledged 王敏 operator seen 4000"])
        #expect(try rig.lines("SELECT seq, after_input, clock - \(start), name, subject, author, fields FROM engine_input")
            == ["1 5 4000 alert.ack a 王敏 {\"why\":\"seen\"}"])
        #expect(try rig.lines("SELECT count(*) FROM outbox WHERE payload LIKE '%patrol.alert.acknowledged%'") == ["1"])
    }

    @Test func theSecondIsToldWhoWasFirst() throws {
        let rig = try Rig()
        var second = ack
        second.author = "李强"
        let answers = try rig.run(loud(), then: [ack, second])
        #expect(answers.refusals.count == 1)
        #expect(answers.refusals[0].contains("王敏 has acknowledged"))
        #expect(answers.refusals[0].contains("possible now: comment"))
        #expect(try rig.lines("SELECT count(*) FROM alert_note") == ["1"])
        #expect(try rig.lines("SELECT count(*) FROM engine_input") == ["1"], "what is refused is no input")
    }

    @Test func whatCannotBeAppliedSaysWhy() throws {
        let rig = try Rig()
        try rig.run(loud())
        let cases: [(Action, ActionRefusal.Cause, String)] = [
            (Action("alert.ack", subject: "zz", author: "王"), .unknown, "no alert has the id 'zz'"),
            (Action("alert.ack", subject: "a", author: ""), .invalid, "names its author"),
            (Action("alert.comment", subject: "a", author: "王"), .invalid, "needs the field 'text'"),
            (Action("alert.comment", subject: "a", author: "王", fields: ["text": .text(" ")]), .invalid, "text is empty"),
            (Action("alert.ack", subject: "a", author: "王", fields: ["whi": .text("x")]), .invalid, "no field 'whi'"),
            (Action("alert.eat", subject: "a", author: "王"), .unknown, "no action 'alert.eat'"),
            (
                Action("alert.comment", subject: "a", author: "王", fields: ["text": .text(String(repeating: "x", count: 2001))]),
                .invalid, "2001 bytes"
            ),
        ]
        for (action, cause, words) in cases {
            let answers = try rig.run([], then: [action])
            guard case .refused(let refusal)? = answers.all.first else {
                Issue.record("\(action) was not refused")
                continue
            }
            #expect(refusal.cause == cause && refusal.message.contains(words), "\(refusal)")
        }
        #expect(try rig.lines("SELECT count(*) FROM engine_input") == ["0"])
    }

    /// Many alerts of one meter, and after each part of the recording a remark on one of them.
    private func session(seed: UInt64) -> [(readings: [Script], actions: [Action])] {
        var dice = DeterminismTests.Dice(state: seed)
        return (0..<12).map { part in
            (
                loud(from: Int64(part) * 60, count: 4 + dice.roll(3)) + [Script(ts: start + Int64(part) * 60_000 + 30_000, level: 50)],
                (0..<1 + dice.roll(5)).map { Action("alert.comment", subject: "a\(String(dice.roll(16), radix: 16))", author: "王\($0)", fields: ["text": .text("\(part)")]) }
            )
        }
    }

    @Test(arguments: UInt64(1)...3)
    func aRestartAtEveryInputGivesTheSame(seed: UInt64) throws {
        let parts = session(seed: seed)
        let undisturbed = try Rig()
        try undisturbed.run(parts.map { ($0.readings, $0.actions) })
        #expect(try undisturbed.lines("SELECT count(*) > 2 FROM alert_note") == ["1"], "seed \(seed) tests nothing")
        let killed = try Rig()
        for part in parts {
            for reading in part.readings { try killed.run([reading], killed: true) }
            for action in part.actions { try killed.run([], then: [action]) }
        }
        try killed.run([])
        #expect(try killed.everything() == undisturbed.everything(), "seed \(seed)")
    }

    /// A store that takes a batch only without the bad row still commits the actions beside it.
    @Test func aRowThatSQLiteRefusesTakesNoActionWithIt() throws {
        let rig = try Rig()
        try rig.run(loud())
        try rig.execute("CREATE TRIGGER no BEFORE INSERT ON noise_raw WHEN new.ts = \(start + 7000) BEGIN SELECT RAISE(ABORT, 'no'); END")
        let answers = try rig.run(
            [Script(ts: start + 6000, level: 75), Script(ts: start + 7000, level: 75), Script(ts: start + 8000, level: 75)],
            then: [ack, Action("alert.comment", subject: "a", author: "李", fields: ["text": .text("x")])])
        #expect(answers.all.count == 2 && answers.refusals == [])
        #expect(try rig.lines("SELECT what FROM alert_note ORDER BY seq") == ["acknowledged", "comment"])
        #expect(try rig.lines("SELECT count(*) FROM noise") == ["7"])
        #expect(try rig.lines("SELECT reason FROM reject") == ["unsupported"])
    }

    @Test func anActionThatSQLiteRefusesTakesNoReadingWithIt() throws {
        let rig = try Rig()
        try rig.run(loud())
        try rig.execute("CREATE TRIGGER no BEFORE INSERT ON alert_note WHEN new.who = '李' BEGIN SELECT RAISE(ABORT, 'no'); END")
        let answers = try rig.run(
            [Script(ts: start + 6000, level: 75)],
            then: [Action("alert.comment", subject: "a", author: "李", fields: ["text": .text("x")]), ack])
        #expect(answers.refusals.count == 1 && answers.all.count == 2)
        #expect(try rig.lines("SELECT what FROM alert_note") == ["acknowledged"])
        #expect(try rig.lines("SELECT count(*) FROM noise") == ["6"])
    }

    @Test func afterTheEndNothingIsTaken() async throws {
        let inbox = Inbox()
        inbox.close()
        #expect(await inbox.submit(ack) == .refused(Inbox.ending))
    }

    @Test func actionsOfManyThreadsAreEachAnsweredOnce() throws {
        let rig = try Rig()
        try rig.run(loud())
        let store = try StoreWriter(path: rig.path)
        let ring = Ring<Slot>(capacity: 4096)
        let inbox = Inbox(bell: ring.readable)
        let producer = ring.makeProducer()
        nonisolated(unsafe) let processor = try Processor(
            store: store, options: Processor.Options(engine: rig.options), consumer: ring.makeConsumer(),
            signals: CommitSignals(ringBell: ring.readable), inbox: inbox, status: PipelineStatus(),
            logger: Logger(label: "test"), publish: { _ in })
        let thread = WorkerThread { unsafe try! processor.run() }
        thread.start()
        let answers = Answers()
        let asked = 200
        let open = DispatchGroup()
        DispatchQueue.concurrentPerform(iterations: asked) { index in
            open.enter()
            inbox.submit(Action("alert.ack", subject: "a", author: "P\(index)")) {
                answers.add($0)
                open.leave()
            }
        }
        open.wait()
        producer.close()
        thread.join()
        store.close()
        #expect(answers.all.count == asked)
        #expect(answers.refusals.count == asked - 1)
        #expect(try rig.lines("SELECT count(*) FROM alert_note") == ["1"])
    }

    /// Two operators assign, acknowledge and close the same tasks at once. PATROL_RACES=3334 makes it 10,002 contests.
    @Test func ofTwoOperatorsOneWinsAndTheOtherIsToldWho() throws {
        let tasks = ProcessInfo.processInfo.environment["PATROL_RACES"].flatMap(Int.init) ?? 200
        let rig = try Rig()
        let store = try StoreWriter(path: rig.path)
        let ring = Ring<Slot>(capacity: 4096)
        let inbox = Inbox(bell: ring.readable)
        let producer = ring.makeProducer()
        nonisolated(unsafe) let processor = try Processor(
            store: store, options: Processor.Options(engine: rig.options, ticks: false), consumer: ring.makeConsumer(),
            signals: CommitSignals(ringBell: ring.readable), inbox: inbox, status: PipelineStatus(), logger: Logger(label: "test"),
            publish: { _ in })
        let thread = WorkerThread { unsafe try! processor.run() }
        thread.start()

        /// Submits for every task at once by each author; the answers by task.
        func all(_ verb: String, by authors: [String], _ fields: @escaping @Sendable (String) -> [String: ActionValue]) -> [[ActionAnswer]] {
            // No more at once than the inbox takes.
            let room = DispatchSemaphore(value: Inbox.actionLimit / 2)
            let answers = Mutex<[[ActionAnswer]]>(Array(repeating: [], count: tasks))
            let open = DispatchGroup()
            DispatchQueue.concurrentPerform(iterations: authors.count) { index in
                for number in 0..<tasks {
                    let id = Identifier.lead(kind: "dust", reference: "n\(number)")
                    let isNew = verb == "new"
                    var fields = fields(authors[index])
                    if isNew { (fields["kind"], fields["site"], fields["source"]) = (.text("dust"), .text("s\(number)"), .text("n\(number)")) }
                    let action = Action("task.\(verb)", subject: isNew ? "" : id, author: authors[index], fields: fields)
                    open.enter()
                    room.wait()
                    inbox.submit(action) { answer in
                        answers.withLock { $0[number].append(answer) }
                        room.signal()
                        open.leave()
                    }
                }
            }
            open.wait()
            return answers.withLock { $0 }
        }
        let operators = ["王敏", "李强"]
        var contests = 0
        for step in ["new", "assign", "ack", "arrive", "dispose", "feedback", "close"] {
            let isContested = ["assign", "ack", "close"].contains(step)
            let answers = all(step, by: isContested ? operators : ["赵"]) { author in
                switch step {
                case "assign": ["unit": .text("u-\(author)")]
                case "feedback": ["text": .text("swept")]
                default: [:]
                }
            }
            for pair in answers {
                let refusals = pair.compactMap { if case .refused(let refusal) = $0 { refusal } else { nil } }
                guard pair.count - refusals.count == 1, refusals.count == (isContested ? 1 : 0) else {
                    Issue.record("\(step): \(pair)")
                    continue
                }
                if isContested {
                    contests += 1
                    #expect(operators.contains { refusals[0].message.contains($0) }, "\(refusals[0])")
                }
            }
        }
        producer.close()
        thread.join()
        store.close()
        #expect(contests == 3 * tasks)
        #expect(try rig.lines("SELECT stage, count(*) FROM task GROUP BY stage") == ["closed \(tasks)"])
        // Whom the refused were told of is who did it.
        #expect(try rig.lines("SELECT count(*) FROM task_event WHERE what IN ('assigned', 'acknowledged', 'closed')") == ["\(3 * tasks)"])
    }
}
