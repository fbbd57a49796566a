import Foundation
import Store

/// Tasks for people: stages in words, clocks as time left.
enum TaskView {
    static let headings: View.Headings = [
        "id": ("id", "编号"), "stage": ("stage", "阶段"), "kind": ("kind", "事项"), "severity": ("severity", "级别"), "priority": ("priority", "优先级"),
        "area": ("area", "区域"), "site": ("site", "场所"), "unit": ("unit", "单位"), "created_at": ("created", "创建时间"),
        "clocks": ("clocks", "时限"), "subject": ("matter", "内容"), "alert_id": ("alert", "告警"),
        "respond_due": ("respond by", "应响应于"), "set_out_due": ("set out by", "应出动于"), "dispose_due": ("dispose by", "应处置于"),
        "last_by": ("by", "经办人"), "last_at": ("since", "时间"), "department": ("department", "部门"),
        "suspended_until": ("suspended until", "挂起至"), "merged_into": ("merged into", "并入"),
        "what": ("what", "事件"), "at": ("at", "时间"), "who": ("who", "经办人"), "role": ("role", "角色"), "why": ("why", "说明"),
        "system": ("system", "系统"), "number": ("number", "对方编号"), "status": ("their word", "对方状态"), "conflict": ("conflict", "冲突"),
        "by": ("reported by", "反馈人"), "is_begun": ("begun", "已生成任务"), "disposed_at": ("disposed", "处置时间"), "lat": ("lat", "纬度"), "lon": ("lon", "经度"),
    ]

    private static let words: [String: (String, String)] = [
        "reported": ("reported", "上报"), "accepted": ("accepted", "受理"), "assigned": ("assigned", "分派"),
        "acknowledged": ("acknowledged", "签收"), "set_out": ("set out", "出动"), "on_scene": ("on scene", "到场"),
        "disposed": ("disposed", "已处置"), "feedback": ("feedback", "反馈"), "verified": ("verified", "核查"),
        "closed": ("closed", "办结"), "returned": ("returned", "退回"), "transferred": ("transferred", "转办"),
        "suspended": ("suspended", "挂起"), "cancelled": ("cancelled", "作废"), "reopened": ("reopened", "重新打开"),
        "joined": ("joined", "并案"), "raised": ("raised", "级别升高"), "split": ("split", "拆分"), "comment": ("comment", "备注"),
        "respond_warning": ("respond soon", "响应将超时"), "respond_breached": ("response late", "响应超时"),
        "set_out_warning": ("set out soon", "出动将超时"), "set_out_breached": ("setting out late", "出动超时"),
        "dispose_warning": ("dispose soon", "处置将超时"), "dispose_breached": ("disposal late", "处置超时"),
        "no_unit": ("nobody to send", "无可派单位"), "unit_silent": ("unit silent", "未签收改派"), "proposed": ("proposed", "建议派单"),
        "escalated": ("escalated", "升级"), "external": ("other system", "外部系统"), "external_conflict": ("conflict", "外部冲突"),
        "part_feedback": ("feedback of a department", "部门反馈"), "joint": ("joint", "联合检查"), "planned": ("visit planned", "计划回访"),
        "respond": ("respond", "响应"), "dispose": ("dispose", "处置"), "leave": ("set out", "出动"),
    ]

    /// A stage, or what happened, in the language; as it is where it has no word.
    static func word(_ name: String, _ language: Language) -> String {
        words[name].map { language($0.0, $0.1) } ?? name
    }

    static let columns = [
        "id", "stage", "kind", "severity", "priority", "area", "site", "unit", "created_at", "respond_due", "set_out_due", "dispose_due",
        "respond_stopped", "set_out_stopped", "dispose_stopped", "clock_flags", "last_by", "subject",
    ]
    static let shown = ["id", "stage", "kind", "severity", "priority", "area", "site", "unit", "created_at", "clocks", "last_by", "subject"]

    /// The rows of ``columns`` as a table shows them.
    static func shownRows(_ rows: [[StoreValue]], _ language: Language, now: Int64?, hasColours: Bool) -> [[StoreValue]] {
        rows.map { row in
            func value(_ name: String) -> StoreValue { row[columns.firstIndex(of: name)!] }
            return shown.map { name in
                switch name {
                case "clocks": .text(clocks(value, language, now: now, hasColours: hasColours))
                case "stage": .text(word(value("stage").text, language))
                default: value(name)
                }
            }
        }
    }

    /// The next clock that runs, as time left; over it red.
    private static func clocks(
        _ value: (String) -> StoreValue, _ language: Language, now: Int64?, hasColours: Bool
    ) -> String {
        guard let now, !["closed", "cancelled"].contains(value("stage").text) else { return "" }
        let parts = [("respond", "respond", 0), ("set_out", "leave", 1), ("dispose", "dispose", 2)].compactMap { name, title, bit -> String? in
            guard value("\(name)_stopped") == .null, value("clock_flags").integer >> Int64(bit) & 1 == 0 else { return nil }
            let left = (value("\(name)_due").integer - now) / 1000
            let text = "\(word(title, language)) \(left < 0 ? "-" : "")\(abs(left) / 60):\(String(format: "%02d", abs(left) % 60))"
            return left < 0 && hasColours ? "\u{1B}[31m\(text)\u{1B}[0m" : text
        }
        return parts.joined(separator: "  ")
    }
}
