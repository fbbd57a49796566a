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

    public var english: String { AlertText.render(rule.textEnglish) { value(of: $0, isChinese: false) } }
    public var chinese: String { AlertText.render(rule.textChinese) { value(of: $0, isChinese: true) } }

    /// The name of the standard whose limit was passed.
    public var standard: String? {
        if case .aboveLimit(let id, _) = rule.leadingLeaf.test { return world.limits[id]?.name ?? id }
        return nil
    }

    /// What the value was held against, where it was.
    public var bound: Double? { rule.leadingLeaf.test == .holds || !alert.bound.isFinite ? nil : alert.bound }

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
        case "count": return "\(max(1, devices.count))"
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
