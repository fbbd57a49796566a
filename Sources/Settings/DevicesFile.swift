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

    /// What a device's cells may name; nil where there is no such file, and nothing is asked.
    struct Known {
        var areas: AreaTree?
        var sites: Sites?
        /// Acoustic zones.
        var zones: [String]?
    }

    static func load(path: String, known: Known = Known()) -> Loaded<[DeviceRecord]> {
        read(CSVTable(path: path, columns: columns, needed: ["id", "kind"]), known)
    }

    static func parse(_ text: String, path: String, known: Known = Known()) -> Loaded<[DeviceRecord]> {
        read(CSVTable(text, path: path, columns: columns, needed: ["id", "kind"]), known)
    }

    private static func read(_ csv: CSVTable, _ known: Known) -> Loaded<[DeviceRecord]> {
        var table = csv
        var devices: [DeviceRecord] = []
        var seen: [String: Int] = [:]
        for row in csv.rows {
            let before = table.problems.count
            let id = row.text("id") ?? ""
            if !isID(id) { table.problem(row, "id", "an id has \(idRule)") }
            let kind = Kind(name: row.text("kind") ?? "")
            if kind == nil { table.problem(row, "kind", "kind is one of \(Kind.allCases.map(\.name).joined(separator: ", "))") }
            if let gateway = row.text("gateway"), !isID(gateway) { table.problem(row, "gateway", "no gateway has such an id") }
            checkNames(row, known, &table)
            func degrees(_ name: String, _ limit: Double) -> Double? {
                guard let text = row.text(name) else { return nil }
                if let value = Double(text), abs(value) <= limit { return value }
                table.problem(row, name, "\(name) is a number of degrees up to \(limit), not '\(text)'")
                return nil
            }
            let (lat, lon) = (degrees("lat", 90), degrees("lon", 180))
            let key = "\(row.text("kind") ?? "") \(id)"
            if let other = seen[key] { table.problem(row, nil, "the device stands in line \(other) already") }
            seen[key] = row.line
            guard table.problems.count == before, let kind else { continue }
            devices.append(
                DeviceRecord(
                    kind: kind, id: id, gateway: row.text("gateway") ?? "", name: row.text("name"), area: row.text("area"),
                    site: row.text("site"), zone: row.text("zone"), lat: lat, lon: lon, team: row.text("team"),
                    tags: row.text("tags")))
        }
        return Loaded(devices, table.problems)
    }

    private static func checkNames(_ row: CSVTable.Row, _ known: Known, _ table: inout CSVTable) {
        if let area = row.text("area"), let areas = known.areas, areas.number(ofCode: area) == nil {
            table.problem(row, "area", "no area has the code '\(area)'\(hint(area, among: areas.areas.map(\.code)))")
        }
        if let site = row.text("site"), let sites = known.sites, sites[site] == nil {
            table.problem(row, "site", "no site has the id '\(site)'\(hint(site, among: sites.all.map(\.id)))")
        }
        if let zone = row.text("zone"), let zones = known.zones, !zones.contains(zone) {
            table.problem(row, "zone", "no limit names the zone '\(zone)'; known: \(zones.joined(separator: ", "))")
        }
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
