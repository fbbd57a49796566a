import Rules
import Telemetry

/// The language of rule files as Markdown, from the tables that the reader itself uses.
public enum RuleReference {
    public static var text: String {
        var lines = ["# The language of rule files", ""]
        for section in RuleLanguage.sections {
            lines += ["## \(section.name)", "", section.introduction, "", "| key | value | meaning |", "|---|---|---|"]
            lines += section.keys.map { "| `\($0.name)` | \($0.value) | \($0.meaning) |" }
            lines.append("")
        }
        lines += ["## Templates", "", "Fields of `text`, in braces; a rule with another field is refused.", "", "| field | stands for |", "|---|---|"]
        lines += AlertText.fields.map { "| `{\($0.name)}` | \($0.meaning) |" }
        lines += ["", "## Metrics", "", "| kind | metric | unit | from | to |", "|---|---|---|---|---|"]
        for kind in Kind.allCases {
            for metric in RuleMetric.all(of: kind) {
                let range = metric.isText ? ("text", "") : (number(metric.range.lowerBound), number(metric.range.upperBound))
                lines.append("| \(kind.name) | `\(metric.name)` | \(metric.unit) | \(range.0) | \(range.1) |")
            }
        }
        lines += [
            "", "## Durations and distances", "",
            "`500ms`, `30s`, `10m`, `1h`, `30d`; `500m`, `2km`.",
        ]
        return lines.joined(separator: "\n")
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }
}
