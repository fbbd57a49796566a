import ArgumentParser
import Foundation
import Store

/// Why which unit was sent.
struct TaskExplain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Which unit was chosen, who else was considered, at what distance, and why not.")

    @Argument(help: "The task's id, which may be shortened.") var id: String
    @OptionGroup var view: ViewOptions

    private struct Candidate: Decodable {
        var unit: String, reason: String
        var metres: Int64?, fix_age_s: Int64?
    }

    func run() throws {
        Output.ignoreBrokenPipe()
        let view = try self.view.checked()
        let reader = try self.view.store.reader()
        let full = try reader.id(id, in: "task")
        let choices = try Exit.onStoreFailure {
            try reader.rows(
                "SELECT number, at, unit, widened, counts, candidates FROM task_choice WHERE task_id = ? ORDER BY number", [.text(full)]
            ).rows
        }
        if view.format == .json {
            for row in choices {
                Output.line(
                    JSONLine.text([
                        ("task", .text(full)), ("number", .number(row[0].integer)), ("at", .number(row[1].integer)),
                        ("unit", JSONLine.Value(row[2])), ("widened", .bool(row[3].integer == 1)), ("counts", .raw(row[4].text)),
                        ("candidates", .raw(row[5].text)),
                    ]))
            }
            return
        }
        if choices.isEmpty { return Output.line("(\(view.language("no unit was chosen by Patrol", "没有自动派单记录")))") }
        for row in choices { try show(row, view) }
    }

    private func show(_ row: [StoreValue], _ view: View) throws {
        let printer = RowPrinter(columns: ["at"], format: .table, timezone: view.timezone)
        let unit = row[2] == .null ? view.language("nobody", "无") : row[2].text
        let widened = row[3].integer == 1 ? view.language(" (units of other areas asked too)", "（已扩大到其他辖区）") : ""
        if view.format == .table { Output.line("\n\(printer.cell(row[1], "at"))  \(view.language("chosen", "选派")): \(unit)\(widened)") }
        let candidates = (try? JSONDecoder().decode([Candidate].self, from: Data(row[5].text.utf8))) ?? []
        let rows: [[StoreValue]] = candidates.map { candidate in
            let word = candidate.unit == row[2].text ? view.language("chosen", "选派") : Self.word(candidate.reason, view.language)
            return [
                .text(candidate.unit), candidate.metres.map(StoreValue.integer) ?? .null,
                candidate.fix_age_s.map(StoreValue.integer) ?? .null, .text(view.format == .table ? word : candidate.reason),
            ]
        }
        view.table(
            columns: ["unit", "metres", "fix_age_s", "reason"],
            [
                "unit": ("unit", "单位"), "metres": ("metres", "距离 m"), "fix_age_s": ("fix age s", "定位时长 s"),
                "reason": ("why not", "原因"),
            ], rows, empty: view.language("no candidate", "没有候选"))
    }

    private static let words: [String: (String, String)] = [
        "eligible": ("farther away", "距离更远"), "tried": ("asked already", "已派未应"), "off_duty": ("off duty", "停勤"),
        "off_shift": ("not its shift", "不在班"), "busy": ("on another task", "执行其他任务"), "other_area": ("not its area", "非本辖区"),
        "no_authority": ("lacks the authority", "无执法权限"), "too_few_officers": ("has too few officers", "执法人员不足"),
        "camera_off": ("its camera does not work", "执法记录仪未工作"),
        "no_capability": ("lacks the capability", "无相应专长"), "no_fix": ("has said no place", "无定位"),
        "too_far": ("too far away", "超出范围"),
        "stale_fix": ("its fix is too old", "定位过期"), "inaccurate": ("its fix is not accurate", "定位不准"),
    ]

    static func word(_ reason: String, _ language: Language) -> String { words[reason].map { language($0.0, $0.1) } ?? reason }
}
