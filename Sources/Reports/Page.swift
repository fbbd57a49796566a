/// The language of a report.
public enum ReportLanguage: String, Sendable {
    case english = "en", chinese = "zh"

    public func callAsFunction(_ english: String, _ chinese: String) -> String { self == .english ? english : chinese }
}

/// A page for a browser and for A4 paper, with all it needs in it. Readable without colours.
public struct Page: Sendable {
    public var language: ReportLanguage
    public var title: String
    private var parts: [String] = []

    public init(title: String, language: ReportLanguage) {
        self.title = title
        self.language = language
    }

    public static func escaped(_ text: some StringProtocol) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }

    public mutating func heading(_ text: String, startsPage: Bool = false) {
        parts.append("<h2\(startsPage ? " class=\"page\"" : "")>\(Page.escaped(text))</h2>")
    }

    public mutating func paragraph(_ text: String) { parts.append("<p>\(Page.escaped(text))</p>") }

    public mutating func figure(_ svg: String, caption: String) {
        parts.append("<figure>\n<figcaption>\(Page.escaped(caption))</figcaption>\n\(svg)\n</figure>")
    }

    /// - Parameter textColumns: of them the cells begin at the left, all others are numbers.
    public mutating func table(heads: [String], rows: [[String]], textColumns: Set<Int>) {
        func line(_ cells: [String], _ tag: String) -> String {
            "<tr>"
                + cells.enumerated().map { "<\(tag)\(textColumns.contains($0.offset) ? " class=\"t\"" : "")>\(Page.escaped($0.element))</\(tag)>" }
                .joined() + "</tr>"
        }
        parts.append(
            "<table>\n<thead>\(line(heads, "th"))</thead>\n<tbody>\n\(rows.map { line($0, "td") }.joined(separator: "\n"))\n</tbody>\n</table>")
    }

    /// Names and values, two to a line.
    public mutating func facts(_ facts: [(String, String)]) {
        parts.append(
            "<dl>\(facts.map { "<div><dt>\(Page.escaped($0.0))</dt><dd>\(Page.escaped($0.1))</dd></div>" }.joined())</dl>")
    }

    public var html: String {
        """
        <!DOCTYPE html>
        <html lang="\(language == .english ? "en" : "zh-CN")"><head><meta charset="utf-8"><title>\(Page.escaped(title))</title>
        <style>
        @page { size: A4; margin: 14mm 12mm }
        body { font: 13px/1.5 system-ui, "Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC", sans-serif; color: #111; max-width: 186mm; margin: 8mm auto; padding: 0 4mm }
        h1 { font-size: 20px; margin: 0 0 .3em } h2 { font-size: 16px; margin: 1.4em 0 .4em; break-after: avoid }
        h2.page { break-before: page } p { margin: .3em 0 }
        figure { margin: .8em 0; break-inside: avoid } figcaption { font-weight: 600; margin-bottom: .2em }
        svg { width: 100%; height: auto; display: block } svg text { font-size: 11px; fill: #222 }
        table { border-collapse: collapse; font-size: 12px; margin: .5em 0; max-width: 100% } thead { display: table-header-group }
        th, td { padding: .12rem .35rem; border-bottom: 1px solid #ccc; text-align: right; font-variant-numeric: tabular-nums }
        td:not(.t), td:first-child { white-space: nowrap }
        th { border-bottom: 1.5px solid #333 } .t { text-align: left } tr { break-inside: avoid }
        dl { display: grid; grid-template-columns: 1fr 1fr; gap: 0 2em; margin: .5em 0 } dl div { display: flex; gap: .8em; border-bottom: 1px solid #ddd }
        dt { color: #444; flex: 0 0 11em } dd { margin: 0 }
        @media print { body { margin: 0; padding: 0; max-width: none } }
        </style></head><body>
        <h1>\(Page.escaped(title))</h1>
        \(parts.joined(separator: "\n"))
        </body></html>
        """
    }
}
