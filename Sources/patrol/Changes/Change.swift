import API
import ArgumentParser
import Foundation
import Pipeline
import Store
import Telemetry

/// Who makes a change, and where.
struct ChangeOptions: ParsableArguments {
    static let variable = "PATROL_AS"

    @Option(name: .customLong("as"), help: "Who answers for the change; without it $PATROL_AS.") var author: String?
    @Option(help: "operator, officer or checker.") var role = "operator"
    @Option(help: "table (for people) or json.") var format = "table"
    @Option(help: "zh or en; without it as the terminal's locale says.") var lang: String?
    @OptionGroup var store: StoreOptions

    func action(_ name: String, _ subject: String = "", _ fields: [String: ActionValue?] = [:]) throws -> Action {
        guard format == "table" || format == "json" else {
            throw Exit.fail("--format is table or json, not '\(format)'", Exit.usage)
        }
        guard let author = author ?? ProcessInfo.processInfo.environment[Self.variable], !author.isEmpty else {
            throw Exit.fail("every change names its author: --as NAME, or the variable \(Self.variable)", Exit.usage)
        }
        guard let role = Action.Role(rawValue: role), role.isPerson else {
            throw Exit.fail("--role is operator, officer or checker, not '\(role)'", Exit.usage)
        }
        let action = Action(name, subject: subject, author: author, role: role, fields: fields.compactMapValues { $0 })
        if let problem = ActionCatalogue.problem(with: action) { throw Exit.fail("\(problem)", Exit.usage) }
        return action
    }

    /// Makes the change; the JSON object that says what is now.
    func make(_ action: Action) throws -> [String: Any] {
        let path = try store.path()
        switch try Change.apply(action, storePath: path, options: store) {
        case .done(let json):
            if format == "json" { Output.line(json) }
            return (try? JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]) ?? [:]
        case .refused(let refusal): throw Exit.fail("\(refusal)", refusal.cause == .unavailable ? Exit.store : Exit.problems)
        }
    }

    /// Makes the change and says so in a line.
    func run(_ action: Action, _ line: (Language, [String: Any]) -> String) throws {
        Output.ignoreBrokenPipe()
        let language = try Language.option(lang)
        let answer = try make(action)
        if format == "table" { Output.line(line(language, answer)) }
    }
}

/// A change goes to the Patrol that has the store; where none has it, into the store itself.
enum Change {
    static func apply(_ action: Action, storePath: String, options: StoreOptions) throws -> ActionAnswer {
        if let access = TokenFile(store: storePath) {
            do throws(PlainHTTP.Failure) {
                return try send(action, to: access)
            } catch .noAnswer(let reason) {
                throw Exit.fail("\(access.url): \(reason); the change may have been made: look before you repeat it", Exit.store)
            } catch .unreachable {
                // It ended without taking its file away, or is just starting: the store's lock says which.
            }
        }
        guard FileManager.default.fileExists(atPath: storePath) else {
            throw Exit.fail("there is no store \(storePath); name one with --store", Exit.store)
        }
        let settings = try options.settings()
        return try Exit.onStoreFailure {
            do {
                return try ChangeAtRest.apply(action, storePath: storePath, settings: settings)
            } catch let error as StoreError where error.cause == .locked {
                throw Exit.fail(
                    """
                    \(storePath): a Patrol has the store (\(error.detail)) and does not answer\
                    \(TokenFile(store: storePath).map { " at \($0.url)" } ?? "; it has no token file \(TokenFile.path(ofStore: storePath))")
                    """, Exit.store)
            }
        }
    }

    private static func send(_ action: Action, to access: TokenFile) throws(PlainHTTP.Failure) -> ActionAnswer {
        guard let description = ActionCatalogue.description(of: action.name) else {
            return .refused(ActionRefusal(.unknown, "there is no action '\(action.name)'"))
        }
        var members: [(String, JSONLine.Value)] = [("as", .text(action.author)), ("role", .text(action.role.rawValue))]
        for (name, value) in action.fields.sorted(by: { $0.key < $1.key }) {
            switch value {
            case .text(let text): members.append((name, .text(text)))
            case .number(let number):
                members.append((name, number == number.rounded() && abs(number) < 1e15 ? .number(Int64(number)) : .real(number)))
            case .flag(let flag): members.append((name, .bool(flag)))
            case .list(let list):
                let items = list.map { JSONLine.text([("x", .text($0))]).dropFirst(5).dropLast() }
                members.append((name, .raw("[\(items.joined(separator: ","))]")))
            }
        }
        let subject = action.subject.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        let path = "/api/v1/\(description.collection)" + (description.makesNew ? "" : "/\(subject)/\(description.verb)")
        let (status, body) = try PlainHTTP.post(path, to: access.url, token: access.token, json: JSONLine.text(members))
        if status == 200 { return .done(body.trimmingCharacters(in: .newlines)) }
        let problem = (try? JSONDecoder().decode(Problem.self, from: Data(body.utf8))) ?? Problem(error: "HTTP status \(status)")
        return .refused(
            ActionRefusal(
                problem.cause.flatMap(ActionRefusal.Cause.init) ?? .unavailable, problem.error, field: problem.field,
                possible: problem.possible ?? []))
    }

    private struct Problem: Decodable {
        var error: String
        var cause: String?, field: String?, possible: [String]?
    }
}
