import GRDBSQLite
public import Telemetry

/// What people have said of an alert: a row of `alert_note`.
public struct AlertNote: Sendable, Equatable {
    /// `acknowledged`, `comment` or `ended`.
    public var what: String
    public var at: Timestamp
    public var who: String
    public var role: String
    public var text: String?

    public init(what: String, at: Timestamp, who: String, role: String, text: String?) {
        self.what = what
        self.at = at
        self.who = who
        self.role = role
        self.text = text
    }
}

/// An input of the engine that is no reading: a row of `engine_input`.
public struct EngineInput: Sendable, Equatable {
    /// Number of the last stored reading before it.
    public var afterInput: Int64
    public var clock: Timestamp
    public var name: String, subject: String, author: String, role: String
    /// JSON, keys sorted.
    public var fields: String

    public init(
        afterInput: Int64, clock: Timestamp, name: String, subject: String, author: String, role: String, fields: String
    ) {
        self.afterInput = afterInput
        self.clock = clock
        self.name = name
        self.subject = subject
        self.author = author
        self.role = role
        self.fields = fields
    }
}

/// The rows that actions read and write, inside the open transaction. The writer's thread only.
public final class ActionRows {
    private let connection: Connection
    private let input: Statement
    private let note: Statement
    private let noteOfAlert: Statement
    private let alertByID: Statement

    public init(_ store: StoreWriter) throws(StoreError) {
        connection = store.connection
        input = try connection.prepare(
            """
            INSERT INTO engine_input (after_input, clock, name, subject, author, role, fields) VALUES (?,?,?,?,?,?,?)
            """)
        note = try connection.prepare("INSERT INTO alert_note (alert_id, what, at, who, role, text) VALUES (?,?,?,?,?,?)")
        noteOfAlert = try connection.prepare(
            "SELECT what, at, who, role, text FROM alert_note WHERE alert_id = ? AND what = ? ORDER BY seq DESC LIMIT 1")
        alertByID = try connection.prepare(
            """
            SELECT id, rule, device, site, area, severity, state, started_at, fired_at, resolved_at, value, kind, device_number
            FROM alert WHERE id = ?
            """)
    }

    public func write(_ row: EngineInput) throws(StoreError) {
        input.bind(1, row.afterInput)
        input.bind(2, row.clock.milliseconds)
        input.bind(3, row.name)
        input.bind(4, row.subject)
        input.bind(5, row.author)
        input.bind(6, row.role)
        input.bind(7, row.fields)
        try input.run()
    }

    /// - Returns: the note's number.
    public func write(_ row: AlertNote, of alert: String) throws(StoreError) -> Int64 {
        note.bind(1, alert)
        note.bind(2, row.what)
        note.bind(3, row.at.milliseconds)
        note.bind(4, row.who)
        note.bind(5, row.role)
        note.bind(6, row.text)
        try note.run()
        return unsafe sqlite3_last_insert_rowid(connection.handle)
    }

    public func newestNote(_ what: String, of alert: String) throws(StoreError) -> AlertNote? {
        noteOfAlert.bind(1, alert)
        noteOfAlert.bind(2, what)
        defer { noteOfAlert.reset() }
        guard try noteOfAlert.step() else { return nil }
        return AlertNote(
            what: noteOfAlert.text(0), at: Timestamp(milliseconds: noteOfAlert.integer(1)), who: noteOfAlert.text(2),
            role: noteOfAlert.text(3), text: noteOfAlert.isNull(4) ? nil : noteOfAlert.text(4))
    }

    /// Ids of `table` that begin with `prefix`, two at most: the exact one alone where it is there.
    public func ids(of table: String, beginningWith prefix: String) throws(StoreError) -> [String] {
        let select = try connection.prepare(
            "SELECT id FROM \(table) WHERE id >= ?1 AND id < ?1 || char(1114111) ORDER BY id LIMIT 2")
        select.bind(1, prefix)
        var found: [String] = []
        while try select.step() { found.append(select.text(0)) }
        return found.first == prefix ? [prefix] : found
    }

    public func alert(id: String) throws(StoreError) -> Alert? {
        alertByID.bind(1, id)
        defer { alertByID.reset() }
        let row = alertByID
        guard try row.step(), let kind = Kind(name: row.text(11)) else { return nil }
        func moment(_ column: Int32) -> Timestamp? { row.isNull(column) ? nil : Timestamp(milliseconds: row.integer(column)) }
        return Alert(
            id: row.text(0), rule: row.text(1), device: row.text(2), kind: kind,
            deviceNumber: UInt32(truncatingIfNeeded: row.integer(12)), site: row.isNull(3) ? nil : row.text(3),
            area: row.text(4), severity: row.text(5), state: row.text(6), startedAt: Timestamp(milliseconds: row.integer(7)),
            firedAt: moment(8), resolvedAt: moment(9), value: row.double(10))
    }
}
