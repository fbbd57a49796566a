/// Texts of alerts from templates with fields in braces: `{value} {unit}, night limit {limit}, {area}`. Pure.
public enum AlertText {
    /// Every field that a template may name, with what stands for it.
    public static let fields: [(name: String, meaning: String)] = [
        ("value", "the alert's value, to one decimal"), ("unit", "its unit"),
        ("limit", "the level or limit that was passed"), ("standard", "the standard of the limit"),
        ("period", "day or night, of the limit"), ("coverage", "percent of the window that is covered"),
        ("window", "length of the window"), ("device", "the device's id"), ("name", "its name, else its id"),
        ("site", "its site"), ("fence", "the fence of a group by fence"), ("area", "its area"), ("team", "its team"), ("devices", "the devices of a group"),
        ("count", "how many they are, or what the group counts"), ("title", "the rule's title"), ("severity", "info, warning or critical"),
        ("started", "when it began, local time"),
    ]

    public static var fieldNames: [String] { fields.map(\.name) }

    /// Names between braces, in their order.
    public static func fields(in template: String) -> [String] { parts(template).filter(\.isField).map(\.text) }

    public static func render(_ template: String, _ value: (String) -> String) -> String {
        parts(template).map { $0.isField ? value($0.text) : $0.text }.joined()
    }

    private static func parts(_ template: String) -> [(text: String, isField: Bool)] {
        var parts: [(String, Bool)] = []
        var rest = template[...]
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            parts.append((String(rest[..<open]), false))
            parts.append((String(rest[rest.index(after: open)..<close]), true))
            rest = rest[rest.index(after: close)...]
        }
        parts.append((String(rest), false))
        return parts
    }
}
