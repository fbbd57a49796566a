public import Telemetry

/// What a meter measured in a bucket, for charts.
public struct LevelPoint: Sendable, Equatable {
    public var start: Timestamp
    public var milliseconds: Int64
    /// dB(A); nil where nothing was measured.
    public var leq: Double?, l10: Double?, l50: Double?, l90: Double?
    /// 0 to 1.
    public var coverage: Double
    /// Covered enough to count.
    public var isValid: Bool
    /// The limit that holds at its start, nil where there is none.
    public var limit: Double?

    public init(
        start: Timestamp, milliseconds: Int64, leq: Double?, l10: Double? = nil, l50: Double? = nil, l90: Double? = nil,
        coverage: Double, isValid: Bool, limit: Double? = nil
    ) {
        self.start = start
        self.milliseconds = milliseconds
        self.leq = leq
        self.l10 = l10
        self.l50 = l50
        self.l90 = l90
        self.coverage = coverage
        self.isValid = isValid
        self.limit = limit
    }

    public var end: Timestamp { start + milliseconds }

    /// By how many dB it is over its limit, compared to the tenth; nil where it is not, or does not count.
    public var excess: Double? {
        guard isValid, let leq, let limit else { return nil }
        let tenths = (leq * 10).rounded() - (limit * 10).rounded()
        return tenths > 0 ? tenths / 10 : nil
    }
}

/// The charts of a noise report, each an SVG of its own. Pure: the same points give the same bytes.
public struct NoiseCharts: Sendable {
    public var from: Timestamp, to: Timestamp
    public var zone: LocalZone
    public var language: ReportLanguage
    public var nights: [Stretch], exams: [Stretch]
    /// Above this number of days single nights are too narrow to be shaded.
    static let shadedDays = 62

    public init(from: Timestamp, to: Timestamp, zone: LocalZone, language: ReportLanguage, nights: [Stretch], exams: [Stretch]) {
        self.from = from
        self.to = to
        self.zone = zone
        self.language = language
        self.nights = (to - from) / 86_400_000 <= NoiseCharts.shadedDays ? nights : []
        self.exams = exams
    }

    private func bounds(_ values: [Double]) -> (Double, Double) {
        let low = ((values.min() ?? 30) / 10).rounded(.down) * 10
        let high = ((values.max() ?? 80) / 10).rounded(.up) * 10
        return (low, max(high, low + 20))
    }

    /// Points that follow each other without a gap.
    private func runs(_ points: [LevelPoint], _ isIn: (LevelPoint) -> Bool) -> [[LevelPoint]] {
        var runs: [[LevelPoint]] = []
        var last: Timestamp?
        for point in points where isIn(point) {
            if point.start == last { runs[runs.count - 1].append(point) } else { runs.append([point]) }
            last = point.end
        }
        return runs
    }

    private func middle(_ chart: Chart, _ point: LevelPoint) -> Double { (chart.x(point.start) + chart.x(point.end)) / 2 }

    /// LAeq against the limit.
    /// - Parameter limitLines: the limits as they follow each other in time; nil draws those of the points.
    public func levels(_ points: [LevelPoint], limits: [(name: String, level: Double)] = []) -> String {
        var chart = Chart(from: from, to: to, zone: zone, height: 190)
        (chart.low, chart.high) = bounds(points.compactMap(\.leq) + points.compactMap(\.limit) + limits.map(\.level))
        chart.shade(nights: nights, exams: exams)
        chart.levelAxis(step: 10)
        for run in runs(points, { $0.limit != nil }) {
            var steps: [(Double, Double)] = []
            for point in run {
                steps.append((chart.x(point.start), chart.y(point.limit!)))
                steps.append((chart.x(point.end), chart.y(point.limit!)))
            }
            chart.path(steps, "fill=\"none\" stroke=\"#000\" stroke-width=\"1\" stroke-dasharray=\"5 3\"")
        }
        for limit in limits {
            chart.line(Chart.left, chart.y(limit.level), Chart.width - Chart.right, chart.y(limit.level), "stroke=\"#000\" stroke-dasharray=\"5 3\"")
            chart.text(Chart.width - Chart.right - 2, chart.y(limit.level) - 3, limit.name, "end")
        }
        for run in runs(points, { $0.leq != nil }) {
            if run.count == 1 {
                chart.line(chart.x(run[0].start), chart.y(run[0].leq!), max(chart.x(run[0].end), chart.x(run[0].start) + 1), chart.y(run[0].leq!), "stroke=\"#1f4e79\" stroke-width=\"1.4\"")
            }
            chart.path(run.map { (middle(chart, $0), chart.y($0.leq!)) }, "fill=\"none\" stroke=\"#1f4e79\" stroke-width=\"1.3\"")
        }
        for point in points {
            guard let leq = point.leq else { continue }
            if point.excess != nil {
                chart.add("<circle cx=\"\(n(middle(chart, point)))\" cy=\"\(n(chart.y(leq)))\" r=\"2\" fill=\"#a3123a\"/>")
            } else if !point.isValid {
                chart.add("<circle cx=\"\(n(middle(chart, point)))\" cy=\"\(n(chart.y(leq)))\" r=\"1.7\" fill=\"#fff\" stroke=\"#1f4e79\" stroke-width=\"0.8\"/>")
            }
        }
        chart.timeAxis()
        chart.text(4, 13, "dB(A)")
        var legend: [(mark: (Double, Double) -> String, name: String)] = [
            (Chart.lineMark("stroke=\"#1f4e79\" stroke-width=\"1.6\""), "LAeq"),
            (Chart.lineMark("stroke=\"#000\" stroke-dasharray=\"5 3\""), language("limit", "限值")),
            (Chart.dotMark, language("over the limit", "超过限值")),
            ({ x, y in "<circle cx=\"\(n(x + 8))\" cy=\"\(n(y))\" r=\"2\" fill=\"#fff\" stroke=\"#1f4e79\"/>" }, language("covered too little", "数据不足")),
        ]
        if !nights.isEmpty { legend.append((Chart.nightMark, language("night", "夜间"))) }
        if !exams.isEmpty { legend.append((Chart.examMark, language("exam period", "考试期间"))) }
        chart.legend(legend)
        return chart.svg(label: language("Equivalent level against the limit", "等效声级与限值"))
    }

    /// L10 to L90 as a band around L50.
    public func percentiles(_ points: [LevelPoint]) -> String {
        var chart = Chart(from: from, to: to, zone: zone, height: 130)
        (chart.low, chart.high) = bounds(points.compactMap(\.l10) + points.compactMap(\.l90))
        chart.levelAxis(step: 10)
        for run in runs(points, { $0.l10 != nil && $0.l50 != nil && $0.l90 != nil }) {
            // A bucket is a step: one alone is seen too.
            let above = run.flatMap { [(chart.x($0.start), chart.y($0.l10!)), (chart.x($0.end), chart.y($0.l10!))] }
            let below = run.reversed().flatMap { [(chart.x($0.end), chart.y($0.l90!)), (chart.x($0.start), chart.y($0.l90!))] }
            chart.add("<polygon points=\"\((above + below).map { "\(n($0.0)),\(n($0.1))" }.joined(separator: " "))\" fill=\"#c3cfdc\" stroke=\"none\"/>")
            let line = run.flatMap { [(chart.x($0.start), chart.y($0.l50!)), (chart.x($0.end), chart.y($0.l50!))] }
            chart.path(line, "fill=\"none\" stroke=\"#1f4e79\" stroke-width=\"1.3\"")
        }
        chart.timeAxis()
        chart.text(4, 13, "dB(A)")
        chart.legend([
            (Chart.boxMark("fill=\"#c3cfdc\""), language("L90 (quiet) to L10 (loud)", "L90（平均本底）至 L10（平均峰值）")),
            (Chart.lineMark("stroke=\"#1f4e79\" stroke-width=\"1.6\""), "L50"),
        ])
        return chart.svg(label: language("Percentile levels", "统计声级"))
    }

    /// The covered part of each bucket.
    public func coverage(_ points: [LevelPoint], minimum: Double) -> String {
        var chart = Chart(from: from, to: to, zone: zone, height: 46)
        (chart.low, chart.high) = (0, 100)
        chart.levelAxis(step: 50)
        for point in points where point.coverage > 0 {
            let (x, y) = (chart.x(point.start), chart.y(point.coverage * 100))
            chart.rectangle(
                x, y, max(0.4, chart.x(point.end) - x - 0.4), chart.top + chart.height - y,
                point.isValid ? "fill=\"#5b6f84\"" : "fill=\"#fff\" stroke=\"#5b6f84\" stroke-width=\"0.7\"")
        }
        chart.line(Chart.left, chart.y(minimum * 100), Chart.width - Chart.right, chart.y(minimum * 100), "stroke=\"#000\" stroke-dasharray=\"2 2\" stroke-width=\"0.8\"")
        chart.timeAxis()
        chart.text(4, 13, "%")
        let least = "\(Int((minimum * 100).rounded())) %"
        chart.legend([
            (Chart.boxMark("fill=\"#5b6f84\""), language("covered", "有效数据")),
            (Chart.boxMark("fill=\"#fff\" stroke=\"#5b6f84\""), language("less than \(least)", "不足 \(least)")),
        ])
        return chart.svg(label: language("Coverage", "数据覆盖率"))
    }
}
