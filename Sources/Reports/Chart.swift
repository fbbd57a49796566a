import Telemetry

/// What charts of a stretch of time have in common: the frame, the axes, what is shaded. All sizes in units of the drawing,
/// ``width`` wide.
struct Chart {
    static let width = 720.0
    static let left = 44.0, right = 8.0

    let from: Timestamp, to: Timestamp
    let zone: LocalZone
    let top: Double, height: Double
    var low = 0.0, high = 1.0
    private(set) var parts: [String] = []

    init(from: Timestamp, to: Timestamp, zone: LocalZone, height: Double, top: Double = 24) {
        (self.from, self.to, self.zone, self.height, self.top) = (from, to, zone, height, top)
    }

    var plotWidth: Double { Chart.width - Chart.left - Chart.right }

    func x(_ moment: Timestamp) -> Double {
        let share = Double(moment - from) / Double(max(1, to - from))
        return Chart.left + plotWidth * min(1, max(0, share))
    }

    func y(_ value: Double) -> Double { top + height * (1 - min(1, max(0, (value - low) / (high - low)))) }

    mutating func add(_ part: String) { parts.append(part) }

    mutating func rectangle(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String) {
        add("<rect x=\"\(n(x))\" y=\"\(n(y))\" width=\"\(n(max(0, width)))\" height=\"\(n(max(0, height)))\" \(style)/>")
    }

    mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
        add("<line x1=\"\(n(x1))\" y1=\"\(n(y1))\" x2=\"\(n(x2))\" y2=\"\(n(y2))\" \(style)/>")
    }

    mutating func text(_ x: Double, _ y: Double, _ text: String, _ anchor: String = "start") {
        add("<text x=\"\(n(x))\" y=\"\(n(y))\" text-anchor=\"\(anchor)\">\(Page.escaped(text))</text>")
    }

    mutating func path(_ points: [(Double, Double)], _ style: String) {
        guard !points.isEmpty else { return }
        add("<polyline points=\"\(points.map { "\(n($0.0)),\(n($0.1))" }.joined(separator: " "))\" \(style)/>")
    }

    /// Marks with names, from left to right above the plot.
    mutating func legend(_ items: [(mark: (Double, Double) -> String, name: String)]) {
        var x = Chart.left
        for item in items {
            add(item.mark(x, 9))
            text(x + 20, 13, item.name)
            x += 20 + Chart.textWidth(item.name) + 16
        }
    }

    /// About as wide as a name is drawn: 11 units a Chinese character, 6 any other.
    static func textWidth(_ text: String) -> Double {
        text.unicodeScalars.reduce(0) { $0 + ($1.value >= 0x2E80 ? 11 : 6) }
    }

    mutating func levelAxis(step: Double) {
        var value = low
        while value <= high + 1e-9 {
            line(Chart.left, y(value), Chart.width - Chart.right, y(value), "stroke=\"#ddd\" stroke-width=\"0.6\"")
            text(Chart.left - 5, y(value) + 4, "\(Int(value.rounded()))", "end")
            value += step
        }
    }

    /// Local dates (or hours, of a short stretch) under the plot.
    mutating func timeAxis() {
        let bottom = top + height
        line(Chart.left, bottom, Chart.width - Chart.right, bottom, "stroke=\"#333\"")
        for (moment, name) in ticks() {
            line(x(moment), bottom, x(moment), bottom + 4, "stroke=\"#333\"")
            text(x(moment), bottom + 15, name, x(moment) > Chart.width - 40 ? "end" : "middle")
        }
    }

    func ticks() -> [(Timestamp, String)] {
        let first = zone.day(from)
        let last = zone.day(to + -1)
        let days = last - first + 1
        var result: [(Timestamp, String)] = []
        func add(_ moment: Timestamp, _ name: String) { if moment >= from && moment < to { result.append((moment, name)) } }
        if days <= 2 {
            for day in 0..<days {
                for hour in stride(from: 0, to: 24, by: days == 1 ? 2 : 3) {
                    let date = first + day
                    add(zone.moment(date, Int64(hour) * 3_600_000), hour == 0 ? String(date.text.dropFirst(5)) : "\(hour < 10 ? "0" : "")\(hour):00")
                }
            }
        } else if days <= 120 {
            for offset in stride(from: 0, to: days, by: (days + 11) / 12) { add(zone.moment(first + offset), String((first + offset).text.dropFirst(5))) }
        } else {
            for offset in 0..<days where (first + offset).date.day == 1 {
                let date = first + offset
                if days <= 400 || date.date.month == 1 || (days <= 1100 && date.date.month == 7) {
                    add(zone.moment(date), String(date.text.prefix(7)))
                }
            }
        }
        return result
    }

    /// Nights as grey, other stretches (exams) as lines from corner to corner.
    mutating func shade(nights: [Stretch], exams: [Stretch]) {
        for night in nights { rectangle(x(night.from), top, x(night.until) - x(night.from), height, "fill=\"#e9e9ec\"") }
        for exam in exams {
            rectangle(x(exam.from), top, max(1.5, x(exam.until) - x(exam.from)), height, "fill=\"url(#exam)\"")
        }
    }

    static let nightMark: @Sendable (Double, Double) -> String = { x, y in "<rect x=\"\(n(x))\" y=\"\(n(y - 5))\" width=\"16\" height=\"10\" fill=\"#e9e9ec\" stroke=\"#bbb\" stroke-width=\"0.5\"/>" }
    static let examMark: @Sendable (Double, Double) -> String = { x, y in "<rect x=\"\(n(x))\" y=\"\(n(y - 5))\" width=\"16\" height=\"10\" fill=\"url(#exam)\" stroke=\"#999\" stroke-width=\"0.5\"/>" }
    static func lineMark(_ style: String) -> @Sendable (Double, Double) -> String {
        { x, y in "<line x1=\"\(n(x))\" y1=\"\(n(y))\" x2=\"\(n(x + 16))\" y2=\"\(n(y))\" \(style)/>" }
    }
    static func boxMark(_ style: String) -> @Sendable (Double, Double) -> String {
        { x, y in "<rect x=\"\(n(x))\" y=\"\(n(y - 5))\" width=\"16\" height=\"10\" \(style)/>" }
    }
    static let dotMark: @Sendable (Double, Double) -> String = { x, y in "<circle cx=\"\(n(x + 8))\" cy=\"\(n(y))\" r=\"2.4\" fill=\"#a3123a\"/>" }

    /// The drawing; `label` says for those who cannot see it what it is.
    func svg(label: String, extraHeight: Double = 0) -> String {
        let whole = top + height + 22 + extraHeight
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(n(Chart.width)) \(n(whole))" role="img" aria-label="\(Page.escaped(label))">
            <defs><pattern id="exam" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="6" stroke="#777" stroke-width="1.6"/></pattern></defs>
            \(parts.joined(separator: "\n"))
            </svg>
            """
    }
}

/// A stretch of time.
public struct Stretch: Sendable, Equatable {
    public var from: Timestamp, until: Timestamp

    public init(from: Timestamp, until: Timestamp) {
        self.from = from
        self.until = until
    }
}

/// A number with one decimal, without one where it is whole: the same on every machine.
func n(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    let sign = tenths < 0 ? "-" : ""
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(sign)\(abs(tenths) / 10).\(abs(tenths) % 10)"
}
