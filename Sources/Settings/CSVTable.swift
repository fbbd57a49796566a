/// A CSV file with a header, its columns known: rows by column name, with the place of each cell.
struct CSVTable {
    struct Row {
        let line: Int
        /// Cells that are not empty.
        let cells: [String: CSVReader.Cell]

        func text(_ column: String) -> String? { cells[column]?.text }

        /// The parts of a cell, parted by `;`, without spaces around them.
        func list(_ column: String) -> [String] {
            (text(column) ?? "").split(separator: ";").map { part in
                String(part.drop(while: { $0 == " " }).reversed().drop(while: { $0 == " " }).reversed())
            }.filter { !$0.isEmpty }
        }
    }

    let path: String
    private(set) var rows: [Row] = []
    private(set) var problems: [Problem] = []

    /// Reads the file; a problem of the header leaves the table without rows.
    init(path: String, columns: [String], needed: [String]) {
        let text = Result { () throws(Problem) in
            try FileText.read(path, largestBytes: FileText.largestTableBytes, "a CSV file")
        }
        switch text {
        case .success(let text): self.init(text, path: path, columns: columns, needed: needed)
        case .failure(let problem): self.init(path: path, problems: [problem])
        }
    }

    private init(path: String, problems: [Problem]) {
        self.path = path
        self.problems = problems
    }

    init(_ text: String, path: String, columns: [String], needed: [String]) {
        self.path = path
        let file = CSVReader.read(text)
        problems = file.problems.map { Problem(path: path, line: $0.line, column: $0.column, message: $0.message) }
        guard let first = file.rows.first else {
            if problems.isEmpty { problems.append(Problem(path: path, message: "the file is empty")) }
            return
        }
        let header = first.cells.map(\.text)
        let faults = problems.count
        for cell in first.cells where !columns.contains(cell.text) {
            problem(first.line, cell.column, "unknown column '\(cell.text)'\(hint(cell.text, among: columns))")
        }
        for (index, cell) in first.cells.enumerated() where header[..<index].contains(cell.text) {
            problem(first.line, cell.column, "the column '\(cell.text)' stands in the header twice")
        }
        for name in needed where !header.contains(name) { problem(first.line, 1, "the column '\(name)' is missing") }
        if problems.count > faults { return }
        for row in file.rows.dropFirst() {
            guard row.cells.count == header.count else {
                problem(row.line, 1, "\(row.cells.count) cells where the header has \(header.count)")
                continue
            }
            var cells: [String: CSVReader.Cell] = [:]
            for (name, cell) in zip(header, row.cells) where !cell.text.isEmpty { cells[name] = cell }
            rows.append(Row(line: row.line, cells: cells))
        }
    }

    private mutating func problem(_ line: Int, _ column: Int, _ message: String) {
        problems.append(Problem(path: path, line: line, column: column, message: message))
    }

    mutating func problem(_ row: Row, _ column: String?, _ message: String) {
        problem(row.line, column.flatMap { row.cells[$0]?.column } ?? 1, message)
    }

    /// The cell's text, with a problem where it is empty.
    mutating func needed(_ row: Row, _ column: String) -> String? {
        if let text = row.text(column) { return text }
        problem(row, nil, "the cell '\(column)' is empty")
        return nil
    }
}
