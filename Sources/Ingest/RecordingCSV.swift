import Telemetry

/// The columns of a CSV recording: by the payload's names, and a few others that recordings use.
struct CSVColumns {
    enum Role: Equatable {
        case device
        case ts
        case received
        /// Pasted into the payload under this key: a number, a boolean, or text.
        case plain(String)
        case text(String)
        /// `battery_status` of Android: 2 charging, 3 discharging, 4 not charging, 5 full; others say nothing.
        case androidBattery
        case unknown
    }

    let roles: [Role]

    static let aliases = ["laeq_db": "laeq", "battery_pct": "battery", "rssi_dbm": "rssi"]

    /// Nil where the header has no columns `device` and `ts`.
    init?(header: String, kind: Kind) {
        roles = header.split(separator: ",", omittingEmptySubsequences: false).map { cell in
            let name = cell.filter { $0 != "\"" && $0 != "\u{FEFF}" }.trimmingSpaces
            switch name {
            case "device": return .device
            case "ts": return .ts
            case "received_ts": return .received
            case "seq": return .plain("seq")
            case "battery_status": return .androidBattery
            default:
                guard let field = kind.description.field(named: CSVColumns.aliases[name] ?? name) else { return .unknown }
                switch field.storage {
                case .text: return .text(field.name)
                case .number, .bool, .flags, .time, .period: return .plain(field.name)
                }
            }
        }
        guard roles.contains(.device), roles.contains(.ts) else { return nil }
    }
}

extension String {
    fileprivate var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

/// One row of a CSV as a message: topic and native payload, in buffers that are used again.
struct CSVRow {
    private(set) var topic: [UInt8] = []
    private(set) var payload: [UInt8] = []
    private(set) var problem = ""

    /// When the row arrived, where it says so.
    struct Received {
        let moment: Timestamp?
    }

    mutating func fill(
        _ line: UnsafeRawBufferPointer, _ columns: CSVColumns, _ options: RecordingOptions
    ) -> Received? {
        payload.removeAll(keepingCapacity: true)
        payload.append(0x7B)
        topic.removeAll(keepingCapacity: true)
        topic.append(contentsOf: options.topicRoot.utf8)
        topic.append(contentsOf: "/in/\(options.gateway)/\(options.kind.name)/".utf8)
        var received: Timestamp?
        var hasDevice = false
        var start = 0
        for role in columns.roles {
            guard start <= line.count else {
                problem = "fewer cells than the header has columns"
                return nil
            }
            var end = start
            while unsafe end < line.count && line[end] != 0x2C { end += 1 }
            let cell = unsafe UnsafeRawBufferPointer(rebasing: line[start..<end])
            start = end + 1
            if unsafe cell.isEmpty { continue }
            switch role {
            case .device:
                unsafe topic.append(contentsOf: cell)
                hasDevice = true
            case .ts: unsafe member("ts", cell, isNumber: CSVRow.isNumber(cell))
            case .received: received = unsafe Timestamp(rfc3339: cell)
            case .plain(let name): unsafe member(name, cell, isNumber: CSVRow.isNumber(cell) || CSVRow.isBool(cell))
            case .text(let name): unsafe member(name, cell, isNumber: false)
            case .androidBattery:
                let status = unsafe String(decoding: cell, as: UTF8.self)
                if status == "2" || status == "5" { member("charging", "true") }
                if status == "3" || status == "4" { member("charging", "false") }
            case .unknown: break
            }
        }
        guard hasDevice else {
            problem = "no device"
            return nil
        }
        if let period = options.period { member("period_s", period) }
        payload.append(0x7D)
        return Received(moment: received)
    }

    private mutating func key(_ name: String) {
        if payload.count > 1 { payload.append(0x2C) }
        payload.append(0x22)
        payload.append(contentsOf: name.utf8)
        payload.append(0x22)
        payload.append(0x3A)
    }

    private mutating func member(_ name: String, _ value: String) {
        key(name)
        payload.append(contentsOf: value.utf8)
    }

    private mutating func member(_ name: String, _ cell: UnsafeRawBufferPointer, isNumber: Bool) {
        key(name)
        if isNumber { return unsafe payload.append(contentsOf: cell) }
        payload.append(0x22)
        for unsafe byte in unsafe cell {
            if byte == 0x22 || byte == 0x5C { payload.append(0x5C) }
            payload.append(byte)
        }
        payload.append(0x22)
    }

    /// Whether the cell can stand in JSON as a number.
    static func isNumber(_ cell: UnsafeRawBufferPointer) -> Bool {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64 + JSONScanner.padding) { bytes in
            guard cell.count <= 64 else { return false }
            unsafe bytes.initialize(repeating: 0)
            for index in 0..<cell.count { unsafe bytes[index] = unsafe cell[index] }
            var scanner = unsafe JSONScanner(position: UnsafePointer(bytes.baseAddress!))
            return unsafe scanner.number() != nil && scanner.position == UnsafePointer(bytes.baseAddress!) + cell.count
        }
    }

    private static func isBool(_ cell: UnsafeRawBufferPointer) -> Bool {
        let text = unsafe String(decoding: cell, as: UTF8.self)
        return text == "true" || text == "false"
    }
}
