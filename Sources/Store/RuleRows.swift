public import Telemetry

/// Something besides readings that the rules' state depends on, in its place among the stored readings.
public struct RuleInput: Sendable, Equatable {
    /// Of the reading whose clock this is; of a tick: the last reading before it.
    public var input: Int64
    /// Time passed without a reading, up to `clock`.
    public var isTick: Bool
    public var clock: Timestamp
    public var isCatchingUp: Bool
    /// Neither: behind `input` another gateway has brought the id of this device.
    public var contested: UInt32?

    public init(input: Int64, isTick: Bool, clock: Timestamp, isCatchingUp: Bool, contested: UInt32? = nil) {
        self.contested = contested
        self.input = input
        self.isTick = isTick
        self.clock = clock
        self.isCatchingUp = isCatchingUp
    }
}

/// A person has ended a rule's alert at a device.
public struct RuleEnd: Sendable, Equatable {
    /// The last stored reading before it.
    public var input: Int64
    /// Of the rules, which had seen everything due by then.
    public var clock: Timestamp
    public var at: Timestamp
    public var hash: UInt64
    public var device: UInt32

    public init(input: Int64, clock: Timestamp, at: Timestamp, hash: UInt64, device: UInt32) {
        self.input = input
        self.clock = clock
        self.at = at
        self.hash = hash
        self.device = device
    }
}

/// A rule that is in force, and since which stored reading.
public struct RuleInForce: Sendable, Equatable {
    public var rule: String
    public var hash: UInt64
    public var sinceInput: Int64

    public init(rule: String, hash: UInt64, sinceInput: Int64) {
        self.rule = rule
        self.hash = hash
        self.sinceInput = sinceInput
    }
}

/// What an alert says besides its row.
public struct AlertDetail: Sendable, Equatable {
    public var titleEnglish: String, titleChinese: String
    /// Empty where the rule has no text.
    public var textEnglish: String, textChinese: String
    public var unit: String
    /// The level or limit that was passed, where there is one.
    public var bound: Double?
    public var standard: String?
    /// Share of the window that was covered, where there is one.
    public var coverage: Double?
    /// Of a group, commas between them.
    public var devices: String?
    /// Why it ended.
    public var reason: String?
    /// The metric whose readings it stands on, where it is about one, and their time.
    public var metric: String?
    public var readingsFrom: Timestamp?, readingsUntil: Timestamp?
    /// The silence that holds its task back.
    public var silencedBy: String?

    public init(
        titleEnglish: String, titleChinese: String, textEnglish: String, textChinese: String, unit: String, bound: Double?,
        standard: String?, coverage: Double?, devices: String?, reason: String?
    ) {
        self.titleEnglish = titleEnglish
        self.titleChinese = titleChinese
        self.textEnglish = textEnglish
        self.textChinese = textChinese
        self.unit = unit
        self.bound = bound
        self.standard = standard
        self.coverage = coverage
        self.devices = devices
        self.reason = reason
    }
}

/// The rows of rules: their states, their other inputs, the texts of alerts. The writer's thread only.
public final class RuleRows {
    private let connection: Connection
    private let setState: Statement
    private let dropState: Statement
    private let addInput: Statement
    private let dropInputs: Statement
    private let addEnd: Statement
    private let dropEnds: Statement
    private let setDetail: Statement
    private let setReason: Statement
    private let dropRules: Statement
    private let addRule: Statement

    public init(_ store: StoreWriter) throws(StoreError) {
        connection = store.connection
        setState = try connection.prepare("INSERT OR REPLACE INTO rule_state VALUES (?,?)")
        dropState = try connection.prepare("DELETE FROM rule_state WHERE page = ?")
        addInput = try connection.prepare("INSERT INTO rule_input (input, is_tick, clock, is_catching_up, contested) VALUES (?,?,?,?,?)")
        dropInputs = try connection.prepare("DELETE FROM rule_input WHERE input <= ?")
        addEnd = try connection.prepare("INSERT INTO rule_end (input, clock, at, hash, device) VALUES (?,?,?,?,?)")
        dropEnds = try connection.prepare("DELETE FROM rule_end WHERE input <= ?")
        setDetail = try connection.prepare(
            """
            INSERT OR REPLACE INTO alert_detail (alert_id, title_en, title_zh, text_en, text_zh, unit, bound, standard, coverage,
              devices, reason, metric, readings_from, readings_until, silenced_by) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
            """)
        setReason = try connection.prepare("UPDATE alert_detail SET reason = ? WHERE alert_id = ?")
        dropRules = try connection.prepare("DELETE FROM rule_in_force")
        addRule = try connection.prepare("INSERT INTO rule_in_force VALUES (?,?,?)")
    }

    /// What belongs to no device stands beside the pages of devices.
    public static let shared: Int64 = -1

    public func write(state: [UInt8], page: Int64) throws(StoreError) {
        if state.isEmpty {
            dropState.bind(1, page)
            return try dropState.run()
        }
        setState.bind(1, page)
        setState.bindBlob(2, state)
        try setState.run()
    }

    public func states(_ body: (Int64, [UInt8]) -> Void) throws(StoreError) {
        let select = try connection.prepare("SELECT page, state FROM rule_state ORDER BY page")
        while try select.step() { body(select.integer(0), select.bytes(1)) }
    }

    public func add(_ input: RuleInput) throws(StoreError) {
        addInput.bind(1, input.input)
        addInput.bind(2, input.isTick ? 1 : Int64(0))
        addInput.bind(3, input.clock.milliseconds)
        addInput.bind(4, input.isCatchingUp ? 1 : Int64(0))
        addInput.bind(5, input.contested.map(Int64.init))
        try addInput.run()
    }

    public func dropInputs(upTo input: Int64) throws(StoreError) {
        dropInputs.bind(1, input)
        try dropInputs.run()
        dropEnds.bind(1, input)
        try dropEnds.run()
    }

    public func add(_ end: RuleEnd) throws(StoreError) {
        addEnd.bind(1, end.input)
        addEnd.bind(2, end.clock.milliseconds)
        addEnd.bind(3, end.at.milliseconds)
        addEnd.bind(4, String(end.hash, radix: 16))
        addEnd.bind(5, Int64(end.device))
        try addEnd.run()
    }

    public func ends() throws(StoreError) -> [RuleEnd] {
        let select = try connection.prepare("SELECT input, clock, at, hash, device FROM rule_end ORDER BY seq")
        var ends: [RuleEnd] = []
        while try select.step() {
            ends.append(
                RuleEnd(
                    input: select.integer(0), clock: Timestamp(milliseconds: select.integer(1)),
                    at: Timestamp(milliseconds: select.integer(2)), hash: UInt64(select.text(3), radix: 16) ?? 0,
                    device: UInt32(truncatingIfNeeded: select.integer(4))))
        }
        return ends
    }

    /// Those behind `input`, in their order.
    public func inputs() throws(StoreError) -> [RuleInput] {
        let select = try connection.prepare("SELECT input, is_tick, clock, is_catching_up, contested FROM rule_input ORDER BY seq")
        var inputs: [RuleInput] = []
        while try select.step() {
            inputs.append(
                RuleInput(
                    input: select.integer(0), isTick: select.integer(1) != 0,
                    clock: Timestamp(milliseconds: select.integer(2)), isCatchingUp: select.integer(3) != 0,
                    contested: select.isNull(4) ? nil : UInt32(truncatingIfNeeded: select.integer(4))))
        }
        return inputs
    }

    public func rulesInForce() throws(StoreError) -> [RuleInForce] {
        let select = try connection.prepare("SELECT rule, hash, since_input FROM rule_in_force ORDER BY rule")
        var rules: [RuleInForce] = []
        while try select.step() {
            rules.append(
                RuleInForce(rule: select.text(0), hash: UInt64(select.text(1), radix: 16) ?? 0, sinceInput: select.integer(2)))
        }
        return rules
    }

    public func write(inForce rules: [RuleInForce]) throws(StoreError) {
        try dropRules.run()
        for rule in rules {
            addRule.bind(1, rule.rule)
            addRule.bind(2, String(rule.hash, radix: 16))
            addRule.bind(3, rule.sinceInput)
            try addRule.run()
        }
    }

    public func write(detail: AlertDetail, of alert: String) throws(StoreError) {
        setDetail.bind(1, alert)
        setDetail.bind(2, detail.titleEnglish)
        setDetail.bind(3, detail.titleChinese)
        setDetail.bind(4, detail.textEnglish.isEmpty ? nil : detail.textEnglish)
        setDetail.bind(5, detail.textChinese.isEmpty ? nil : detail.textChinese)
        setDetail.bind(6, detail.unit)
        if let bound = detail.bound { setDetail.bind(7, bound) } else { setDetail.bindNull(7) }
        setDetail.bind(8, detail.standard)
        if let coverage = detail.coverage { setDetail.bind(9, coverage) } else { setDetail.bindNull(9) }
        setDetail.bind(10, detail.devices)
        setDetail.bind(11, detail.reason)
        setDetail.bind(12, detail.metric)
        for (index, moment) in [(Int32(13), detail.readingsFrom), (14, detail.readingsUntil)] {
            if let moment { setDetail.bind(index, moment.milliseconds) } else { setDetail.bindNull(index) }
        }
        setDetail.bind(15, detail.silencedBy)
        try setDetail.run()
    }

    /// What an alert has said; nil where it has never fired.
    public func detail(of alert: String) throws(StoreError) -> AlertDetail? {
        let select = try connection.prepare(
            """
            SELECT title_en, title_zh, text_en, text_zh, unit, bound, standard, coverage, devices, reason, metric, readings_from,
              readings_until, silenced_by FROM alert_detail WHERE alert_id = ?
            """)
        select.bind(1, alert)
        guard try select.step() else { return nil }
        func text(_ column: Int32) -> String? { select.isNull(column) ? nil : select.text(column) }
        func real(_ column: Int32) -> Double? { select.isNull(column) ? nil : select.double(column) }
        func moment(_ column: Int32) -> Timestamp? { select.isNull(column) ? nil : Timestamp(milliseconds: select.integer(column)) }
        var detail = AlertDetail(
            titleEnglish: select.text(0), titleChinese: select.text(1), textEnglish: text(2) ?? "", textChinese: text(3) ?? "",
            unit: select.text(4), bound: real(5), standard: text(6), coverage: real(7), devices: text(8), reason: text(9))
        (detail.metric, detail.readingsFrom, detail.readingsUntil) = (text(10), moment(11), moment(12))
        detail.silencedBy = text(13)
        return detail
    }

    /// Why an alert ended, where it is known beside its detail.
    public func write(reason: String, of alert: String) throws(StoreError) {
        setReason.bind(1, reason)
        setReason.bind(2, alert)
        try setReason.run()
    }

    /// Stored readings of all kinds behind `input`, in their order, with their texts (`officer`, then `boot`).
    public func readings(
        after input: Int64, _ body: (Int64, borrowing Reading, [UInt8]) -> Void
    ) throws(StoreError) {
        try connection.forEachReading(after: input, body)
    }
}
