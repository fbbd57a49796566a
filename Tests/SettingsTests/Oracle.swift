import Foundation
import Testing

/// Programs in Tests/Oracles that answer the same questions with other people's code. They need python3-shapely,
/// python3-dateutil and python3-geographiclib of the system's Python; with CI=true those must be there.
enum Oracle {
    private static let root: URL = {
        var root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        for _ in 0..<3 { root.deleteLastPathComponent() }
        return root
    }()
    private static let folder = root.appendingPathComponent("Tests/Oracles")
    private static let python = "/usr/bin/python3"
    private static let environment = ProcessInfo.processInfo.environment

    static let isThere: Bool = {
        if environment["CI"] == "true" { return true }
        let modules = "import shapely, dateutil, geographiclib"
        return (try? run(["-c", modules])) != nil
    }()

    /// Recordings of the developers' folder; see Tests/RecordingTests.
    static let data: URL = {
        if let path = environment["PATROL_DATA"] { return URL(fileURLWithPath: path) }
        return root.deletingLastPathComponent().appendingPathComponent("shared/data")
    }()

    static var hasData: Bool { environment["CI"] == "true" || FileManager.default.fileExists(atPath: data.path) }

    static var district: URL { root.appendingPathComponent("Deploy/district") }

    /// The answer's lines, each split at spaces.
    static func answer(_ program: String, _ arguments: [String]) throws -> [[Substring]] {
        let text = try run([folder.appendingPathComponent(program).path] + arguments)
        return text.split(separator: "\n").map { $0.split(separator: " ") }
    }

    private struct Failed: Error, CustomStringConvertible { let description: String }

    private static func run(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = arguments
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        let failure = try errors.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed(description: String(decoding: failure, as: UTF8.self)) }
        return String(decoding: data, as: UTF8.self)
    }
}
