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
}

/// A recording into a store at rest: a thread reads and decodes, the caller's thread processes and commits. Everything
/// is complete in the store when it returns. Nothing is published.
public enum Replay {
    public static func run(
        recording path: String, options: RecordingOptions, into storePath: String, rules: RuleSet, settings: Settings? = nil,
        progress: @escaping @Sendable (_ messages: Int, _ bytes: Int) -> Void
    ) throws -> ReplayResult {
        let began = ServerClock.monotonicNanoseconds
        let recording = try Recording(path: path, options: options)
        let store = try StoreWriter(path: storePath)
        try LivePipeline.take(devices: settings?.devices, into: store)
        let registry = DeviceRegistry()
        for device in try store.devices() {
            registry.add(number: device.number, kind: device.kind, id: device.id, gateway: device.gateway)
        }
        let ring = Ring<Slot>(capacity: Limits.ringSlots)
        let signals = CommitSignals(ringBell: ring.readable)
        var engine = EngineOptions(clock: .recorded, rules: rules, publishes: false)
        engine.topicRoot = options.topicRoot
        if let settings {
            engine.world = settings.world
            engine.backfillAllowanceMilliseconds = settings.backfillAllowanceMilliseconds
            engine.rollups = RollupOptions(settings)
            engine.dispatch = settings.dispatch
        }
        engine.knowsRules = !rules.definitions.isEmpty
        let processor = try Processor(
            store: store, options: Processor.Options(engine: engine, batchMilliseconds: 1000, retryMilliseconds: nil),
            consumer: ring.makeConsumer(), signals: signals, inbox: Inbox(), status: PipelineStatus(),
            logger: Logger(label: "patrol"), publish: { _ in })
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
            problems: recording.problems, problemCount: recording.problemCount)
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
