import Delivery
import Glibc
import Ingest
public import Logging
import Mosquitto
import Ring
import Rules
public import ServiceLifecycle
public import Settings
import Store
import Synchronization
public import Telemetry

/// The pipeline on a broker: source, ring, processor, store, outlet, wired from settings. `run()` ends with the service
/// group's graceful shutdown, when everything read is committed and acknowledged.
public final class LivePipeline: Service {
    public let status = PipelineStatus()
    private let settings: Settings
    private let logger: Logger
    private let source: LiveSource
    /// The stream of events and its outlets.
    public let outlets: Outlets
    private let outlet: MQTTOutlet
    private let inbox: Inbox
    // Used by the processor's thread from `run()` on.
    private nonisolated(unsafe) let processor: Processor
    private nonisolated(unsafe) let store: StoreWriter

    /// Opens the store and everything else that can fail before the first message.
    public init(settings: Settings, logger: Logger) throws {
        self.settings = settings
        self.logger = logger
        guard let address = BrokerAddress(url: settings.broker.url) else {
            throw MosquittoError("broker.url '\(settings.broker.url)' is no mqtt:// or mqtts:// address")
        }
        var connection = ConnectionOptions(address: address, clientID: settings.broker.clientID)
        connection.keepAliveSeconds = Int32(settings.broker.keepAliveSeconds)
        connection.username = settings.broker.username
        connection.password = settings.broker.password
        connection.caFile = settings.broker.ca
        connection.certificateFile = settings.broker.certificate
        connection.keyFile = settings.broker.key

        let store = try StoreWriter(path: settings.storePath, walCapBytes: settings.walCapBytes)
        unsafe self.store = store
        try LivePipeline.take(devices: settings.devices, into: store)
        try LivePipeline.take(areas: settings.world.areas, into: store)
        store.prepareLog()
        let registry = DeviceRegistry(
            requiresKnown: settings.devices != nil && !settings.registersUnknownDevices)
        for device in try store.devices() {
            registry.add(number: device.number, kind: device.kind, id: device.id, gateway: device.gateway)
        }
        let ring = Ring<Slot>(capacity: Limits.ringSlots)
        let signals = CommitSignals(ringBell: ring.readable)
        let inbox = Inbox(bell: ring.readable)
        self.inbox = inbox
        let stream = try EventStream(path: settings.storePath)
        let rows = try stream.outlets()
        outlet = try MQTTOutlet(
            connection: connection, topicRoot: settings.topicRoot, stream: stream,
            row: rows.first { $0.name == MQTTOutlet.name }, record: { inbox.ask($0) })
        outlets = settings.outlets.outlets(stream: stream, first: outlet, rows: rows, open: try stream.open(), hears: { await inbox.submit($0) }) { inbox.ask($0) }

        unsafe processor = try Processor(
            store: store, options: Processor.Options(engine: EngineOptions(settings)), consumer: ring.makeConsumer(), signals: signals,
            inbox: inbox, status: status, logger: logger,
            publish: { [outlet] in LivePipeline.publish($0, to: stream, outlet) },
            settle: { [outlets] in outlets.settle(seconds: 2) })
        var options = LiveSource.Options()
        options.fullPolicy = settings.qos0WhenFull == .drop ? .drop : .wait
        source = LiveSource(
            connection: connection, options: options, topicRoot: settings.topicRoot,
            decoder: MessageDecoder(topicRoot: settings.topicRoot, producer: ring.makeProducer(), registry: registry),
            bells: [ring.readable, ring.writable], signals: signals, status: status, logger: logger)
    }

    /// Devices of the devices file that the store does not know, and what has changed of those it does.
    static func take(devices: [DeviceRecord]?, into store: StoreWriter, at now: Timestamp = ServerClock.now) throws {
        guard let devices else { return }
        var known: [String: Device] = [:]
        for device in try store.devices() { known["\(device.kind.name) \(device.id)"] = device }
        var next = UInt32(known.count)
        try store.begin()
        for record in devices {
            let old = known["\(record.kind.name) \(record.id)"]
            let device = Device(
                number: old?.number ?? next, kind: record.kind, id: record.id,
                gateway: record.gateway.isEmpty ? old?.gateway ?? "" : record.gateway, name: record.name,
                area: record.area, site: record.site, zone: record.zone, lat: record.lat, lon: record.lon,
                team: record.team, tags: record.tags)
            if old == nil { next += 1 }
            // A place that was never said is no place that it was moved from.
            if let old, !device.isPlaced(as: old), old.area != nil || old.site != nil || old.zone != nil {
                try store.write(placeBefore: old, until: now)
            }
            if device != old { try store.write(device: device, registeredAt: now) }
        }
        try store.commit()
    }

    /// A store that another's settings without areas write to keeps their names.
    private static func take(areas: AreaTree, into store: StoreWriter) throws {
        if areas.isEmpty { return }
        try store.begin()
        try store.replace(areas: areas.areas)
        try store.commit()
    }

    private static func publish(_ committed: borrowing Committed, to stream: EventStream, _ outlet: MQTTOutlet) {
        if !committed.events.isEmpty { stream.committed(committed.events) }
        for status in committed.gateways { outlet.tell(status) }
        guard !committed.rejects.isEmpty else { return }
        let now = ServerClock.now
        for reject in committed.rejects {
            outlet.notify(
                gateway: reject.gateway, received: reject.received, topic: reject.topic, device: reject.device,
                field: reject.field, reason: reject.reason, payload: reject.payload, now: now)
        }
    }

    /// Rules and the district around them, read again: in force from the next commit on. All of them have been checked.
    public func reload(_ settings: Settings) {
        inbox.reload(rules: RuleSet(settings.rules), world: settings.world, dispatch: settings.dispatch)
    }

    /// Answers when the action is committed. Any thread.
    public func submit(_ action: Action) async -> ActionAnswer {
        if ActionCatalogue.isOutlets(action.name) { return await OutletActions(outlets: outlets, inbox: inbox).answer(action) }
        return await inbox.submit(action)
    }

    // MARK: Service

    public func run() async throws {
        let failure = Mutex<(any Error)?>(nil)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [outlets] in await outlets.run() }
            await withTaskCancellationOrGracefulShutdownHandler {
                await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
                    let processing = WorkerThread { [self] in
                        // Its descriptors are its own: nothing but the source may run there.
                        let reading = WorkerThread { [source] in
                            do { try source.run() } catch { failure.withLock { $0 = error } }
                            source.close()
                        }
                        reading.start()
                        do { unsafe try processor.run() } catch {
                            failure.withLock { $0 = error }
                            logger.error("\(error)")
                            source.stop()
                        }
                        reading.join()
                        unsafe store.close()
                        done.resume()
                    }
                    processing.start()
                }
            } onCancelOrGracefulShutdown: { [source] in
                source.stop()
            }
            group.cancelAll()
        }
        outlets.stream.stop()
        outlet.close()
        if let error = failure.withLock({ $0 }) { throw error }
    }
}
