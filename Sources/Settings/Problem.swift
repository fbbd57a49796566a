/// Something wrong in a file, at its place: prints as `path:line:column: message`.
public struct Problem: Error, Sendable, Equatable, CustomStringConvertible {
    public var path: String
    public var line: Int
    public var column: Int
    public var message: String

    public init(path: String, line: Int = 1, column: Int = 1, message: String) {
        self.path = path
        self.line = line
        self.column = column
        self.message = message
    }

    public var description: String { "\(path):\(line):\(column): \(message)" }
}

/// All problems of a load, in the order of files and lines.
public struct Problems: Error, CustomStringConvertible, Sendable {
    public var all: [Problem]
    public init(_ all: [Problem]) { self.all = all }
    public var description: String { all.map(\.description).joined(separator: "\n") }
}

/// The known word nearest to one that is not known, nil where none is near (edit distance over a third of its length).
public func nearest(_ word: String, in known: some Sequence<String>) -> String? {
    func distance(_ a: [Character], _ b: [Character]) -> Int {
        var row = Array(0...b.count)
        for (i, left) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, right) in b.enumerated() {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (left == right ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count]
    }
    let letters = Array(word.prefix(100))
    if letters.count > 3, let longer = known.first(where: { $0.hasPrefix(word) }) { return longer }
    return known.map { ($0, distance(letters, Array($0))) }.filter { $0.1 <= max(2, letters.count / 3) }
        .min { $0.1 < $1.1 }?.0
}
