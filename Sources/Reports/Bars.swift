/// Horizontal bars with names, the longest first as they are given.
public enum Bars {
    /// - Parameter format: of a value, as it stands behind its bar.
    public static func svg(_ items: [(name: String, value: Double)], label: String, format: (Double) -> String) -> String {
        let most = items.map(\.value).max() ?? 0
        let (left, row) = (150.0, 16.0)
        var parts: [String] = []
        for (index, item) in items.enumerated() {
            let y = Double(index) * row
            let width = most > 0 ? (Chart.width - left - 90) * item.value / most : 0
            parts.append("<text x=\"\(n(left - 6))\" y=\"\(n(y + 12))\" text-anchor=\"end\">\(Page.escaped(item.name))</text>")
            parts.append("<rect x=\"\(n(left))\" y=\"\(n(y + 2))\" width=\"\(n(width))\" height=\"\(n(row - 4))\" fill=\"#5b6f84\"/>")
            parts.append("<text x=\"\(n(left + width + 5))\" y=\"\(n(y + 12))\">\(Page.escaped(format(item.value)))</text>")
        }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(n(Chart.width)) \(n(Double(items.count) * row + 4))" role="img" aria-label="\(Page.escaped(label))">
            \(parts.joined(separator: "\n"))
            </svg>
            """
    }
}
