import Foundation
import Telemetry

/// Whether the files of the settings have other contents than before: asked from time to time, without waiting. Sizes and
/// times say when to look, the contents whether anything is new; files that are still being written are let finish.
public struct FileWatch: Sendable {
    public var paths: [String]
    private var marks: UInt64
    private var contents: UInt64
    private var isChanging = false

    /// - Parameter paths: files and folders; what is in a folder belongs to it.
    public init(paths: [String]) {
        self.paths = paths
        marks = FileWatch.marks(of: paths)
        contents = FileWatch.contents(of: paths)
    }

    /// True once after a change, when nothing has moved between two calls. O(files), and O(bytes) after a change.
    public mutating func poll() -> Bool {
        let marks = FileWatch.marks(of: paths)
        if marks != self.marks {
            self.marks = marks
            isChanging = true
            return false
        }
        guard isChanging else { return false }
        isChanging = false
        let contents = FileWatch.contents(of: paths)
        defer { self.contents = contents }
        return contents != self.contents
    }

    private static func files(_ paths: [String]) -> [String] {
        paths.flatMap { path -> [String] in
            guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else { return [path] }
            return names.sorted().filter { !$0.hasPrefix(".") }.map { path + "/" + $0 }
        }
    }

    private static func marks(of paths: [String]) -> UInt64 {
        let lines = files(paths).map { path -> String in
            guard let found = try? FileManager.default.attributesOfItem(atPath: path) else { return "\(path) -" }
            let time = (found[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
            return "\(path) \(found[.size] ?? 0) \(time) \(found[.systemFileNumber] ?? 0)"
        }
        return Identifier.fnv1a(lines.joined(separator: "\n").utf8)
    }

    private static func contents(of paths: [String]) -> UInt64 {
        files(paths).reduce(Identifier.fnv1a("".utf8)) { hash, path in
            let bytes = FileManager.default.contents(atPath: path) ?? Data()
            return Identifier.fnv1a("\(hash) \(path) \(bytes.count) \(Identifier.fnv1a(bytes))".utf8)
        }
    }
}
