import Foundation

/// What a file says, as far as it can be read, and what is wrong with it.
struct Loaded<Value> {
    var value: Value
    var problems: [Problem]

    init(_ value: Value, _ problems: [Problem]) {
        self.value = value
        self.problems = problems
    }
}

/// The text of a file that people write: never more of it in memory than is allowed, whatever the file is.
enum FileText {
    /// For CSV and GeoJSON.
    static let largestTableBytes = 16 << 20

    /// - Parameter what: for the message, such as `a settings file`.
    static func read(_ path: String, largestBytes: Int, _ what: String) throws(Problem) -> String {
        guard let handle = FileHandle(forReadingAtPath: path) else { throw Problem(path: path, message: "the file cannot be read") }
        defer { try? handle.close() }
        let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size]) as? Int
        var data = Data()
        do {
            // A pipe hands over less at a time than is asked for.
            while data.count <= largestBytes, let more = try handle.read(upToCount: largestBytes + 1 - data.count), !more.isEmpty {
                data += more
            }
        } catch {
            throw Problem(path: path, message: "the file cannot be read")
        }
        guard data.count <= largestBytes else {
            throw Problem(
                path: path, message: "the file has \(max(size ?? 0, data.count)) bytes; \(what) has at most \(largestBytes)")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw Problem(path: path, message: "the file is not UTF-8; save it as UTF-8 (CSV UTF-8 in a spreadsheet)")
        }
        return text
    }

    /// Files as named, and those of folders whose names end so, sorted.
    static func list(_ paths: [String], endings: [String], _ what: String, _ problems: inout [Problem]) -> [String] {
        var result: [String] = []
        for path in paths {
            var isFolder: ObjCBool = false
            guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
                problems.append(Problem(path: path, message: "there is no such file or folder of \(what)"))
                continue
            }
            guard isFolder.boolValue else {
                result.append(path)
                continue
            }
            let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            result += names.filter { name in endings.contains { name.hasSuffix($0) } }.sorted().map { path + "/" + $0 }
        }
        return result
    }
}

/// `did you mean …?` where a known word is near, else the known ones where they are few.
func hint(_ word: String, among known: [String]) -> String {
    if let near = nearest(word, in: known) { return "; did you mean '\(near)'?" }
    return known.isEmpty || known.count > 12 ? "" : "; known: \(known.joined(separator: ", "))"
}
