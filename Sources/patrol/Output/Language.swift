import Foundation

/// The language of what people read in the terminal.
enum Language: String {
    case english = "en", chinese = "zh"

    /// That of the environment (POSIX: LC_ALL before LC_MESSAGES before LANG).
    static var ofEnvironment: Language {
        let environment = ProcessInfo.processInfo.environment
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        return locale.hasPrefix("zh") ? .chinese : .english
    }

    static func option(_ text: String?) throws -> Language {
        guard let text else { return ofEnvironment }
        guard let language = Language(rawValue: text) else {
            throw Exit.fail("--lang is zh or en, not '\(text)'", Exit.usage)
        }
        return language
    }

    func callAsFunction(_ english: String, _ chinese: String) -> String { self == .english ? english : chinese }
}
