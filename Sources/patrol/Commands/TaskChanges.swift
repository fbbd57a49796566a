import ArgumentParser
import Foundation
import Settings
import Telemetry

/// What a verb without fields of its own is called.
protocol TaskWords {
    static var verb: String { get }
    static var abstract: String { get }
}

enum AcceptWords: TaskWords { static let verb = "accept", abstract = "Accepts a task (受理)." }
enum AckWords: TaskWords { static let verb = "ack", abstract = "The unit has it (签收)." }
enum SetOutWords: TaskWords { static let verb = "set-out", abstract = "The unit is on its way (出动)." }
enum ArriveWords: TaskWords { static let verb = "arrive", abstract = "The unit is there (到场)." }
enum DisposeWords: TaskWords { static let verb = "dispose", abstract = "The matter is settled on the spot (处置)." }
enum VerifyWords: TaskWords { static let verb = "verify", abstract = "Another person has checked it (核查)." }
enum CloseWords: TaskWords { static let verb = "close", abstract = "Closes the task (办结)." }
enum ReturnWords: TaskWords { static let verb = "return", abstract = "Gives it back, with the reason in --why (退回)." }
enum ResumeWords: TaskWords { static let verb = "resume", abstract = "Goes on with a suspended task." }
enum CancelWords: TaskWords { static let verb = "cancel", abstract = "Calls it off, with the reason in --why (作废)." }
enum ReopenWords: TaskWords { static let verb = "reopen", abstract = "Opens a settled task again, with the reason in --why." }

extension ChangeOptions {
    /// Makes a change of a task and says where it stands now.
    func runTask(_ verb: String, _ id: String, _ fields: [String: ActionValue?]) throws {
        try run(try action("task.\(verb)", id, fields)) { language, answer in
            let stage = TaskView.word(answer["stage"] as? String ?? "", language)
            let unit = (answer["unit"] as? String).map { " \($0)" } ?? ""
            return "\(answer["id"] ?? id)  \(stage)\(unit)"
        }
    }
}

struct TaskChange<Words: TaskWords>: ParsableCommand {
    static var configuration: CommandConfiguration { CommandConfiguration(commandName: Words.verb, abstract: Words.abstract) }

    @Argument(help: "The task's id, which may be shortened.") var id: String
    @Option(help: "A remark, or the reason.") var why: String?
    @Option(help: "From where, degrees WGS-84.") var lat: Double?
    @Option(help: "From where, degrees WGS-84.") var lon: Double?
    @Option(help: "Of a one-key dispatch: which of its units; without it that of --as.") var unit: String?
    @OptionGroup var change: ChangeOptions

    func run() throws {
        try change.runTask(
            Words.verb, id,
            ["why": why.map(ActionValue.text), "unit": unit.map(ActionValue.text), "lat": lat.map(ActionValue.number), "lon": lon.map(ActionValue.number)])
    }
}

struct TaskNew: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new", abstract: "Reports a matter: a task, or one more source of the open one of that place and kind.")

    @Option(name: [.customLong("matter"), .customLong("kind")], help: "The matter, which is the kind of the task: noise-check.") var kind: String
    @Option(help: "What is the matter.") var text: String?
    @Option(help: "The site's id.") var site: String?
    @Option(help: "The area's code.") var area: String?
    @Option(help: "Degrees WGS-84.") var lat: Double?
    @Option(help: "Degrees WGS-84.") var lon: Double?
    @Option(help: "The reporting system's own number.") var source: String?
    @Option(help: "A reference to a picture.") var picture: String?
    @Option(help: "info, warning or critical.") var severity: String?
    @Option(help: "Of a joint task: a department with a part of its own; given several times.") var department: [String] = []
    @OptionGroup var change: ChangeOptions

    func run() throws {
        let texts = ["kind": kind, "text": text, "site": site, "area": area, "source": source, "picture": picture, "severity": severity]
        var fields = texts.mapValues { $0.map(ActionValue.text) }
        if !department.isEmpty { fields["departments"] = .list(department) }
        fields["lat"] = lat.map(ActionValue.number)
        fields["lon"] = lon.map(ActionValue.number)
        try change.runTask("new", "", fields)
    }
}

struct TaskAssign: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "assign", abstract: "Gives a task to a unit (分派).")

    @Argument(help: "The task's id, which may be shortened.") var id: String
    @Argument(help: "The unit's id; without it the one that Patrol proposes.") var unit: String?
    @Option(help: "The unit in whose place it is sent, where another person has sent one.") var instead: String?
    @Option(help: "A remark.") var why: String?
    @OptionGroup var change: ChangeOptions

    func run() throws {
        try change.runTask("assign", id, ["unit": unit.map(ActionValue.text), "instead": instead.map(ActionValue.text), "why": why.map(ActionValue.text)])
    }
}

struct TaskFeedback: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "feedback", abstract: "What was found (反馈). A noise task needs the instrument's value.")

    @Argument(help: "The task's id, which may be shortened.") var id: String
    @Option(help: "Of a joint task: whose part it is.") var department: String?
    @Option(help: "In words.") var text: String?
    @Option(help: "within, exceeded or gone.") var verdict: String?
    @Option(help: "Type and number of the sound level meter.") var instrument: String?
    @Option(help: "Measured level, dB(A).") var laeq: Double?
    @Option(help: "How long it was measured, for example 10m.") var period: String?
    @Option(help: "Level without the source, dB(A).") var background: Double?
    @Option(help: "The limit that applies, dB(A).") var limit: Double?
    @Option(help: "What was done; may be given several times.") var measure: [String] = []
    @Option(help: "A reference to a picture; may be given several times.") var photograph: [String] = []
    @OptionGroup var change: ChangeOptions

    func run() throws {
        var fields: [String: ActionValue?] = [
            "department": department.map(ActionValue.text), "text": text.map(ActionValue.text), "verdict": verdict.map(ActionValue.text),
            "instrument": instrument.map(ActionValue.text), "laeq": laeq.map(ActionValue.number),
            "background": background.map(ActionValue.number), "limit": limit.map(ActionValue.number),
            "measures": measure.isEmpty ? nil : .list(measure), "photographs": photograph.isEmpty ? nil : .list(photograph),
        ]
        if let period {
            guard let milliseconds = durationMilliseconds(period) else {
                throw Exit.fail("--period \(period): write for example 10m or 600s", Exit.usage)
            }
            fields["period_s"] = .number(Double(milliseconds) / 1000)
        }
        try change.runTask("feedback", id, fields)
    }
}

struct TaskTransfer: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "transfer", abstract: "Gives it to another department (转办).")

    @Argument(help: "The task's id, which may be shortened.") var id: String
    @Argument(help: "The department.") var to: String
    @Option(help: "The reason.") var why: String
    @OptionGroup var change: ChangeOptions

    func run() throws { try change.runTask("transfer", id, ["to": .text(to), "why": .text(why)]) }
}

struct TaskSuspend: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "suspend", abstract: "Lets it rest (挂起).")

    @Argument(help: "The task's id, which may be shortened.") var id: String
    @Option(help: "The reason.") var why: String
    @Option(help: "It goes on by itself then: in 30m, or at 2024-06-07T22:30.") var until: String?
    @Option(help: "Time zone of --until.") var timezone = "Asia/Shanghai"
    @OptionGroup var change: ChangeOptions

    func run() throws {
        let zone = try MomentOption.zone(timezone)
        let moment = try until.map { ActionValue.number(try MomentOption.ahead($0, timezone: zone)) }
        try change.runTask("suspend", id, ["why": .text(why), "until": moment])
    }
}

struct TaskMerge: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "merge", abstract: "The matter goes on in another task.")

    @Argument(help: "The task's id, which may be shortened.") var id: String
    @Argument(help: "The other task's id, which may be shortened.") var into: String
    @Option(help: "A remark.") var why: String?
    @OptionGroup var change: ChangeOptions

    func run() throws { try change.runTask("merge", id, ["into": .text(into), "why": why.map(ActionValue.text)]) }
}

struct TaskSplit: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "split", abstract: "One of its alerts becomes a task of its own.")

    @Argument(help: "The task's id, which may be shortened.") var id: String
    @Argument(help: "The alert's id, which may be shortened.") var alert: String
    @Option(help: "A remark.") var why: String?
    @OptionGroup var change: ChangeOptions

    func run() throws { try change.runTask("split", id, ["alert": .text(alert), "why": why.map(ActionValue.text)]) }
}

struct TaskComment: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "comment", abstract: "Adds a remark.")

    @Argument(help: "The task's id, which may be shortened.") var id: String
    @Argument(help: "The remark.") var text: String
    @OptionGroup var change: ChangeOptions

    func run() throws { try change.runTask("comment", id, ["text": .text(text)]) }
}

struct TaskExternal: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "external", abstract: "What another system says of a task: its number and stage; --as is its name.")

    @Argument(help: "The task's id, which may be shortened, or the other system's number.") var id: String
    @Option(help: "The other system's number.") var number: String?
    @Option(help: "Where it has the task: a stage, or a word that its adapter knows.") var stage: String?
    @Option(help: "Who there.") var by: String?
    @OptionGroup var change: ChangeOptions

    func run() throws {
        try change.run(
            try change.action(
                "task.external", id,
                ["number": number.map(ActionValue.text), "stage": stage.map(ActionValue.text), "by": by.map(ActionValue.text)])
        ) { language, answer in
            let conflict = (answer["conflict"] as? String).map { "  \(language("conflict", "冲突")): \($0)" } ?? ""
            return "\(answer["id"] ?? id)  \(TaskView.word(answer["stage"] as? String ?? "", language))\(conflict)"
        }
    }
}
