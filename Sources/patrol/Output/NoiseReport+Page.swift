import Foundation
import Reports
import Store
import Telemetry

extension NoiseReport {
    static let columns = [
        "device", "site", "zone", "standard", "what", "start", "level", "l10", "l50", "l90", "limit", "excess", "coverage", "valid",
    ]

    /// Every number of the report: hours, days (Ld) and nights (Ln), and whole days.
    func rows() -> [[StoreValue]] {
        func value(_ number: Double?) -> StoreValue { number.map { .real(($0 * 1000).rounded() / 1000) } ?? .null }
        func text(_ text: String?) -> StoreValue { text.map(StoreValue.text) ?? .null }
        return meters.flatMap { meter -> [[StoreValue]] in
            func row(_ what: String, _ point: LevelPoint) -> [StoreValue] {
                [
                    .text(meter.id), text(meter.site), text(meter.zone), text(meter.standard), .text(what), .integer(point.start.milliseconds),
                    value(point.leq), value(point.l10), value(point.l50), value(point.l90), value(point.limit), value(point.excess),
                    value(point.coverage), .integer(point.isValid ? 1 : 0),
                ]
            }
            return meter.hours.map { row("hour", $0) }
                + meter.days.flatMap { [row("24 h", $0.point), row("day", $0.ld), row("night", $0.ln)] }
        }
    }

    static let summaryColumns = ["device", "name", "site", "leq", "ld", "ln", "days_over", "nights_over", "worst_excess", "coverage", "days"]
    static let headings: View.Headings = [
        "device": ("meter", "监测点"), "name": ("name", "名称"), "site": ("site", "场所"), "leq": ("LAeq", "LAeq"), "ld": ("Ld", "昼间 Ld"), "ln": ("Ln", "夜间 Ln"),
        "days_over": ("days over", "昼间超标"), "nights_over": ("nights over", "夜间超标"), "worst_excess": ("worst, dB", "最大超标 dB"),
        "coverage": ("coverage", "覆盖率"), "days": ("days", "天数"),
    ]

    func summary(forPeople: Bool) -> [[StoreValue]] {
        meters.map { meter in
            func level(_ value: Double?) -> StoreValue {
                guard let value else { return .null }
                return forPeople ? .text(String(format: "%.1f", value)) : .real((value * 1000).rounded() / 1000)
            }
            let worst = (meter.daysOver + meter.nightsOver).compactMap(\.excess).max()
            return [
                .text(meter.id), meter.name.map(StoreValue.text) ?? .null, meter.site.map(StoreValue.text) ?? .null, level(meter.leq),
                level(meter.ld), level(meter.ln), .integer(Int64(meter.daysOver.count)), .integer(Int64(meter.nightsOver.count)), level(worst),
                forPeople ? .text(String(format: "%.0f %%", meter.coverage * 100)) : .real(meter.coverage), .integer(Int64(meter.days.count)),
            ]
        }
    }

    func html(title: String, _ language: ReportLanguage, places: (site: [String: String], calendar: Bool)) -> String {
        var page = Page(title: title, language: language)
        page.facts([
            (language("Period", "统计时段"), "\(moment(period.from)) – \(moment(period.to))"),
            (language("Time zone", "时区"), zone.identifier),
            (language("Meters", "监测点数"), "\(meters.count)"),
            (language("Day / night", "昼间／夜间"), "\(clock(dayStarts))–\(clock(nightStarts)) / \(clock(nightStarts))–\(clock(dayStarts))"),
        ])
        if meters.isEmpty {
            page.paragraph(language("Nothing was measured in this period.", "该时段没有监测数据。"))
            return page.html
        }
        if meters.count > 1 {
            page.table(
                heads: Self.summaryColumns.map { Self.headings[$0].map { language($0.0, $0.1) } ?? $0 },
                rows: summary(forPeople: true).map { $0.map(Self.shown) }, textColumns: [0, 1, 2])
        }
        if meters.count > Self.shownMeters {
            page.paragraph(
                language(
                    "Charts are drawn for up to \(Self.shownMeters) meters: choose with --device, --site or --area.",
                    "监测点不超过 \(Self.shownMeters) 个时绘制图表：请用 --device、--site 或 --area 选择。"))
        } else {
            for (index, meter) in meters.enumerated() { section(meter, language, &page, places.site, startsPage: index > 0) }
        }
        page.heading(language("How to read this", "说明"))
        for line in notes(language) { page.paragraph(line) }
        return page.html
    }

    static func shown(_ value: StoreValue) -> String {
        switch value {
        case .null: "–"
        case .integer(let number): "\(number)"
        case .real(let number): String(format: "%.1f", number)
        case .text(let text): text
        }
    }

    private func section(_ meter: Meter, _ language: ReportLanguage, _ page: inout Page, _ sites: [String: String], startsPage: Bool) {
        page.heading([meter.id, meter.name].compactMap { $0 }.joined(separator: " · "), startsPage: startsPage)
        func level(_ value: Double?) -> String { value.map { String(format: "%.1f dB(A)", $0) } ?? "–" }
        var facts = [
            (language("Site", "场所"), meter.site.map { id in sites[id].map { "\($0) (\(id))" } ?? id } ?? "–"),
            (language("Zone", "声环境功能区"), meter.zone.map { language("class \($0)", "\($0) 类") } ?? "–"),
            (language("Standard", "标准"), standard(meter, language)),
        ]
        if let limit = meter.limit {
            facts.append(
                (language("Limit day / night", "昼间／夜间限值"), String(format: "%.0f / %.0f dB(A)", limit.dayDecibels, limit.nightDecibels)
                    + (limit.certainty == .unverified ? language(" (not verified)", "（未核实）") : "")))
        }
        facts += [
            (language("LAeq of the period", "时段等效声级 LAeq"), level(meter.leq)), (language("Ld / Ln", "昼间 Ld／夜间 Ln"), "\(level(meter.ld)) / \(level(meter.ln))"),
            (language("Days / nights over", "昼间／夜间超标"), "\(meter.daysOver.count) / \(meter.nightsOver.count) (\(meter.days.count))"),
            (language("Hours over", "超标小时数"), "\(meter.hoursOver.count) (\(meter.hours.count { $0.isValid }))"),
            (language("Coverage", "数据覆盖率"), String(format: "%.1f %%", meter.coverage * 100)),
        ]
        page.facts(facts)
        let charts = NoiseCharts(from: period.from, to: period.to, zone: zone, language: language, nights: nights, exams: exams)
        if isLong {
            page.figure(charts.levels(meter.days.map(\.ld)), caption: language("Ld of each day against the limit", "逐日昼间等效声级 Ld 与限值"))
            page.figure(charts.levels(meter.days.map(\.ln)), caption: language("Ln of each night against the limit", "逐日夜间等效声级 Ln 与限值"))
        } else {
            let length = meter.curve.first?.milliseconds == 600_000 ? language("ten minutes", "10 分钟") : language("hour", "小时")
            page.figure(charts.levels(meter.curve), caption: language("LAeq of each \(length) against the limit", "逐\(length)等效声级 LAeq 与限值"))
        }
        page.figure(charts.heatMap(meter.hours), caption: language("LAeq by hour and day", "按小时与日期的等效声级 LAeq"))
        page.figure(
            charts.percentiles(isLong ? meter.days.map(\.point) : meter.curve), caption: language("Percentile levels L10, L50, L90", "统计声级 L10、L50、L90"))
        page.figure(
            charts.coverage(isLong ? meter.days.map(\.point) : meter.curve, minimum: minimumCoverage), caption: language("Coverage", "数据覆盖率"))
        exceedances(meter, language, &page)
    }

    /// Standard and clause. Clauses that were not checked are said to be so.
    private func standard(_ meter: Meter, _ language: ReportLanguage) -> String {
        guard let name = meter.standard else { return "–" }
        if meter.isConstruction { return name + language(", limits at the site boundary (clause not verified)", "，场界排放限值（条款未核实）") }
        return name + language(", 5.1, table 1", " 5.1 表 1")
    }

    private func exceedances(_ meter: Meter, _ language: ReportLanguage, _ page: inout Page) {
        let all = meter.daysOver.map { (language("day (Ld)", "昼间 Ld"), $0) } + meter.nightsOver.map { (language("night (Ln)", "夜间 Ln"), $0) }
            + meter.hoursOver.map { (isNight($0.start) ? language("night hour", "夜间小时") : language("day hour", "昼间小时"), $0) }
        guard !all.isEmpty else { return page.paragraph(language("Nothing was over its limit.", "没有超过限值的时段。")) }
        let most = all.sorted { ($0.1.excess!, $1.1.start) > ($1.1.excess!, $0.1.start) }.prefix(15).sorted { ($0.1.start, $0.0) < ($1.1.start, $1.0) }
        page.paragraph(
            all.count > 15 ? language("The \(most.count) worst of \(all.count) over the limit:", "共 \(all.count) 个时段超标，其中最严重的 \(most.count) 个：")
                : language("Over the limit:", "超标时段："))
        page.table(
            heads: [language("what", "类别"), language("from", "起"), "dB(A)", language("limit", "限值"), language("excess", "超标"), language("coverage", "覆盖率")],
            rows: most.map { what, point in
                [
                    what, moment(point.start), String(format: "%.1f", point.leq!), String(format: "%.0f", point.limit!),
                    String(format: "+%.1f", point.excess!), String(format: "%.0f %%", point.coverage * 100),
                ]
            }, textColumns: [0, 1])
    }

    private func notes(_ language: ReportLanguage) -> [String] {
        let least = String(format: "%.0f %%", minimumCoverage * 100)
        return [
            language(
                "Levels are A-weighted and averaged by energy and duration: Leq = 10·lg(Σ tᵢ·10^(0.1·Lᵢ) / Σ tᵢ). L10, L50 and L90 are exceeded 10, 50 and 90 % of the time.",
                "声级为 A 计权，按能量和时长平均：Leq = 10·lg(Σ tᵢ·10^(0.1·Lᵢ) / Σ tᵢ)。L10、L50、L90 分别为 10%、50%、90% 的时间超过的声级。"),
            language(
                "What is covered less than \(least) is shown and not judged. Readings flagged rain, wind, calibration or fault are left out.",
                "覆盖率低于 \(least) 的时段仅显示、不作评价。标记为降雨、大风、校准或故障的数据不计入。"),
            language(
                "A night belongs to the evening on which it starts. The total level is compared to the limit: the background was not taken off.",
                "夜间归属其开始的当晚。与限值比较的是总声级，未作背景噪声修正。"),
        ]
    }

    func moment(_ moment: Timestamp) -> String { "\(zone.day(moment).text) \(clock(zone.local(moment).milliseconds))" }
    private func clock(_ milliseconds: Int64) -> String {
        String(format: "%02d:%02d", milliseconds / 3_600_000, milliseconds / 60_000 % 60)
    }
}
