import Telemetry

/// What is wrong with a CSV's header.
struct CSVHeaderError: Error {
    let description: String
}

/// The columns of a CSV recording: by the payload's names, and a few others that recordings use.
struct CSVColumn {
    enum Role: Equatable, BitwiseCopyable {
        case device, ts, received, gateway
        /// Written into the payload as the value that the key wants, or as text where the cell is none: the decoder says
        /// `type` then, as it would of a message.
        case number, integer, bool, time, flags, text
        /// `battery_status` of Android: 2 charging, 5 full, 3 discharging, 4 not charging. −1 (shutdown), −3 (reboot)
        /// and whatever else is recorded there (`battery`, `external`) say nothing of charging; the reading stands.
        case androidBattery
        case ignored
    }

    static let aliases = ["laeq_db": "laeq", "battery_pct": "battery", "rssi_dbm": "rssi", "battery_status": "charging"]

    let role: Role
    /// The payload's key, empty where the column does not go into it.
    let name: String
    /// `"key":`
    let key: [UInt8]

    init(header: some StringProtocol, kind: Kind) {
        let field = kind.description.field(named: CSVColumn.aliases[String(header)] ?? String(header))
        switch header {
        case "device": role = .device
        case "ts": role = .ts
        case "received_ts": role = .received
        case "gateway": role = .gateway
        case "seq": role = .integer
        case "battery_status": role = field == nil ? .ignored : .androidBattery
        default:
            switch field?.storage {
            case .number(_, _, let isInteger): role = isInteger ? .integer : .number
            case .period: role = .number
            case .bool: role = .bool
            case .time: role = .time
            case .flags: role = .flags
            case .text: role = .text
            case nil: role = .ignored
            }
        }
        switch role {
        case .device, .received, .gateway, .ignored: name = ""
        default: name = field?.name ?? String(header)
        }
        key = Array("\"\(name)\":".utf8)
    }

    /// The columns that a header names; nil where it has no `device` and `ts`.
    static func columns(header: String, kind: Kind) throws(CSVHeaderError) -> [CSVColumn]? {
        let cells = header.split(separator: ",", omittingEmptySubsequences: false)
        let columns = cells.map { cell in
            let kept = cell.unicodeScalars.filter { $0 != "\"" && $0 != "\u{FEFF}" && $0 != " " && $0 != "\r" }
            return CSVColumn(header: String(String.UnicodeScalarView(kept)), kind: kind)
        }
        guard columns.contains(where: { $0.role == .device }), columns.contains(where: { $0.role == .ts }) else { return nil }
        for (role, name) in [(CSVColumn.Role.device, "device"), (.received, "received_ts"), (.gateway, "gateway")]
        where columns.count(where: { $0.role == role }) > 1 {
            throw CSVHeaderError(description: "the header names \(name) twice; keep one of the columns")
        }
        let names = columns.map(\.name).filter { !$0.isEmpty }
        for name in Set(names).sorted() where names.count(where: { $0 == name }) > 1 {
            throw CSVHeaderError(description: "two columns give \(name); keep one of them")
        }
        let missing = kind.description.fields.filter { field in field.required && !names.contains(field.name) }.map(\.name)
        if !missing.isEmpty {
            throw CSVHeaderError(
                description: "no column gives \(missing.joined(separator: ", ")), which \(kind.name) needs; is --kind right?")
        }
        if kind.description.needsAnyField && !kind.description.fields.contains(where: { names.contains($0.name) }) {
            throw CSVHeaderError(description: "no column gives a value of \(kind.name); is --kind right?")
        }
        return columns
    }
}

/// One row of a CSV as a message: topic and native payload, in buffers that are used again.
///
/// A cell that is a number goes into the payload digit by digit, so that it is read as exactly as a message's would be.
struct CSVRow {
    private(set) var topic: [UInt8] = []
    var payload: [UInt8] = []
    /// When the row arrived, where it says so.
    private(set) var received: Timestamp?
    /// What is wrong with the row just filled; empty where nothing is.
    private(set) var problem = ""

    private let kind: Kind
    private let prefix: [UInt8]
    /// Where the gateway stands in a column of its own: what stands before and behind it in the topic.
    private let root: [UInt8], middle: [UInt8]
    private var deviceCell: [UInt8] = [], gatewayCell: [UInt8] = []
    private var hasGatewayColumn = false
    private let period: [UInt8]
    private var columns: [CSVColumn] = []
    private var hasPeriodColumn = false
    /// A quoted cell without its quotes.
    private var unquoted: [UInt8] = []

    init(_ options: RecordingOptions) {
        kind = options.kind
        prefix = Array("\(options.topicRoot)/in/\(options.gateway)/\(options.kind.name)/".utf8)
        root = Array("\(options.topicRoot)/in/".utf8)
        middle = Array("/\(options.kind.name)/".utf8)
        period = options.period.map { Array("\"period_s\":\($0)".utf8) } ?? []
    }

    /// False where the line is no header.
    mutating func take(header: String) throws(CSVHeaderError) -> Bool {
        guard let columns = try CSVColumn.columns(header: header, kind: kind) else { return false }
        self.columns = columns
        hasPeriodColumn = columns.contains { $0.name == "period_s" }
        hasGatewayColumn = columns.contains { $0.role == .gateway }
        return true
    }

    /// False where the row is no message; ``problem`` says why.
    mutating func fill(_ line: UnsafeRawBufferPointer) -> Bool {
        problem = ""
        received = nil
        payload.removeAll(keepingCapacity: true)
        payload.append(0x7B)
        topic.removeAll(keepingCapacity: true)
        topic.append(contentsOf: prefix)
        gatewayCell.removeAll(keepingCapacity: true)
        var hasPeriod = false
        var next = 0
        for index in columns.indices {
            guard next <= line.count else {
                problem = "\(index) cells where the header has \(columns.count)"
                return false
            }
            if unsafe next < line.count && line[next] == 0x22 {
                guard let end = unsafe unquote(line, from: next) else {
                    problem = "a quoted cell has no end on its line"
                    return false
                }
                next = end + 1
                // Taken out for the call: the cell must not lie in a buffer that is written.
                let cell = unquoted
                unsafe cell.withUnsafeBytes { unsafe take($0, index, &hasPeriod) }
            } else {
                var end = next
                while unsafe end < line.count && line[end] != 0x2C { end += 1 }
                unsafe take(CSVRow.trimmed(UnsafeRawBufferPointer(rebasing: line[next..<end])), index, &hasPeriod)
                next = end + 1
            }
        }
        // Empty cells behind the last column do no harm; others mean that the cells have shifted.
        while next < line.count {
            guard unsafe line[next] == 0x2C || line[next] == 0x20 else {
                problem = "more cells than the header's \(columns.count)"
                return false
            }
            next += 1
        }
        guard topic.count > prefix.count else {
            problem = "the device is missing"
            return false
        }
        if hasGatewayColumn && !gatewayCell.isEmpty {
            deviceCell.removeAll(keepingCapacity: true)
            deviceCell.append(contentsOf: topic[prefix.count...])
            topic.removeAll(keepingCapacity: true)
            for part in [root, gatewayCell, middle, deviceCell] { topic.append(contentsOf: part) }
        }
        if !period.isEmpty && !(hasPeriodColumn && hasPeriod) {
            if payload.count > 1 { payload.append(0x2C) }
            payload.append(contentsOf: period)
        }
        payload.append(0x7D)
        return true
    }

    /// The cell between quotes (RFC 4180 §2) at `start`, into ``unquoted``; the index of what follows it.
    private mutating func unquote(_ line: UnsafeRawBufferPointer, from start: Int) -> Int? {
        unquoted.removeAll(keepingCapacity: true)
        var index = start + 1
        while index < line.count {
            let byte = unsafe line[index]
            index += 1
            if byte == 0x22 {
                guard unsafe index < line.count && line[index] == 0x22 else {
                    return unsafe index == line.count || line[index] == 0x2C ? index : nil
                }
                index += 1
            }
            unquoted.append(byte)
        }
        return nil
    }

    private static func trimmed(_ cell: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var (start, end) = (0, cell.count)
        while unsafe start < end && cell[start] == 0x20 { start += 1 }
        while unsafe start < end && cell[end - 1] == 0x20 { end -= 1 }
        return unsafe UnsafeRawBufferPointer(rebasing: cell[start..<end])
    }

    private mutating func take(_ cell: UnsafeRawBufferPointer, _ index: Int, _ hasPeriod: inout Bool) {
        if unsafe cell.isEmpty { return }
        let role = columns[index].role
        switch role {
        case .ignored: return
        case .device: return unsafe topic.append(contentsOf: cell)
        case .gateway: return unsafe gatewayCell.append(contentsOf: cell)
        case .received:
            received = unsafe CSVCell.moment(cell)
            if received == nil { problem = "received_ts is no time; the row is taken without it" }
            return
        case .androidBattery:
            guard let charging = unsafe CSVCell.isCharging(cell) else { return }
            key(index)
            payload.append(contentsOf: charging ? CSVCell.true : CSVCell.false)
            return
        default: break
        }
        key(index)
        if columns[index].name == "period_s" { hasPeriod = true }
        switch role {
        case .number: unsafe CSVCell.appendNumber(cell, isInteger: false, to: &payload)
        case .integer, .ts, .time: unsafe CSVCell.appendNumber(cell, isInteger: true, to: &payload)
        case .bool: unsafe CSVCell.appendBool(cell, to: &payload)
        case .flags: unsafe CSVCell.appendFlags(cell, to: &payload)
        default: unsafe CSVCell.appendText(cell, to: &payload)
        }
    }

    private mutating func key(_ index: Int) {
        if payload.count > 1 { payload.append(0x2C) }
        payload.append(contentsOf: columns[index].key)
    }
}
