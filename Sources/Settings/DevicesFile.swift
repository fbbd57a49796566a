import Foundation
public import Telemetry

/// A row of `devices.csv`.
public struct DeviceRecord: Sendable, Equatable {
    public var kind: Kind
    public var id: String
    /// Empty: bound to the first gateway that brings it.
    public var gateway: String
    public var name: String?, area: String?, site: String?, zone: String?
    public var lat: Double?, lon: Double?
    public var team: String?, tags: String?

    public init(
        kind: Kind, id: String, gateway: String, name: String? = nil, area: String? = nil, site: String? = nil,
        zone: String? = nil, lat: Double? = nil, lon: Double? = nil, team: String? = nil, tags: String? = nil
    ) {
        self.kind = kind
        self.id = id
        self.gateway = gateway
        self.name = name
        self.area = area
        self.site = site
        self.zone = zone
        self.lat = lat
        self.lon = lon
        self.team = team
        self.tags = tags
    }
}

enum DevicesFile {
    static let columns = ["id", "kind", "gateway", "name", "area", "site", "zone", "lat", "lon", "team", "tags"]

    static func load(path: String) -> (devices: [DeviceRecord], problems: [Problem]) {
        guard let data = FileManager.default.contents(atPath: path) else {
            return ([], [Problem(path: path, message: "the file cannot be read")])
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            return ([], [Problem(path: path, message: "the file is not UTF-8; save it as UTF-8 (CSV UTF-8 in a spreadsheet)")])
        }
        return parse(text, path: path)
    }

    static func parse(_ text: String, path: String) -> (devices: [DeviceRecord], problems: [Problem]) {
        var devices: [DeviceRecord] = []
        var problems: [Problem] = []
        var header: [String] = []
        var seen: [String: Int] = [:]
        let table = CSVReader.read(text)
        problems += table.problems.map { Problem(path: path, line: $0.line, column: $0.column, message: $0.message) }
        let faults = problems.count
        for row in table.rows {
            func problem(_ column: Int, _ message: String) {
                problems.append(Problem(path: path, line: row.line, column: column, message: message))
            }
            if header.isEmpty {
                header = row.cells.map(\.text)
                for cell in row.cells where !columns.contains(cell.text) {
                    let hint = nearest(cell.text, in: columns).map { "; did you mean '\($0)'?" } ?? ""
                    problem(cell.column, "unknown column '\(cell.text)'\(hint)")
                }
                for (index, cell) in row.cells.enumerated() where header[..<index].contains(cell.text) {
                    problem(cell.column, "the column '\(cell.text)' stands in the header twice")
                }
                for name in ["id", "kind"] where !header.contains(name) { problem(1, "the column '\(name)' is missing") }
                if problems.count > faults { break }
                continue
            }
            guard row.cells.count == header.count else {
                problem(1, "\(row.cells.count) cells where the header has \(header.count)")
                continue
            }
            var cells: [String: CSVReader.Cell] = [:]
            for (name, cell) in zip(header, row.cells) where !cell.text.isEmpty { cells[name] = cell }
            let before = problems.count
            let id = cells["id"]?.text ?? ""
            if !isID(id) { problem(cells["id"]?.column ?? 1, "an id has 1 to 64 bytes without control characters, quotes, / + #") }
            let kind = Kind(name: cells["kind"]?.text ?? "")
            if kind == nil {
                problem(cells["kind"]?.column ?? 1, "kind is one of \(Kind.allCases.map(\.name).joined(separator: ", "))")
            }
            if let gateway = cells["gateway"], !isID(gateway.text) { problem(gateway.column, "no gateway has such an id") }
            func degrees(_ name: String, _ limit: Double) -> Double? {
                guard let cell = cells[name] else { return nil }
                guard let value = Double(cell.text), abs(value) <= limit else {
                    problem(cell.column, "\(name) is a number of degrees up to \(limit), not '\(cell.text)'")
                    return nil
                }
                return value
            }
            let (lat, lon) = (degrees("lat", 90), degrees("lon", 180))
            let key = "\(cells["kind"]?.text ?? "") \(id)"
            if let other = seen[key] { problem(1, "the device stands in line \(other) already") }
            seen[key] = row.line
            guard problems.count == before, let kind else { continue }
            devices.append(
                DeviceRecord(
                    kind: kind, id: id, gateway: cells["gateway"]?.text ?? "", name: cells["name"]?.text,
                    area: cells["area"]?.text, site: cells["site"]?.text, zone: cells["zone"]?.text, lat: lat, lon: lon,
                    team: cells["team"]?.text, tags: cells["tags"]?.text))
        }
        if header.isEmpty && problems.isEmpty { problems.append(Problem(path: path, message: "the file is empty")) }
        return (devices, problems)
    }

    private static func isID(_ text: String) -> Bool {
        (1...Limits.idBytes).contains(text.utf8.count)
            && !text.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) || "\"'+#/".unicodeScalars.contains($0) }
    }
}

/// CSV as of RFC 4180, with the place of each cell.
enum CSVReader {
    struct Cell {
        var text: String
        var column: Int
    }

    struct Row {
        var line: Int
        var cells: [Cell]
    }

    struct Fault {
        var line: Int, column: Int
        var message: String
    }

    static func read(_ text: String) -> (rows: [Row], problems: [Fault]) {
        var rows: [Row] = []
        var problems: [Fault] = []
        var opened = (line: 1, column: 1), wasQuoted = false
        var cells: [Cell] = []
        var bytes: [UInt8] = []
        var line = 1, rowLine = 1, column = 1, cellColumn = 1
        var isQuoted = false
        let input = Array(text.utf8.drop(while: { [0xEF, 0xBB, 0xBF].contains($0) }))
        func endCell() {
            cells.append(Cell(text: String(decoding: bytes, as: UTF8.self), column: cellColumn))
            bytes.removeAll(keepingCapacity: true)
            wasQuoted = false
        }
        func endRow() {
            endCell()
            if cells.count > 1 || !cells[0].text.isEmpty { rows.append(Row(line: rowLine, cells: cells)) }
            cells = []
        }
        var index = 0
        while index < input.count {
            let byte = input[index]
            index += 1
            column += 1
            if isQuoted {
                if byte == 0x22 {
                    if index < input.count && input[index] == 0x22 {
                        bytes.append(0x22)
                        index += 1
                        column += 1
                    } else {
                        isQuoted = false
                    }
                } else {
                    if byte == 0x0A { line += 1 }
                    bytes.append(byte)
                }
                continue
            }
            switch byte {
            case 0x22 where bytes.isEmpty && !wasQuoted:
                (isQuoted, wasQuoted) = (true, true)
                opened = (line, column - 1)
            case 0x22:
                problems.append(Fault(line: line, column: column - 1, message: "a '\"' inside a cell: put the cell in quotes and write it twice"))
            case 0x2C:
                endCell()
                cellColumn = column
            case 0x0D where index < input.count && input[index] == 0x0A: break
            case 0x0A:
                endRow()
                line += 1
                rowLine = line
                (column, cellColumn) = (1, 1)
            default:
                if wasQuoted {
                    problems.append(Fault(line: line, column: column - 1, message: "a cell goes on behind its closing quote"))
                    wasQuoted = false
                }
                bytes.append(byte)
            }
        }
        if isQuoted { problems.append(Fault(line: opened.line, column: opened.column, message: "this quote is never closed")) }
        if !bytes.isEmpty || !cells.isEmpty { endRow() }
        return (rows, problems)
    }
}
