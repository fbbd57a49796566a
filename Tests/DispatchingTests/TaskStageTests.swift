import Telemetry
import Testing

@testable import Dispatching

let start = Timestamp(milliseconds: 1_717_768_800_000)

/// Every stage × every verb, against a table written by hand and not by the code.
@Suite struct TaskStageTests {
    /// A line a verb: the stages in which it is possible, and where it leads.
    static let table = """
        accept   reported returned transferred reopened                                                                    -> accepted
        assign   reported accepted assigned acknowledged set_out returned transferred reopened                             -> assigned
        ack      assigned                                                                                                  -> acknowledged
        set-out  assigned acknowledged                                                                                     -> set_out
        arrive   assigned acknowledged set_out                                                                             -> on_scene
        dispose  on_scene                                                                                                  -> disposed
        feedback disposed feedback                                                                                         -> feedback
        verify   feedback                                                                                                  -> verified
        close    feedback verified                                                                                         -> closed
        return   accepted assigned acknowledged set_out on_scene transferred                                               -> returned
        transfer reported accepted assigned acknowledged set_out on_scene returned reopened                                -> transferred
        suspend  reported accepted assigned acknowledged set_out on_scene returned transferred reopened                    -> suspended
        resume   suspended                                                                                                 -> before
        cancel   reported accepted assigned acknowledged set_out on_scene returned transferred suspended reopened          -> cancelled
        reopen   disposed feedback verified closed cancelled                                                               -> reopened
        merge    reported accepted assigned acknowledged set_out on_scene returned transferred suspended reopened          -> cancelled
        split    reported accepted assigned acknowledged set_out on_scene disposed feedback verified returned transferred suspended reopened -> same
        joint    reported accepted assigned acknowledged set_out on_scene returned transferred suspended reopened          -> same
        plan     reported accepted assigned acknowledged set_out on_scene disposed feedback verified closed returned transferred suspended reopened -> same
        comment  reported accepted assigned acknowledged set_out on_scene disposed feedback verified closed returned transferred suspended cancelled reopened -> same
        """

    struct Row {
        let verb: TaskVerb
        let stages: Set<TaskStage>
        let target: String
    }

    static let rows: [Row] = table.split(separator: "\n").map { line in
        let parts = line.split(separator: "->")
        let words = parts[0].split(separator: " ").map(String.init)
        return Row(
            verb: TaskVerb(rawValue: words[0])!, stages: Set(words.dropFirst().map { TaskStage(rawValue: $0)! }),
            target: parts[1].trimmed)
    }

    @Test func theTableHasEveryVerb() {
        #expect(Self.rows.map(\.verb) == TaskVerb.allCases)
    }

    @Test(arguments: TaskStage.allCases)
    func everyVerbInEveryStage(stage: TaskStage) throws {
        for row in Self.rows {
            let dispatcher = Dispatcher(settings: DispatchSettings())
            let task = Self.task(in: stage)
            dispatcher.restore(task)
            var action = Self.action(row.verb)
            // Another person has sent the unit.
            if row.verb == .assign, let unit = task.unit { action.fields["instead"] = .text(unit) }
            let expected = row.target == "before" ? TaskStage.acknowledged : row.target == "same" ? stage : TaskStage(rawValue: row.target)!
            if [.merge, .split].contains(row.verb) {
                #expect(row.verb.isPossible(in: stage) == row.stages.contains(stage), "\(row.verb) in \(stage)")
                continue
            }
            do {
                let after = try dispatcher.apply(row.verb, to: task.id, action, at: start + 5000)
                #expect(row.stages.contains(stage), "\(row.verb) is possible in \(stage)")
                #expect(after.stage == expected, "\(row.verb) in \(stage)")
                #expect(dispatcher[task.id] == after)
                let events = dispatcher.takeEvents()
                #expect(events.count == 1 && events[0].task == after && events[0].who == "王敏" && events[0].at == start + 5000)
                #expect(events[0].number == task.events + 1)
                #expect(dispatcher.takeChanged() == [after])
            } catch {
                #expect(!row.stages.contains(stage), "\(row.verb) in \(stage): \(error)")
                #expect(error.cause == .conflict && error.message.contains(stage.rawValue) && error.message.contains("李强"))
                #expect(error.possible == Self.rows.filter { $0.stages.contains(stage) }.map(\.verb.rawValue))
                #expect(dispatcher[task.id] == task && !dispatcher.hasEvents && !dispatcher.hasChanged, "refused, and yet changed")
            }
        }
    }

    @Test func everyVerbRefusesEveryRoleButItsOwn() {
        for verb in TaskVerb.allCases where verb != .merge && verb != .split {
            for role in Action.Role.allCases {
                let stage = Self.rows.first { $0.verb == verb }!.stages.first!
                let dispatcher = Dispatcher(settings: DispatchSettings())
                dispatcher.restore(Self.task(in: stage))
                var action = Self.action(verb)
                if verb == .assign, stage.occupiesUnit { action.fields["instead"] = .text("u1") }
                action.role = role
                let isDone = (try? dispatcher.apply(verb, to: "t1", action, at: start)) != nil
                #expect(isDone == verb.roles.contains(role), "\(verb) by \(role)")
                #expect(dispatcher.hasEvents == verb.roles.contains(role), "\(verb) by \(role)")
            }
        }
    }

    static func task(in stage: TaskStage) -> TaskState {
        var task = TaskState(
            id: "t1", number: 1, situation: "noise-check\nsite\ns1", kind: "noise-check", area: "330110012001",
            severity: "warning", createdAt: start, by: "李强")
        task.stage = stage
        task.events = 7
        if stage == .suspended { task.stageBefore = .acknowledged }
        if stage.occupiesUnit { task.unit = "u1" }
        return task
    }

    static func action(_ verb: TaskVerb) -> Action {
        var fields: [String: ActionValue] = [:]
        switch verb {
        case .assign: fields = ["unit": .text("u7")]
        case .transfer: fields = ["to": .text("市场监管")]
        case .comment: fields = ["text": .text("x")]
        case .joint: fields = ["departments": .list(["a", "b"])]
        case .plan: fields = ["at": .number(Double(start.milliseconds + 86_400_000))]
        case .feedback:
            fields = [
                "instrument": .text("AWA6228+ 001"), "laeq": .number(52.1), "period_s": .number(600), "limit": .number(55),
                "verdict": .text("within"),
            ]
        default: break
        }
        return Action("task.\(verb.rawValue)", subject: "t1", author: "王敏", role: verb == .verify ? .checker : .operator, fields: fields)
    }
}

extension Substring {
    fileprivate var trimmed: String { split(separator: " ").joined() }
}
