/// A change that somebody asks of the engine: one of its inputs. It is applied with a batch, logged and answered after
/// the commit.
public struct Action: Sendable, Equatable {
    /// One of ``ActionCatalogue``, for example `alert.ack`.
    public var name: String
    /// The id of what is changed, which may be shortened; empty where something new is made.
    public var subject: String
    /// Who answers for it.
    public var author: String
    public var role: Role
    public var fields: [String: ActionValue]

    public init(
        _ name: String, subject: String = "", author: String, role: Role = .operator,
        fields: [String: ActionValue] = [:]
    ) {
        self.name = name
        self.subject = subject
        self.author = author
        self.role = role
        self.fields = fields
    }

    /// In what capacity somebody acts.
    public enum Role: String, Sendable, CaseIterable, Codable {
        case `operator`, officer, checker
        /// Patrol itself: rules, clocks, the choice of a unit.
        case patrol
        /// A person's or another system's gateway: its leads.
        case gateway

        /// Whether somebody may say so of themselves.
        public var isPerson: Bool { self != .patrol && self != .gateway }
    }

    public func text(_ name: String) -> String? { if case .text(let text) = fields[name] { text } else { nil } }
    public func number(_ name: String) -> Double? { if case .number(let number) = fields[name] { number } else { nil } }
    public func flag(_ name: String) -> Bool? { if case .flag(let flag) = fields[name] { flag } else { nil } }
    public func list(_ name: String) -> [String] { if case .list(let list) = fields[name] { list } else { [] } }
}

public enum ActionValue: Sendable, Equatable, Codable {
    case text(String), number(Double), flag(Bool), list([String])

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let flag = try? container.decode(Bool.self) {
            self = .flag(flag)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let text = try? container.decode(String.self) {
            self = .text(text)
        } else {
            self = .list(try container.decode([String].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .text(let text): try container.encode(text)
        case .number(let number): try container.encode(number)
        case .flag(let flag): try container.encode(flag)
        case .list(let list): try container.encode(list)
        }
    }
}

/// What became of an action.
public enum ActionAnswer: Sendable, Equatable {
    /// It is committed; a JSON object says what is now.
    case done(String)
    case refused(ActionRefusal)
}

/// Why an action changed nothing, and what would.
public struct ActionRefusal: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Cause: String, Sendable {
        /// Nothing has this id, or more than one thing has it.
        case unknown
        /// A field is missing or wrong.
        case invalid
        /// Not in the state in which the subject is.
        case conflict
        /// Not this author or role.
        case forbidden
        /// Not now: too much waits, or Patrol ends.
        case unavailable
    }

    public var cause: Cause
    public var message: String
    public var field: String?
    /// Actions that the subject allows now.
    public var possible: [String]

    public init(_ cause: Cause, _ message: String, field: String? = nil, possible: [String] = []) {
        self.cause = cause
        self.message = message
        self.field = field
        self.possible = possible
    }

    public var description: String {
        message + (possible.isEmpty ? "" : "; possible now: \(possible.joined(separator: ", "))")
    }
}
