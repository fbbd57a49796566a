import ArgumentParser
import Foundation
import Settings
import Store
import Telemetry

struct TaskJoint: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "joint", abstract: "Makes it a joint task: one visit, each department its own feedback (综合查一次).")

    @Argument(help: "The task's id, which may be shortened.") var id: String
    @Argument(help: "Ids of the departments.") var departments: [String]
    @OptionGroup var change: ChangeOptions

    func run() throws { try change.runTask("joint", id, ["departments": .list(departments)]) }
}

struct TaskPlan: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Plans a visit: there again, or all sites near it; it becomes a task at its time (回访).",
        discussion: """
            EXAMPLES
              patrol tasks plan t3f --at 2024-06-07T22:30 --as 王敏
              patrol tasks plan t3f --at 30m --sites-within 500 --why "neighbouring sites" --as 王敏
            """)

    @Argument(help: "The task's id, which may be shortened.") var id: String
    @Option(help: "When: in 30m, or at 2024-06-07T22:30.") var at: String
    @Option(help: "All other sites within so many metres, instead of the same place.") var sitesWithin: Double?
    @Option(help: "What for.") var why: String?
    @Option(help: "Time zone of --at.") var timezone = "Asia/Shanghai"
    @OptionGroup var change: ChangeOptions

    func run() throws {
        let moment = try MomentOption.ahead(at, timezone: try MomentOption.zone(timezone))
        try change.runTask(
            "plan", id, ["at": .number(moment), "sites_m": sitesWithin.map(ActionValue.number), "why": why.map(ActionValue.text)])
    }
}

extension MomentOption {
    /// A moment to come, in ms: a duration counts forward.
    static func ahead(_ text: String, timezone: TimeZone) throws -> Double {
        if let milliseconds = durationMilliseconds(text) { return (Date().timeIntervalSince1970 * 1000).rounded() + Double(milliseconds) }
        return Double(try MomentOption.parse(text, timezone: timezone))
    }
}

/// The units and the departments of a task, from its row.
enum TaskCrew {
    typealias Table = (columns: [String], rows: [[StoreValue]])

    static func read(_ reader: StoreReader, _ id: String) throws(StoreError) -> (crew: Table, parts: Table) {
        let row = try reader.rows("SELECT crew, parts FROM task WHERE id = ?", [.text(id)]).rows.first ?? [.text(""), .text("")]
        func cells(_ text: String) -> [[String]] {
            text.split(separator: "\n").map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
        }
        let crew = cells(row[0].text).map { [StoreValue.text($0[0]), .text($0[1]), .integer(Int64($0[2]) ?? 0)] }
        let parts = cells(row[1].text).map { [StoreValue.text($0[0]), $0[1].isEmpty ? .null : .text($0[1])] }
        return ((["unit", "stage", "at"], crew), (["department", "by"], parts))
    }
}
