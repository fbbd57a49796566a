import Foundation
public import Telemetry

/// The rows of silences. The writer's thread only.
public final class SilenceRows {
    private static let columns = [
        "number", "id", "author", "role", "reason", "created_at", "starts_at", "ends_at", "match", "ended_at", "ended_by",
    ]

    private let store: StoreWriter
    private let table: RowTable
    private let setSilence: Statement

    public init(_ store: StoreWriter) throws(StoreError) {
        self.store = store
        table = try RowTable(store, "silence", SilenceRows.columns, isReplacing: true)
        setSilence = try store.connection.prepare("UPDATE alert_detail SET silenced_by = ? WHERE alert_id = ?")
    }

    public func nextNumber() throws(StoreError) -> Int64 {
        try store.rows("SELECT coalesce(max(number), 0) + 1 FROM silence")[0][0].integer
    }

    public func write(_ silence: Silence, number: Int64) throws(StoreError) {
        func moment(_ moment: Timestamp?) -> StoreValue { moment.map { .integer($0.milliseconds) } ?? .null }
        let match = Dictionary(uniqueKeysWithValues: silence.match.map { ($0.key.rawValue, $0.value) })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let json = try? encoder.encode(match) else { preconditionFailure("lists of texts are JSON") }
        try table.write([
            .integer(number), .text(silence.id), .text(silence.author), .text(silence.role), .text(silence.reason),
            moment(silence.createdAt), moment(silence.startsAt), moment(silence.endsAt),
            .text(String(decoding: json, as: UTF8.self)), moment(silence.endedAt), silence.endedBy.map { .text($0) } ?? .null,
        ])
    }

    /// Those that are not over, in the order in which they were made.
    public func standing() throws(StoreError) -> [(number: Int64, silence: Silence)] {
        try store.rows("SELECT \(SilenceRows.columns.joined(separator: ",")) FROM silence WHERE ended_at IS NULL ORDER BY number")
            .map { row in
                let match = (try? JSONDecoder().decode([String: [String]].self, from: Data(row[8].text.utf8))) ?? [:]
                var silence = Silence(
                    id: row[1].text, author: row[2].text, role: row[3].text, reason: row[4].text,
                    createdAt: Timestamp(milliseconds: row[5].integer), startsAt: Timestamp(milliseconds: row[6].integer),
                    endsAt: Timestamp(milliseconds: row[7].integer), match: [:])
                for (name, list) in match { if let matcher = Silence.Matcher(rawValue: name) { silence.match[matcher] = list } }
                if row[10] != .null { silence.endedBy = row[10].text }
                return (row[0].integer, silence)
            }
    }

    /// Firing alerts that a silence holds back, with the silence's id.
    public func silenced() throws(StoreError) -> [(alert: String, silence: String)] {
        try store.rows(
            """
            SELECT d.alert_id, d.silenced_by FROM alert_detail d JOIN alert a ON a.id = d.alert_id
            WHERE d.silenced_by IS NOT NULL AND a.state = 'firing' ORDER BY d.alert_id
            """
        ).map { ($0[0].text, $0[1].text) }
    }

    /// Which silence holds an alert back now; nil where none does.
    public func set(_ silence: String?, of alert: String) throws(StoreError) {
        setSilence.bind(1, silence)
        setSilence.bind(2, alert)
        try setSilence.run()
    }
}
