import Dispatching
import Store
import Telemetry

/// Units as rows: who they are, where they were, what people have said of them.
final class UnitRows {
    private let store: StoreWriter
    private let unit: RowTable
    private let choice: RowTable
    private let told: RowTable

    init(_ store: StoreWriter) throws(StoreError) {
        self.store = store
        unit = try RowTable(
            store, "unit",
            [
                "id", "kind", "device", "officer", "team", "areas", "shift", "capabilities", "duty", "duty_by", "duty_at", "task",
                "sent_at", "lat", "lon", "accuracy_m", "fix_at", "authority", "officers", "camera_at", "recording",
            ], isReplacing: true)
        choice = try RowTable(store, "task_choice", ["task_id", "number", "at", "unit", "widened", "counts", "candidates"])
        told = try RowTable(store, "task_told", ["task_id", "number", "at", "level", "receiver"])
    }

    func write(_ record: ResponseUnit, _ state: UnitBoard.State) throws(StoreError) {
        try unit.write([
            .text(record.id), .text(record.kind), .init(record.device), .init(record.officer), .init(record.team),
            .text(record.areas.joined(separator: ";")), .init(record.shift?.text), .text(record.capabilities.joined(separator: ";")),
            .text(state.duty.rawValue), .init(state.dutyBy), .init(state.dutyAt), .init(state.task), .init(state.lastSentAt),
            .init(state.fix?.position.latitude), .init(state.fix?.position.longitude), .init(state.fix?.accuracyMetres),
            .init(state.fix?.at), .text(record.authority.joined(separator: ";")), .integer(Int64(record.officers)),
            .init(state.camera?.at), state.camera?.isRecording.map { .integer($0 ? 1 : 0) } ?? .null,
        ])
    }

    /// What belongs to an event of a task besides its row.
    func write(_ event: TaskEvent) throws(StoreError) {
        if let choice = event.choice {
            let counts = UnitChoice.Reason.allCases.filter { choice.counts[Int($0.rawValue)] > 0 }
                .map { "\"\($0.name)\":\(choice.counts[Int($0.rawValue)])" }.joined(separator: ",")
            let candidates = choice.candidates.map { candidate in
                "{\"unit\":\(ActionJSON.quoted(candidate.unit)),\"metres\":\(candidate.metres.map { "\(Int($0.rounded()))" } ?? "null"),"
                    + "\"fix_age_s\":\(candidate.fixAgeMilliseconds.map { "\($0 / 1000)" } ?? "null"),\"reason\":\"\(candidate.reason.name)\"}"
            }
            try self.choice.write([
                .text(event.task.id), .integer(event.number), .init(event.at), .init(choice.chosen),
                .integer(choice.isWidened ? 1 : 0), .text("{\(counts)}"), .text("[\(candidates.joined(separator: ","))]"),
            ])
        }
        guard let level = event.level else { return }
        for receiver in event.told.isEmpty ? [""] : event.told {
            try told.write([.text(event.task.id), .integer(event.number), .init(event.at), .text(level.rawValue), .text(receiver)])
        }
    }

    /// The states of units by id.
    func states() throws(StoreError) -> [(id: String, state: UnitBoard.State)] {
        try store.rows("SELECT id, duty, duty_by, duty_at, sent_at, lat, lon, accuracy_m, fix_at, camera_at, recording FROM unit").map { row in
            var state = UnitBoard.State()
            func moment(_ column: Int) -> Timestamp? { row[column] == .null ? nil : Timestamp(milliseconds: row[column].integer) }
            state.duty = UnitBoard.Duty(rawValue: row[1].text) ?? .shift
            state.dutyBy = row[2] == .null ? nil : row[2].text
            state.dutyAt = moment(3)
            state.lastSentAt = moment(4)
            if let at = moment(8) {
                state.fix = UnitBoard.Fix(
                    at: at, position: Position(latitude: row[5].double, longitude: row[6].double),
                    accuracyMetres: row[7] == .null ? nil : row[7].double)
            }
            if let at = moment(9) { state.camera = UnitBoard.Camera(at: at, isRecording: row[10] == .null ? nil : row[10].integer == 1) }
            return (row[0].text, state)
        }
    }

    /// Takes away units that the file has no more.
    func delete(_ id: String) throws(StoreError) { _ = try store.rows("DELETE FROM unit WHERE id = ?", [.text(id)]) }
}
