import ArgumentParser
import Foundation
import Store

/// How a command shows rows.
struct ViewOptions: ParsableArguments {
    @Option(help: "table, csv or json (an object a line).") var format = "table"
    @Option(help: "zh or en; without it as the terminal's locale says.") var lang: String?
    @Option(help: "Time zone of the times shown.") var timezone = "Asia/Shanghai"
    @OptionGroup var store: StoreOptions

    func checked() throws -> View {
        guard let format = OutputFormat(rawValue: format) else {
            throw Exit.fail("--format is table, csv or json, not '\(format)'", Exit.usage)
        }
        return View(format: format, language: try .option(lang), timezone: try MomentOption.zone(timezone))
    }
}

/// Rows for people in their language, and for programs under the columns' own names.
final class View {
    let format: OutputFormat
    let language: Language
    let timezone: TimeZone
    /// Members of a JSON object that is written by ``end()``.
    private var members: [(String, JSONLine.Value)] = []

    init(format: OutputFormat, language: Language, timezone: TimeZone) {
        self.format = format
        self.language = language
        self.timezone = timezone
    }

    typealias Headings = [String: (String, String)]

    func table(columns: [String], _ headings: Headings, _ rows: [[StoreValue]], empty: String) {
        if format == .table && rows.isEmpty { return Output.line("(\(empty))") }
        RowPrinter(columns: columns, format: format, timezone: timezone, titles: titles(columns, headings)).print(rows)
    }

    func titles(_ columns: [String], _ headings: Headings) -> [String]? {
        format == .table ? columns.map { name in headings[name].map { language($0.0, $0.1) } ?? name } : nil
    }

    /// A row as lines of name and value; in JSON the beginning of an object.
    func object(columns: [String], _ headings: Headings, _ row: [StoreValue]) {
        if format != .table {
            for (name, value) in zip(columns, row) { members.append((name, JSONLine.Value(value))) }
            return
        }
        let names = titles(columns, headings) ?? columns
        let width = names.map(RowPrinter.width).max() ?? 0
        let printer = RowPrinter(columns: columns, format: .table, timezone: timezone)
        for (index, value) in row.enumerated() where value != .null {
            let padding = String(repeating: " ", count: width - RowPrinter.width(names[index]))
            Output.line("\(names[index])\(padding)  \(printer.cell(value, columns[index]))")
        }
    }

    /// More rows that belong to the object.
    func list(_ name: String, _ rows: (columns: [String], rows: [[StoreValue]]), _ headings: Headings = [:], title: String) {
        if format != .table {
            let items = rows.rows.map { row in JSONLine.text(zip(rows.columns, row).map { ($0, JSONLine.Value($1)) }) }
            return members.append((name, .raw("[\(items.joined(separator: ","))]")))
        }
        if rows.rows.isEmpty { return }
        Output.line("\n\(title)")
        RowPrinter(columns: rows.columns, format: .table, timezone: timezone, titles: titles(rows.columns, headings)).print(rows.rows)
    }

    /// Writes the JSON object.
    func end() { if format != .table { Output.line(JSONLine.text(members)) } }

    /// Shows rows again whenever they have changed: on a terminal in place, elsewhere one table (or its JSON lines) after
    /// the other.
    func watch(_ read: () throws -> (columns: [String], headings: Headings, rows: [[StoreValue]])) async throws {
        Output.ignoreBrokenPipe()
        Output.endOnInterrupt()
        var last: [[StoreValue]]?
        while !Output.isReaderGone {
            let (columns, headings, rows) = try Exit.onStoreFailure(read)
            if rows != last {
                if format == .table && isatty(1) == 1 { Output.line("\u{1B}[H\u{1B}[2J") }
                table(columns: columns, headings, rows, empty: language("nothing open", "没有未结事项"))
                last = rows
            }
            try await Task.sleep(for: .milliseconds(250))
        }
    }
}

extension JSONLine.Value {
    init(_ value: StoreValue) {
        switch value {
        case .null: self = .raw("null")
        case .integer(let number): self = .number(number)
        case .real(let number): self = .real(number)
        case .text(let text): self = .text(text)
        }
    }
}
