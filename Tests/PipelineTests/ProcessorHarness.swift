import Dispatching
import Foundation
import GRDB
import Logging
import Ring
import Rules
import Store
import Telemetry

@testable import Pipeline

/// A reading as a test writes it.
struct Script {
    var device: UInt32 = 0
    var kind = Kind.noise
    var ts: Int64
    var level: Double
    var seq: Int64? = nil
    var received: Int64? = nil
    var periodMilliseconds: UInt32 = 1000
    var officer = ""
    var boot = ""
    /// Further values.
    var values: [(index: Int, value: Double)] = []
    var bits: [(bit: Int, isOn: Bool)] = []
    /// Noise flags.
    var flags: UInt16 = 0
    /// Another gateway brings the device's id, which is refused.
    var isForeign = false
    /// A gateway's lead in its place: the fields, and lat and lon.
    var lead: [LeadText: String]?
    var place: (lat: Double, lon: Double)?

    static func lead(at ts: Int64, _ fields: [LeadText: String], place: (lat: Double, lon: Double)? = nil) -> Script {
        var script = Script(ts: ts, level: 0)
        (script.lead, script.place) = (fields, place)
        return script
    }
}

/// A store in a folder of its own, and processors run on it one after another: each `run` is a process' life.
final class Rig {
    let folder: URL
    var path: String { folder.appendingPathComponent("patrol.db").path }
    var options: EngineOptions
    let deviceCount: UInt32
    /// What `reloads` brings besides the rules.
    var reloadedDispatch: DispatchSettings?
    /// Devices below 1,000 are meters, the others cameras, where a test does not say otherwise.
    var kind: (UInt32) -> Kind = { $0 < 1_000 ? .noise : .bodycam }

    init(
        deviceCount: UInt32 = 2, rules: [RuleDefinition] = [Rig.loud], clock: EngineOptions.Clock = .recorded,
        publishes: Bool = true
    ) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("patrol-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        options = EngineOptions(clock: clock, rules: RuleSet(rules), publishes: publishes)
        self.deviceCount = deviceCount
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    static let loud = RuleDefinition(
        id: "loud", titleEnglish: "Loud", titleChinese: "吵", kind: .noise, metric: "laeq", bound: .above(70),
        holdMilliseconds: 3000, clear: 68, severity: .warning, taskKind: "noise-check")

    /// Publishes the readings into a ring in batches of the given sizes, each committed for itself, and ends cleanly;
    /// with `killed`, ends as a killed process does: without the final commit and checkpoint.
    @discardableResult
    func run(
        _ readings: [Script], batches: [Int] = [], killed: Bool = false, reloads: Bool = false,
        retryMilliseconds: Int32? = nil, inbox: Inbox = Inbox()
    ) throws -> [OutboxRow] {
        let store = try StoreWriter(path: path)
        let ring = Ring<Slot>(capacity: 4096)
        let signals = CommitSignals(ringBell: ring.readable)
        let status = PipelineStatus()
        var published: [OutboxRow] = []
        var left = readings[...]
        var sizes = batches[...]
        // The producer stays open over a killed life: its closing is what makes an end clean.
        var producer = ring.makeProducer()
        var processor: Processor? = try Processor(
            store: store,
            options: Processor.Options(engine: options, batchSlots: 512, retryMilliseconds: retryMilliseconds, ticks: false),
            consumer: ring.makeConsumer(), signals: signals, inbox: inbox, status: status,
            logger: Logger(label: "test"), publish: { published += $0.events })
        register(into: &producer)
        while !left.isEmpty {
            let size = min(sizes.popFirst() ?? 400, left.count)
            for script in left.prefix(size) { append(script, to: &producer) }
            left = left.dropFirst(size)
            producer.publish()
            try processor!.runBatch()
            if reloads {
                inbox.reload(rules: options.rules, world: options.world, dispatch: reloadedDispatch)
                try processor!.reloadRules()
            }
        }
        if killed {
            processor = nil
        } else {
            producer.close()
            try processor!.run()
            store.close()
        }
        return published
    }

    /// One life in which each part's readings and then its actions are a batch.
    func run(_ parts: [(readings: [Script], actions: [Action])]) throws {
        let store = try StoreWriter(path: path)
        let ring = Ring<Slot>(capacity: 4096)
        let inbox = Inbox()
        var producer = ring.makeProducer()
        let processor = try Processor(
            store: store, options: Processor.Options(engine: options, ticks: false), consumer: ring.makeConsumer(),
            signals: CommitSignals(ringBell: ring.readable), inbox: inbox, status: PipelineStatus(),
            logger: Logger(label: "test"), publish: { _ in })
        register(into: &producer)
        for part in parts {
            for script in part.readings { append(script, to: &producer) }
            producer.publish()
            for action in part.actions { inbox.submit(action) { _ in } }
            try processor.runBatch()
        }
        producer.close()
        try processor.run()
        store.close()
    }

    private func register(into producer: inout RingProducer<Slot>) {
        for device in 0..<deviceCount {
            let bytes = Array("gd\(device)".utf8)
            var record = NewDevice(
                kind: kind(device), device: device, received: Timestamp(milliseconds: 0))
            record.tail = 1
            record.gatewayBytes = 1
            record.idBytes = UInt8(bytes.count - 1)
            _ = producer.claimWaiting(2)
            unsafe UnsafeMutableRawPointer(producer.claimedSlot(producer.claimedCount - 2)).storeBytes(
                of: record, as: NewDevice.self)
            unsafe UnsafeMutableRawPointer(producer.claimedSlot(producer.claimedCount - 1)).copyMemory(
                from: bytes, byteCount: bytes.count)
        }
    }

    private func append(lead fields: [LeadText: String], _ script: Script, to producer: inout RingProducer<Slot>) {
        var record = LeadRecord(received: Timestamp(milliseconds: script.received ?? script.ts))
        var bytes = Array("gw".utf8)
        record.gatewayBytes = 2
        for text in LeadText.allCases {
            let value = Array((fields[text] ?? "").utf8)
            record.textBytes[Int(text.rawValue)] = UInt16(value.count)
            bytes += value
        }
        if let place = script.place { (record.hasPosition, record.lat, record.lon) = (true, place.lat, place.lon) }
        let tail = (bytes.count + Slot.bytes - 1) / Slot.bytes
        record.tail = UInt8(tail)
        _ = producer.claimWaiting(1 + tail)
        let first = producer.claimedCount - 1 - tail
        unsafe UnsafeMutableRawPointer(producer.claimedSlot(first)).storeBytes(of: record, as: LeadRecord.self)
        for slot in 0..<tail {
            let part = bytes.dropFirst(slot * Slot.bytes).prefix(Slot.bytes)
            unsafe part.withUnsafeBytes {
                unsafe UnsafeMutableRawPointer(producer.claimedSlot(first + 1 + slot)).copyMemory(from: $0.baseAddress!, byteCount: part.count)
            }
        }
    }

    private func append(_ script: Script, to producer: inout RingProducer<Slot>) {
        if let fields = script.lead { return append(lead: fields, script, to: &producer) }
        if script.isForeign {
            var refusal = Rejection(reason: .wrongGateway, received: Timestamp(milliseconds: script.received ?? script.ts))
            (refusal.kind, refusal.owner) = (script.kind.rawValue, script.device)
            _ = producer.claimWaiting(1)
            unsafe UnsafeMutableRawPointer(producer.claimedSlot(producer.claimedCount - 1)).storeBytes(of: refusal, as: Rejection.self)
            return
        }
        var reading = Reading(kind: script.kind, periodMilliseconds: script.periodMilliseconds)
        reading.device = script.device
        reading.ts = Timestamp(milliseconds: script.ts)
        reading.received = Timestamp(milliseconds: script.received ?? script.ts)
        reading.seq = script.seq ?? Reading.noSeq
        reading.set(0, script.level)
        for (index, value) in script.values { reading.set(index, value) }
        for (bit, isOn) in script.bits { reading.setBit(bit, isOn) }
        if script.kind == .noise { (reading.bits, reading.bitsPresent) = (script.flags, script.flags) }
        reading.officerBytes = UInt8(script.officer.utf8.count)
        reading.bootBytes = UInt8(script.boot.utf8.count)
        reading.tail = script.officer.isEmpty && script.boot.isEmpty ? 0 : 1
        _ = producer.claimWaiting(1 + Int(reading.tail))
        let first = producer.claimedCount - 1 - Int(reading.tail)
        unsafe UnsafeMutableRawPointer(producer.claimedSlot(first)).storeBytes(of: reading, as: Reading.self)
        if reading.tail > 0 {
            let bytes = Array(script.officer.utf8) + Array(script.boot.utf8)
            unsafe UnsafeMutableRawPointer(producer.claimedSlot(first + 1)).copyMemory(
                from: bytes, byteCount: bytes.count)
        }
    }

    /// The rows of a query, a line each, columns joined by spaces.
    func lines(_ sql: String) throws -> [String] {
        var configuration = Configuration()
        configuration.readonly = true
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        return try queue.read { db in
            try Row.fetchAll(db, sql: sql).map { row in
                row.databaseValues.map { $0.isNull ? "-" : String(describing: $0.storage.value!) }.joined(separator: " ")
            }
        }
    }

    func execute(_ sql: String) throws {
        try DatabaseQueue(path: path).write { try $0.execute(sql: sql) }
    }

    /// Everything that a restart or another cut into batches must not change.
    func everything() throws -> [String] {
        try lines("SELECT device, ts, seq, laeq FROM noise ORDER BY input")
            + ["noise_1m", "noise_10m", "noise_20m", "noise_1h", "noise_1d"].flatMap {
                try lines("SELECT * FROM \($0) ORDER BY bucket, device, flagged")
            }
            + ["vehicle_1m", "vehicle_1h", "vehicle_1d", "bodycam_1h", "bodycam_1d"].flatMap {
                // The last column says when a late reading came, by the server's clock.
                try lines("SELECT * FROM \($0) ORDER BY bucket, device").map { String($0[..<$0.lastIndex(of: " ")!]) }
            }
            + lines("SELECT * FROM vehicle_stop ORDER BY start, device")
            + lines("SELECT id, state, started_at, fired_at, resolved_at, value FROM alert ORDER BY id")
            + lines("SELECT seq, alert_id, state, at, value, clock FROM alert_event ORDER BY seq")
            + lines("SELECT * FROM task ORDER BY id")
            + lines("SELECT * FROM task_event ORDER BY seq")
            + lines("SELECT * FROM task_source ORDER BY task_id, kind, ref")
            + lines("SELECT * FROM task_feedback ORDER BY task_id, number")
            + lines("SELECT * FROM task_external ORDER BY task_id, system")
            + lines("SELECT correction, at FROM server_clock")
            + lines("SELECT * FROM task_plan ORDER BY id")
            + lines("SELECT * FROM unit ORDER BY id")
            + lines("SELECT * FROM task_choice ORDER BY task_id, number")
            + lines("SELECT * FROM task_told ORDER BY task_id, number, receiver")
            + lines("SELECT seq, topic, retained_topic, payload FROM outbox ORDER BY seq")
            + lines("SELECT * FROM engine_input ORDER BY seq")
            + lines("SELECT * FROM alert_note ORDER BY seq")
    }
}

extension Retention {
    mutating func forEveryKind(_ change: (inout Ages) -> Void) { for kind in Kind.allCases { change(&self[kind]) } }
}
