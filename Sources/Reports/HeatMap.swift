import Telemetry

extension NoiseCharts {
    /// Steps of 5 dB, from light to dark: the order is seen without colours.
    private static let shades = ["#f3f6f9", "#dde6ee", "#c2d2e0", "#a3bbcf", "#809fba", "#5e82a2", "#3f6486", "#264867", "#122d47", "#04121f"]
    private static let firstStep = 35.0

    private static func shade(_ level: Double) -> Int { max(0, min(shades.count - 1, Int(((level - firstStep) / 5).rounded(.down)) + 1)) }

    /// Hours of the day upwards, days to the right; an hour over its limit has a mark where there is room for one.
    /// - Parameter hours: buckets of an hour.
    public func heatMap(_ hours: [LevelPoint]) -> String {
        let cell = 8.0
        var chart = Chart(from: from, to: to, zone: zone, height: 24 * cell)
        let first = zone.day(from)
        let days = max(1, zone.day(to + -1) - first + 1)
        let width = chart.plotWidth / Double(days)
        chart.rectangle(Chart.left, chart.top, chart.plotWidth, chart.height, "fill=\"#fff\" stroke=\"#999\" stroke-width=\"0.6\"")
        var marks: [(Double, Double)] = []
        for point in hours {
            guard let leq = point.leq else { continue }
            let (day, clock) = zone.local(point.start)
            guard day >= first, day - first < days else { continue }
            let x = Chart.left + Double(day - first) * width
            let y = chart.top + Double(clock / 3_600_000) * cell
            chart.rectangle(
                x, y, max(0.3, width - (width > 4 ? 0.5 : 0)), cell - 0.5, "fill=\"\(NoiseCharts.shades[NoiseCharts.shade(leq)])\"")
            if point.excess != nil && width >= 5 { marks.append((x + width / 2, y + cell / 2)) }
        }
        for (x, y) in marks { chart.add("<circle cx=\"\(n(x))\" cy=\"\(n(y))\" r=\"1.9\" fill=\"#fff\" stroke=\"#000\" stroke-width=\"0.6\"/>") }
        for hour in stride(from: 0, through: 24, by: 6) {
            chart.text(Chart.left - 5, chart.top + Double(hour) * cell + 4, "\(hour < 10 ? "0" : "")\(hour):00", "end")
        }
        chart.line(Chart.left, chart.top + chart.height, Chart.width - Chart.right, chart.top + chart.height, "stroke=\"#333\"")
        dayAxis(&chart, first, days, width)
        scale(&chart, withMarks: width >= 5)
        return chart.svg(label: language("Levels by hour and day", "按小时和日期的声级"))
    }

    private func dayAxis(_ chart: inout Chart, _ first: LocalDay, _ days: Int, _ width: Double) {
        let step = days <= 120 ? (days + 11) / 12 : 1
        for offset in stride(from: 0, to: days, by: step) {
            let date = first + offset
            if days > 120 && (date.date.day != 1 || (days > 400 && date.date.month % 6 != 1)) { continue }
            let x = Chart.left + (Double(offset) + (days > 120 ? 0 : 0.5)) * width
            let name = days > 120 ? String(date.text.prefix(7)) : String(date.text.dropFirst(5))
            chart.line(x, chart.top + chart.height, x, chart.top + chart.height + 4, "stroke=\"#333\"")
            chart.text(x, chart.top + chart.height + 15, name, x > Chart.width - 40 ? "end" : "middle")
        }
    }

    private func scale(_ chart: inout Chart, withMarks: Bool) {
        var x = Chart.left
        chart.text(4, 13, "dB(A)")
        for (index, shade) in NoiseCharts.shades.enumerated() {
            chart.rectangle(x, 3, 34, 11, "fill=\"\(shade)\" stroke=\"#999\" stroke-width=\"0.4\"")
            let low = Int(NoiseCharts.firstStep) + (index - 1) * 5
            chart.add(
                "<text x=\"\(n(x + 17))\" y=\"12\" text-anchor=\"middle\" style=\"font-size:9px;fill:\(index >= 5 ? "#fff" : "#222")\">\(index == 0 ? "&lt;\(low + 5)" : "≥\(low)")</text>")
            x += 34
        }
        chart.add("<rect x=\"\(n(x + 12))\" y=\"3\" width=\"16\" height=\"11\" fill=\"#fff\" stroke=\"#999\" stroke-width=\"0.6\"/>")
        let none = language("nothing measured", "无数据")
        chart.text(x + 32, 13, none)
        if withMarks {
            let at = x + 32 + Chart.textWidth(none) + 14
            chart.add("<circle cx=\"\(n(at))\" cy=\"8.5\" r=\"2.2\" fill=\"#fff\" stroke=\"#000\" stroke-width=\"0.7\"/>")
            chart.text(at + 7, 13, language("over the limit", "超过限值"))
        }
    }
}
