public import Ingest
import Logging
import Glibc
import Ring
public import Rules
public import Settings
import Store
import Telemetry

/// What a replay did.
public struct ReplayResult: Sendable {
    public var messages = 0
    public var seconds = 0.0
    public var problems: [String] = []
    public var problemCount = 0
    /// Readings that were refused, the first of them in words, with their lines where a line is a reading.
    public var refused: [String] = []
    public var refusedCount = 0
}

/// A recording into a store at rest: a thread reads and decodes, the caller's thread processes and commits. Everything
/// is complete in the store when it returns. Nothing is published.
public enum Replay {
    /// - Parameters:
    ///   - isScratch: the store serves for one look at its readings: no rollups, and nothing waits for the disk.
    ///   - readings: gets those of each commit, on the caller's thread.
    public static func run(
        recording path: String, options: RecordingOptions, into storePath: String, rules: RuleSet, settings: Settings? = nil,
        isScratch: Bool = false, readings: (@Sendable (AcceptedReadings) -> Void)? = nil,
        progress: @escaping @Sendable (_ messages: Int, _ bytes: Int) -> Void
    ) throws -> ReplayResult {
        let began = ServerClock.monotonicNanoseconds
        let recording = try Recording(path: path, options: options)
        let store = try StoreWriter(path: storePath, isDurable: !isScratch)
        try LivePipeline.take(devices: settings?.devices, into: store)
        let registry = DeviceRegistry()
        for device in try store.devices() {
            registry.add(number: device.number, kind: device.kind, id: device.id, gateway: device.gateway)
        }
        let ring = Ring<Slot>(capacity: Limits.ringSlots)
        let signals = CommitSignals(ringBell: ring.readable)
        var engine = EngineOptions(clock: .recorded, rules: rules, publishes: false)
        engine.topicRoot = options.topicRoot
        engine.rollsUp = !isScratch
        engine.handsOver = readings != nil
        if let settings {
            engine.world = settings.world
            engine.backfillAllowanceMilliseconds = settings.backfillAllowanceMilliseconds
            engine.rollups = RollupOptions(settings)
            engine.dispatch = settings.dispatch
        }
        engine.knowsRules = !rules.definitions.isEmpty
        let refusals = Refusals(most: options.problemsKept)
        let processor = try Processor(
            store: store, options: Processor.Options(engine: engine, batchMilliseconds: 1000, retryMilliseconds: nil),
            consumer: ring.makeConsumer(), signals: signals, inbox: Inbox(), status: PipelineStatus(),
            logger: Logger(label: "patrol"), publish: {
                refusals.take($0.rejects)
                if let accepted = $0.accepted { readings?(accepted) }
            })
        let source = ReplaySource(
            recording: recording, ring: ring, registry: registry, topicRoot: options.topicRoot, progress: progress)
        let thread = WorkerThread { source.run() }
        thread.start()
        let outcome = Result { try processor.run() }
        thread.join()
        store.close()
        try outcome.get()
        if let failure = source.failure { throw failure }
        return ReplayResult(
            messages: source.messages, seconds: Double(ServerClock.monotonicNanoseconds - began) / 1e9,
            problems: recording.problems, problemCount: recording.problemCount,
            refused: refusals.kept.map { row in
                let line = recording.isOneReadingALine ? source.line(of: row.position).map { "\(path):\($0): " } : nil
                return "\(line ?? "")\(row.device.isEmpty ? row.topic : row.device): \(row.reason.name)\(row.field.isEmpty ? "" : " (\(row.field))")"
            }, refusedCount: refusals.count)
    }

    /// The first readings that were refused; the processor's thread.
    private final class Refusals {
        private let most: Int
        private(set) var kept: [RejectRow] = []
        private(set) var count = 0

        init(most: Int) { self.most = most }

        func take(_ rows: [RejectRow]) {
            count += rows.count
            if kept.count < most { kept += rows.prefix(most - kept.count) }
        }
    }
}

/// The replay's source thread. Its fields are read by others only after `join`.
private final class ReplaySource: @unchecked Sendable {
    /// Slots published at a time, so that the consumer's cursor is not touched for each message.
    private static let publishSlots = 256

    private let recording: Recording
    private let ring: Ring<Slot>
    private let registry: DeviceRegistry
    private let topicRoot: String
    private let progress: @Sendable (Int, Int) -> Void
    private(set) var messages = 0
    private(set) var failure: (any Error)?
    /// The line of a message is its number and what the last of these says that it lies behind.
    private var lines: [(message: Int, behind: Int)] = []

    /// The line of a message by its number from 0 on.
    func line(of message: Int64) -> Int? {
        lines.last { $0.message <= Int(message) }.map { Int(message) + $0.behind }
    }


    init(
        recording: Recording, ring: Ring<Slot>, registry: DeviceRegistry, topicRoot: String,
        progress: @escaping @Sendable (Int, Int) -> Void
    ) {
        self.recording = recording
        self.ring = ring
        self.registry = registry
        self.topicRoot = topicRoot
        self.progress = progress
    }

    func run() {
        var decoder = MessageDecoder(topicRoot: topicRoot, producer: ring.makeProducer(), registry: registry)
        do {
            try recording.forEach { message in
                unsafe decoder.decode(
                    topic: message.topic, payload: message.payload, received: message.received ?? .distantPast)
                let behind = recording.lineNumber - messages
                if behind != lines.last?.behind { lines.append((messages, behind)) }
                messages += 1
                if decoder.unpublishedSlots >= ReplaySource.publishSlots {
                    decoder.publish()
                    if messages & 0x3FFF < 64 { progress(messages, recording.bytesRead) }
                }
                return !decoder.isConsumerClosed
            }
        } catch {
            failure = error
        }
        decoder.publish()
    }
}
