public import Telemetry

/// What can be said of an alert: the fields of ``AlertText``, from the alert, its rule, its device and the district. Pure.
public struct AlertFacts: Sendable {
    private let alert: AlertSnapshot
    private let rule: RuleDefinition
    private let device: Device
    private let devices: [String]
    private let world: World

    /// - Parameter devices: ids of a group's devices, none where it is no group.
    public init(alert: AlertSnapshot, rule: RuleDefinition, device: Device, devices: [String], world: World) {
        self.alert = alert
        self.rule = rule
        self.device = device
        self.devices = devices
        self.world = world
    }

    public var english: String { text(rule.textEnglish, isChinese: false) }
    public var chinese: String { text(rule.textChinese, isChinese: true) }

    /// The rule's text; where it has none, what can be said of any alert: value, limit and place.
    private func text(_ template: String, isChinese: Bool) -> String {
        let own = template.isEmpty ? plainTemplate(isChinese) : template
        return AlertText.render(own) { value(of: $0, isChinese: isChinese) }
    }

    private func plainTemplate(_ isChinese: Bool) -> String {
        let unit = rule.unit.isEmpty ? "" : " {unit}"
        let what: String
        switch rule.leadingLeaf.test {
        case .aboveLimit:
            what = isChinese ? "{value}\(unit)，{period}限值 {limit}（{standard}）" : "{value}\(unit), {period} limit {limit} ({standard})"
        case .above, .below, .equals, .aboveFenceLimit:
            what = isChinese ? "{value}\(unit)，限值 {limit}" : "{value}\(unit), limit {limit}"
        case .holds: what = isCount ? "{title} ({value})" : "{title}"
        }
        let hasArea = !value(of: "area", isChinese: isChinese).isEmpty
        let name = fence == nil ? "{name}" : "{fence}"
        return what + (isChinese ? "：" : ": ") + name + (hasArea ? (isChinese ? "，{area}" : ", {area}") : "")
    }

    /// The metric whose readings the alert stands on, where it is about one.
    public var metric: String? {
        if case .count(let inner, _) = rule.leadingLeaf.subject { return inner.leaves.first { $0.metric != nil }?.metric?.name }
        return rule.leadingLeaf.metric?.name
    }

    /// The alert stands on its devices' readings of this time: from the beginning of the longest window or silence that
    /// was open when it began, until it fired.
    public var readings: Range<Timestamp> {
        let reach = rule.condition.leaves.map { leaf -> Int64 in
            switch leaf.subject {
            case .window(_, _, let milliseconds), .count(_, let milliseconds), .absence(let milliseconds): milliseconds
            case .metric, .rate, .changes, .returns, .missed, .fence: 0
            }
        }
        let from = alert.startedAt + -(reach.max() ?? 0)
        return from..<max(from, alert.firedAt ?? alert.startedAt)
    }

    /// The name of the standard whose limit was passed.
    public var standard: String? {
        if case .aboveLimit(let id, _) = rule.leadingLeaf.test { return world.limits[id]?.name ?? id }
        return nil
    }

    /// What the value was held against, where it was.
    public var bound: Double? {
        (rule.leadingLeaf.test == .holds && !isCount) || !alert.bound.isFinite ? nil : alert.bound
    }

    /// Whether the value is the number of a group.
    private var isCount: Bool { alert.subject != nil && rule.leadingLeaf.test == .holds }

    /// Of a group by fence: the fence's id.
    private var fence: String? { alert.subject?.hasPrefix("fence/") == true ? String(alert.subject!.dropFirst(6)) : nil }

    /// Share of the window that was covered, where there is one.
    public var coverage: Double? {
        if case .window = rule.leadingLeaf.subject { return (alert.coverage * 1000).rounded() / 1000 }
        return nil
    }

    private func value(of field: String, isChinese: Bool) -> String {
        switch field {
        case "value": return AlertFacts.number(alert.value)
        case "unit": return rule.unit
        case "limit": return bound.map(AlertFacts.number) ?? ""
        case "standard": return standard ?? ""
        case "period":
            let isNight = Schedule(world.night, zone: world.zone).isActive(at: alert.startedAt)
            return isChinese ? (isNight ? "夜间" : "昼间") : (isNight ? "night" : "day")
        case "coverage": return coverage.map { "\(Int(($0 * 100).rounded()))" } ?? ""
        case "window":
            if case .window(_, _, let milliseconds) = rule.leadingLeaf.subject { return durationText(milliseconds) }
            return ""
        case "device": return device.id
        case "name": return device.name ?? device.id
        case "site": return device.site.map { world.sites[$0]?.name ?? $0 } ?? ""
        case "area": return device.area.map { world.areas.area(ofCode: $0)?.name ?? $0 } ?? ""
        case "team": return device.team ?? ""
        case "devices": return devices.isEmpty ? device.id : devices.joined(separator: isChinese ? "、" : ", ")
        case "count": return isCount ? "\(Int(alert.value))" : "\(max(1, devices.count))"
        case "fence": return fence.map { world.fences[$0]?.name ?? $0 } ?? ""
        case "title": return isChinese ? rule.titleChinese : rule.titleEnglish
        case "severity": return alert.severity.rawValue
        case "started":
            let local = world.zone.local(alert.startedAt)
            return "\(local.day.text) \(AlertFacts.clock(local.milliseconds))"
        default: return "{\(field)}"
        }
    }

    /// To one decimal, without a needless `.0`.
    static func number(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        let tenths = Int64((value * 10).rounded())
        let rest = abs(tenths) % 10
        return "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10)" + (rest == 0 ? "" : ".\(rest)")
    }

    private static func clock(_ milliseconds: Int64) -> String {
        let minutes = milliseconds / 60_000
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(two(minutes / 60)):\(two(minutes % 60))"
    }
}
