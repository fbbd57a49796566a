import ArgumentParser
import Foundation
import Store

struct TasksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tasks",
        abstract: "Tasks from report to closed loop, with their clocks.",
        discussion: """
            Ids may be shortened. A change goes to the Patrol that runs on the store, or into the store itself where none does;
            what is not possible is refused, and what is possible is said.

            EXAMPLES
              patrol tasks list
              patrol tasks watch --lang zh
              patrol tasks new --kind noise-check --site nanhu-3 --text "drilling at night" --as 12345
              patrol tasks assign t3f u-07 --as 王敏
              patrol tasks arrive t3f --as 李强 --role officer
              patrol tasks dispose t3f --as 李强 --role officer
              patrol tasks feedback t3f --laeq 52.1 --period 10m --limit 55 --verdict within \\
                --instrument "AWA6228+ 001" --measure "leaflet handed over" --as 李强 --role officer
              patrol tasks close t3f --as 王敏
            """,
        subcommands: [
            List.self, Show.self, TaskNew.self, TaskChange<AcceptWords>.self, TaskAssign.self, TaskChange<AckWords>.self,
            TaskChange<SetOutWords>.self, TaskChange<ArriveWords>.self, TaskChange<DisposeWords>.self, TaskFeedback.self,
            TaskChange<VerifyWords>.self, TaskChange<CloseWords>.self, TaskChange<ReturnWords>.self, TaskTransfer.self,
            TaskSuspend.self, TaskChange<ResumeWords>.self, TaskChange<CancelWords>.self, TaskChange<ReopenWords>.self,
            TaskMerge.self, TaskSplit.self, TaskJoint.self, TaskPlan.self, TaskComment.self, TaskExternal.self, TaskExplain.self, Watch.self,
        ])

    struct Filter: ParsableArguments {
        @Option(help: "open (the default), all, or a stage.") var stage = "open"
        @Option(help: "One area and everything below it: the beginning of its code.") var area: String?
        @Option(help: "One unit.") var unit: String?
        @Option(help: "Rows at most.") var limit = 100

        func rows(_ reader: StoreReader) throws(StoreError) -> [[StoreValue]] {
            let condition =
                switch stage {
                case "open": "t.stage NOT IN ('closed', 'cancelled')"
                case "all": "1"
                default: "t.stage = ?4"
                }
            return try reader.rows(
                """
                SELECT \(TaskView.columns.map { "t.\($0)" }.joined(separator: ", ")) FROM task t
                WHERE \(condition) AND substr(t.area, 1, length(?1)) = ?1 AND (?2 = '' OR t.unit = ?2)
                ORDER BY t.number DESC LIMIT ?3
                """,
                [.text(area ?? ""), .text(unit ?? ""), .integer(Int64(limit))] + (["open", "all"].contains(stage) ? [] : [.text(stage)])
            ).rows
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "Tasks, the newest first.")

        @OptionGroup var filter: Filter
        @OptionGroup var view: ViewOptions

        func run() throws {
            Output.ignoreBrokenPipe()
            let view = try self.view.checked()
            let reader = try self.view.store.reader()
            let rows = try Exit.onStoreFailure { try filter.rows(reader) }
            guard view.format == .table else {
                return view.table(columns: TaskView.columns, TaskView.headings, rows, empty: "")
            }
            let now = Int64(Date().timeIntervalSince1970 * 1000)
            view.table(
                columns: TaskView.shown, TaskView.headings,
                TaskView.shownRows(rows, view.language, now: now, hasColours: isatty(1) == 1),
                empty: view.language("no task", "没有任务"))
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "One task with everything that happened to it.")

        @Argument(help: "The task's id, which may be shortened.") var id: String
        @OptionGroup var view: ViewOptions

        func run() throws {
            Output.ignoreBrokenPipe()
            let view = try self.view.checked()
            let reader = try self.view.store.reader()
            let full = try reader.id(id, in: "task")
            try Exit.onStoreFailure {
                let task = try reader.rows(
                    """
                    SELECT id, stage, kind, severity, priority, area, site, unit, department, lat, lon, subject, alert_id, created_at,
                      respond_due, set_out_due, dispose_due, last_by, last_at, suspended_until, disposed_at, merged_into
                    FROM task WHERE id = ?
                    """, [.text(full)])
                view.object(columns: task.columns, TaskView.headings, task.rows[0])
                var events = try reader.rows(
                    "SELECT at, what, stage, who, role, unit, why FROM task_event WHERE task_id = ? ORDER BY seq", [.text(full)])
                if view.format == .table {
                    events.rows = events.rows.map { row in
                        row.enumerated().map { $0 == 1 || $0 == 2 ? .text(TaskView.word($1.text, view.language)) : $1 }
                    }
                }
                view.list("events", events, TaskView.headings, title: view.language("What happened", "办理过程"))
                let sources = try reader.rows(
                    "SELECT kind, ref, at, text, picture FROM task_source WHERE task_id = ? ORDER BY at, ref", [.text(full)])
                view.list("sources", sources, title: view.language("Asked for by", "来源"))
                let external = try reader.rows(
                    "SELECT system, number, stage, status, at, conflict FROM task_external WHERE task_id = ? ORDER BY system", [.text(full)])
                view.list("external", external, TaskView.headings, title: view.language("In other systems", "在其他系统中"))
                let feedback = try reader.rows(
                    """
                    SELECT at, department, who, verdict, laeq, period_s, background, corrected, limit_db, instrument, measures, photographs, text
                    FROM task_feedback WHERE task_id = ? ORDER BY number
                    """, [.text(full)])
                let people = try TaskCrew.read(reader, full)
                view.list("crew", people.crew, TaskView.headings, title: view.language("Units that were sent", "派出单位"))
                view.list("parts", people.parts, TaskView.headings, title: view.language("Departments", "参与部门"))
                let plans = try reader.rows(
                    "SELECT id, at, site, subject, who, is_begun FROM task_plan WHERE task_id = ? ORDER BY at, id", [.text(full)])
                view.list("plans", plans, TaskView.headings, title: view.language("Planned visits", "计划回访"))
                view.list("feedback", feedback, title: view.language("What was found", "反馈"))
            }
            view.end()
        }
    }

    struct Watch: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "watch", abstract: "The open tasks with their clocks running; Ctrl-C ends.")

        @OptionGroup var filter: Filter
        @OptionGroup var view: ViewOptions

        func run() async throws {
            let view = try self.view.checked()
            let reader = try self.view.store.reader()
            // Clocks tick on a terminal only: elsewhere a table comes when something has changed.
            let isTerminal = isatty(1) == 1
            try await view.watch {
                let rows = try filter.rows(reader)
                guard view.format == .table else { return (TaskView.columns, TaskView.headings, rows) }
                let now = isTerminal ? Int64(Date().timeIntervalSince1970 * 1000) : nil
                return (
                    TaskView.shown, TaskView.headings,
                    TaskView.shownRows(rows, view.language, now: now, hasColours: isTerminal)
                )
            }
        }
    }
}
