import ArgumentParser
import Foundation
import Settings
import Store

/// The exit codes of the contract.
enum Exit {
    static let problems = ExitCode(1)
    static let usage = ExitCode(2)
    static let settings = ExitCode(3)
    static let broker = ExitCode(4)
    static let store = ExitCode(5)

    /// Says what happened and ends with the code.
    static func fail(_ message: String, _ code: ExitCode) -> ExitCode {
        FileHandle.standardError.write(Data("patrol: \(message)\n".utf8))
        return code
    }

    /// Says what the answer lacks; the command goes on.
    static func warn(_ message: String) { FileHandle.standardError.write(Data("patrol: \(message)\n".utf8)) }

    /// Runs `body`; problems in files are printed, a line each.
    static func onProblems<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let problems as Problems {
            FileHandle.standardError.write(Data("\(problems)\n".utf8))
            throw fail("\(problems.all.count) problem\(problems.all.count == 1 ? "" : "s") in the settings; nothing was started", settings)
        }
    }

    static func onStoreFailureAsync<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as StoreError {
            throw fail("\(error)", store)
        }
    }

    /// Runs `body`; a failing store ends with its code and its words.
    static func onStoreFailure<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as StoreError {
            throw fail("\(error)", store)
        }
    }
}
