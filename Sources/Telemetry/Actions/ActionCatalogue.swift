/// Every action there is, in one list: the HTTP routes, their description and the checks before the engine are made
/// from it.
public struct ActionDescription: Sendable {
    /// `alert.ack`: the collection in the singular, and the verb.
    public let name: String
    public let summary: String
    public let fields: [ActionField]
    /// Makes something new, so there is no subject.
    public let makesNew: Bool

    public init(_ name: String, _ summary: String, makesNew: Bool = false, fields: [ActionField] = []) {
        self.name = name
        self.summary = summary
        self.fields = fields
        self.makesNew = makesNew
    }

    /// `alerts`, `tasks`, `units`.
    public var collection: String {
        let singular = name.prefix { $0 != "." }
        return singular + (singular.hasSuffix("ch") ? "es" : "s")
    }
    /// `ack`, `set-out`.
    public var verb: String { String(name.drop { $0 != "." }.dropFirst()) }
}

public struct ActionField: Sendable {
    public enum Form: Sendable, Equatable {
        case text
        case number(ClosedRange<Double>)
        case flag
        case list
        /// Milliseconds since 1970.
        case moment
        case choice([String])
    }

    public let name: String, form: Form, isRequired: Bool, about: String

    public init(_ name: String, _ about: String, _ form: Form = .text, required: Bool = false) {
        self.name = name
        self.form = form
        isRequired = required
        self.about = about
    }
}

public enum ActionCatalogue {
    public static let all: [ActionDescription] = alerts + silences + tasks + systems + [dispatch] + units + outlets

    private static let alerts = [
        ActionDescription(
            "alert.ack", "Says that somebody has seen a firing alert and answers for it.",
            fields: [ActionField("why", "A remark.")]),
        ActionDescription(
            "alert.comment", "Adds a remark to an alert.", fields: [ActionField("text", "The remark.", required: true)]),
        ActionDescription(
            "alert.end", "Ends a latched alert, which nothing else ends.", fields: [ActionField("why", "A remark.")]),
    ]

    private static let units = [
        ActionDescription("unit.on", "The unit works, whatever its shift says.", fields: [ActionField("why", "A remark.")]),
        ActionDescription("unit.off", "The unit is not sent, whatever its shift says.", fields: [ActionField("why", "A remark.")]),
        ActionDescription("unit.shift", "The unit works as its shift says.", fields: [ActionField("why", "A remark.")]),
    ]

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    public static func description(of name: String) -> ActionDescription? { byName[name] }

    /// Texts are at most so long; a list has at most so many.
    public static let textBytes = 2000, listCount = 20

    /// What is wrong with an action whatever the state of its subject; nil where nothing is.
    public static func problem(with action: Action) -> ActionRefusal? {
        guard let description = description(of: action.name) else {
            return ActionRefusal(.unknown, "there is no action '\(action.name)'", possible: all.map(\.name))
        }
        if !isName(action.author) {
            return ActionRefusal(
                .invalid, "every change names its author: 1 to \(Limits.idBytes) bytes without control characters", field: "as")
        }
        if !description.makesNew, !isName(action.subject) {
            return ActionRefusal(.invalid, "an id has 1 to \(Limits.idBytes) bytes without control characters", field: "id")
        }
        for name in action.fields.keys.sorted() where !description.fields.contains(where: { $0.name == name }) {
            let known = description.fields.map(\.name).joined(separator: ", ")
            return ActionRefusal(
                .invalid, "\(action.name) has no field '\(name)'" + (known.isEmpty ? "" : "; it has \(known)"), field: name)
        }
        for field in description.fields {
            guard let value = action.fields[field.name] else {
                if field.isRequired { return ActionRefusal(.invalid, "\(action.name) needs the field '\(field.name)'", field: field.name) }
                continue
            }
            if let text = problem(value, field) { return ActionRefusal(.invalid, text, field: field.name) }
        }
        return nil
    }

    private static func problem(_ value: ActionValue, _ field: ActionField) -> String? {
        switch (field.form, value) {
        case (.text, .text(let text)):
            if field.isRequired && text.allSatisfy(\.isWhitespace) { return "\(field.name) is empty" }
            return text.utf8.count <= textBytes ? nil : "\(field.name) has \(text.utf8.count) bytes, more than \(textBytes)"
        case (.number(let range), .number(let number)):
            return range.contains(number) ? nil : "\(field.name) is from \(range.lowerBound) to \(range.upperBound), not \(number)"
        case (.flag, .flag): return nil
        case (.moment, .number(let number)):
            let accepted = Double(Timestamp.firstAccepted.milliseconds)...Double(Timestamp.lastAccepted.milliseconds)
            return accepted.contains(number) ? nil : "\(field.name) is milliseconds since 1970, not \(number)"
        case (.list, .list(let list)):
            if list.count > listCount { return "\(field.name) has \(list.count) entries, more than \(listCount)" }
            return list.allSatisfy { $0.utf8.count <= textBytes } ? nil : "an entry of \(field.name) is longer than \(textBytes) bytes"
        case (.choice(let choices), .text(let text)):
            return choices.contains(text) ? nil : "\(field.name) is one of \(choices.joined(separator: ", ")), not '\(text)'"
        case (.text, _), (.choice, _): return "\(field.name) is a text"
        case (.number, _): return "\(field.name) is a number"
        case (.flag, _): return "\(field.name) is true or false"
        case (.moment, _): return "\(field.name) is milliseconds since 1970"
        case (.list, _): return "\(field.name) is a list of texts"
        }
    }

    /// A name of a person or an id, as it may stand in a record.
    public static func isName(_ text: String) -> Bool {
        (1...Limits.idBytes).contains(text.utf8.count)
            && !text.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }
    }
}
