import Delivery
import Foundation
import Store

/// Standard output that ends quietly when nobody reads any more (`| head`).
enum Output {
    static func ignoreBrokenPipe() {
        _ = signal(SIGPIPE) { _ in _exit(0) }
    }

    /// Whether the other end of a pipe is closed: a command that waits would notice only at its next line.
    static var isReaderGone: Bool {
        var descriptor = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        return unsafe poll(&descriptor, 1, 0) > 0 && descriptor.revents & Int16(POLLERR) != 0
    }

    /// Ctrl-C is how a command that follows is meant to end.
    static func endOnInterrupt() {
        _ = signal(SIGINT) { _ in _exit(0) }
        _ = signal(SIGTERM) { _ in _exit(0) }
    }

    static func line(_ text: String) {
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }
}

enum OutputFormat: String, CaseIterable { case table, csv, json }

/// Rows for people, spreadsheets and programs.
struct RowPrinter {
    let columns: [String]
    let format: OutputFormat
    let timezone: TimeZone
    /// What stands over the columns of a table where it is not their names.
    let titles: [String]?
    /// Tables have local times; nothing else waits for a formatter.
    private let times: DateFormatter?

    init(columns: [String], format: OutputFormat, timezone: TimeZone, titles: [String]? = nil) {
        (self.columns, self.format, self.timezone, self.titles) = (columns, format, timezone, titles)
        times = format == .table ? DateFormatter() : nil
        times?.locale = Locale(identifier: "en_US_POSIX")
        times?.timeZone = timezone
        times?.dateFormat = "yyyy-MM-dd HH:mm:ss"
    }

    static let timeColumns: Set<String> = [
        "ts", "received", "bucket", "started_at", "fired_at", "resolved_at", "created_at", "respond_due", "set_out_due",
        "dispose_due", "at", "registered_at", "fix_ts", "acknowledged_at", "suspended_until", "last_at", "disposed_at",
        "sent_at", "fix_at", "duty_at", "camera_at", "readings_from", "readings_until", "starts_at", "ends_at", "silenced_until",
        "first_ts", "last_ts", "start", "until", "revised",
    ]

    func print(_ rows: [[StoreValue]]) {
        switch format {
        case .json:
            let keys = columns.map { JSONObject.quoted($0) + ":" }
            write(rows) { json($0, keys) }
        case .csv:
            Output.line(columns.map(csv).joined(separator: ","))
            write(rows) { row in row.map { csv(plain($0)) }.joined(separator: ",") }
        case .table: table(rows)
        }
    }

    /// Some lines at once: most of a short query would be its writes.
    private func write(_ rows: [[StoreValue]], _ line: ([StoreValue]) -> String) {
        for first in stride(from: 0, to: rows.count, by: 256) {
            Output.line(rows[first..<min(first + 256, rows.count)].map(line).joined(separator: "\n"))
        }
    }

    private func plain(_ value: StoreValue) -> String {
        switch value {
        case .null: ""
        case .integer(let number): "\(number)"
        case .real(let number): "\(number)"
        case .text(let text): text
        }
    }

    private func csv(_ text: String) -> String {
        text.utf8.contains { $0 == 0x2C || $0 == 0x22 || $0 == 0x0A || $0 == 0x0D } ? "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : text
    }

    private func json(_ row: [StoreValue], _ keys: [String]) -> String {
        var line = "{"
        line.reserveCapacity(32 * row.count)
        for (key, value) in zip(keys, row) {
            if line.utf8.count > 1 { line += "," }
            line += key
            switch value {
            case .null: line += "null"
            case .integer(let number): line += number.description
            case .real(let number): number.write(to: &line)
            case .text(let text): line += JSONObject.quoted(text)
            }
        }
        return line + "}"
    }

    /// A value as a table shows it.
    func cell(_ value: StoreValue, _ column: String) -> String {
        if let times, RowPrinter.timeColumns.contains(column), case .integer(let number) = value {
            return times.string(from: Date(timeIntervalSince1970: Double(number) / 1000))
        }
        if case .real(let number) = value { return String(format: "%.6g", number) }
        return plain(value)
    }

    private func table(_ rows: [[StoreValue]]) {
        let cells = rows.map { row in zip(row, columns).map { cell($0, $1) } }
        let headings = titles ?? columns
        var widths = headings.map(RowPrinter.width)
        for row in cells { for (index, cell) in row.enumerated() { widths[index] = max(widths[index], RowPrinter.width(cell)) } }
        func padded(_ row: [String]) -> String {
            zip(row, widths).map { $0 + String(repeating: " ", count: $1 - RowPrinter.width($0)) }.joined(separator: "  ")
        }
        Output.line(padded(headings))
        Output.line(widths.map { String(repeating: "─", count: $0) }.joined(separator: "  "))
        for row in cells { Output.line(padded(row)) }
    }

    /// Columns on the screen: Chinese characters take two.
    static func width(_ text: String) -> Int {
        var isColour = false
        return text.unicodeScalars.reduce(0) { sum, scalar in
            // A colour (ESC [ … m) takes none.
            if isColour || scalar.value == 0x1B {
                isColour = scalar != "m"
                return sum
            }
            return switch scalar.value {
            case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
                0xFFE0...0xFFE6, 0x20000...0x3FFFD: sum + 2
            default: sum + 1
            }
        }
    }
}
