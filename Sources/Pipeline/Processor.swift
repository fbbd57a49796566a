import Glibc
import Logging
import Ring
import Store
import Telemetry

/// The processor: takes records from the ring in batches, runs the engine and commits. One thread owns it
/// (``run()`` is called once); it is the only one that changes the store.
@safe
final class Processor {
    struct Options {
        var engine: EngineOptions
        /// A batch is committed when it has so many slots, is so old, or the source asks for it.
        var batchSlots = Limits.batchSlots
        var batchMilliseconds: Int64 = 20
        /// How long a commit that failed for want of room waits before it is tried again; nil gives up (replay).
        var retryMilliseconds: Int32? = 500
        /// Whether the clock of tasks runs on without readings.
        var ticks = true
    }

    private let store: StoreWriter
    private var options: Options
    private var consumer: RingConsumer<Slot>
    private let signals: CommitSignals
    private let inbox: Inbox
    private let status: PipelineStatus
    private let logger: Logger
    private let publish: (borrowing Committed) -> Void
    private let settle: () -> Void

    private var engine: Engine {
        didSet { unsafe engineReference = Unmanaged.passUnretained(engine) }
    }
    // ``engine``, for the loop over readings.
    private var engineReference: Unmanaged<Engine>
    /// Sequence of the next record to process; the batch at hand is `consumer.firstSequence..<next`.
    private var next: Int
    /// One past the last record whose reading is in the open transaction.
    private var inserted = 0
    /// Records that are worth a statement of their own before the batch is complete.
    private static let earlySlots = 1024
    private var batchStartedAt: Int64 = 0
    private var flushedAt: Int64 = ServerClock.monotonicNanoseconds
    private var sweeper = Sweeper()
    private var actions: ActionQueue
    private let taskClockStart: Timestamp
    private let startedAt = ServerClock.monotonicNanoseconds
    /// Readings that the store would not take: they are refused when they come by again.
    private var refusedByStore: Set<Int> = []

    init(
        store: StoreWriter, options: Options, consumer: consuming RingConsumer<Slot>, signals: CommitSignals,
        inbox: Inbox, status: PipelineStatus, logger: Logger, publish: @escaping (borrowing Committed) -> Void,
        settle: @escaping () -> Void = {}
    ) throws(StoreError) {
        self.store = store
        self.options = options
        self.consumer = consumer
        self.signals = signals
        self.inbox = inbox
        actions = ActionQueue(inbox)
        self.status = status
        self.logger = logger
        self.publish = publish
        self.settle = settle
        engine = try Engine(store: store, options: options.engine)
        taskClockStart = max(engine.serverClock, ServerClock.now + engine.clockCorrection)
        unsafe engineReference = Unmanaged.passUnretained(engine)
        next = 0
        next = self.consumer.firstSequence
    }

    /// Runs until the source closes the ring and everything is committed.
    func run() throws(StoreError) {
        defer {
            actions.refuseAll()
            sweeper.join()
        }
        while true {
            let start = consumer.firstSequence
            let limit = min(consumer.available(), start + options.batchSlots)
            if next == start && limit > next { batchStartedAt = ServerClock.monotonicNanoseconds }
            process(upTo: limit)
            if next > start, isBatchDue(start) {
                try commitBatch(from: start)
                try reloadRules()
                continue
            }
            if next - inserted >= Processor.earlySlots {
                try insertEarly(from: start)
                continue
            }
            if next < consumer.available() { continue }
            let hasActions = !actions.isEmpty
            // Asked again and again: what it needs is captured once.
            switch consumer.wait(
                for: next, timeoutMilliseconds: patience(start),
                orUntil: { [next, signals, inbox] in
                    hasActions || inbox.hasActions || signals.isRequested(from: start, to: next)
                })
            {
            case .slots: continue
            case .timedOut:
                let isTimeDue = next == start && engine.tick(now: ServerClock.now)
                if next > start || isTimeDue || hasWork { try commitBatch(from: start) } else { tidy() }
                try reloadRules()
            case .closed:
                try finish(from: start)
                return
            }
        }
    }

    /// Processes and commits what is published now: a step of ``run()``, for tests that need one at a time.
    func runBatch() throws(StoreError) {
        while consumer.available() > next {
            let start = consumer.firstSequence
            process(upTo: min(consumer.available(), start + options.batchSlots))
            try commitBatch(from: start)
        }
    }

    /// What nobody waits for.
    private func doBetweenBatches() {
        let now = ServerClock.monotonicNanoseconds
        sweeper.step(engine, monotonicNanoseconds: now)
        if let problem = sweeper.takeProblem() { logger.error("\(problem)") }
        let told = engine.gateways.due(
            table: engine.table, now: ServerClock.now, monotonicMilliseconds: now / 1_000_000)
        if !told.isEmpty { publish(Committed(gateways: told)) }
    }

    /// In an idle second: a log that a reader has kept long is shrunk once the reader is gone.
    private func tidy() {
        doBetweenBatches()
        guard store.checkpointer.isOverCap else { return }
        store.shrinkLog()
        watchLog()
    }

    private func watchLog() {
        let log = store.checkpointer
        guard status.log(bytes: log.walBytes, isOverCap: log.isOverCap) else { return }
        if log.isOverCap {
            logger.warning(
                """
                \(store.path)-wal has \(log.walBytes >> 20) MB, more than its cap of \(log.capBytes >> 20) MB: another program \
                holds an old snapshot of the store open (find it with 'fuser \(store.path)'), or the disk is too slow; \
                readings are stored meanwhile
                """)
        } else {
            logger.notice("\(store.path)-wal is below its cap again")
        }
    }

    private func isBatchDue(_ start: Int) -> Bool {
        next - start >= options.batchSlots || signals.isRequested(from: start, to: next)
            || ServerClock.monotonicNanoseconds - batchStartedAt >= options.batchMilliseconds * 1_000_000
    }

    /// There is something to commit besides readings.
    private var hasWork: Bool {
        isFlushDue || engine.isFlushing || !inbox.isEmpty || !actions.isEmpty || (options.ticks && engine.isDue(at: taskClock))
    }

    private var isFlushDue: Bool {
        engine.hasUnflushedRollups
            && ServerClock.monotonicNanoseconds - flushedAt
                >= options.engine.minuteFlushMilliseconds * 1_000_000
    }

    /// The clock of tasks now: wall time at the start, and steadily on from there.
    private var taskClock: Timestamp {
        taskClockStart + (ServerClock.monotonicNanoseconds - startedAt) / 1_000_000
    }

    /// How long to wait for the next record, in ms.
    private func patience(_ start: Int) -> Int32 {
        let now = ServerClock.monotonicNanoseconds
        if next > start { return Int32(max(1, options.batchMilliseconds - (now - batchStartedAt) / 1_000_000)) }
        if engine.isFlushing { return 1 }
        if engine.hasUnflushedRollups {
            let left = options.engine.minuteFlushMilliseconds - (now - flushedAt) / 1_000_000
            return Int32(max(1, min(left, engine.nextDue - taskClock.milliseconds, 1000)))
        }
        return Int32(max(1, min(engine.nextDue - taskClock.milliseconds, 1000)))
    }

    // MARK: Records

    /// Processes the records of `next..<limit`.
    private func process(upTo limit: Int) {
        let engine = unsafe self.engineReference  // so that no reference is counted
        var sequence = next
        while sequence < limit { sequence = unsafe engine._withUnsafeGuaranteedRef { process(sequence, $0) } }
        next = sequence
    }

    /// Processes the record at `sequence`; returns the sequence behind it.
    @inline(__always)
    private func process(_ sequence: Int, _ engine: Engine) -> Int {
        let slot = unsafe UnsafeMutableRawPointer(consumer.slot(sequence))
        let tail = unsafe Int(slot.load(fromByteOffset: 1, as: UInt8.self))
        switch unsafe slot.load(as: Record.self) {
        case .reading:
            let reading = unsafe slot.assumingMemoryBound(to: Reading.self)
            // Both texts together are at most one slot (`Limits.textBytes`), so they lie in one piece.
            let text = unsafe tail == 0 ? nil : UnsafePointer(
                UnsafeMutableRawPointer(consumer.slot(sequence + 1)).assumingMemoryBound(to: UInt8.self))
            if !refusedByStore.isEmpty && refusedByStore.contains(sequence) {
                unsafe engine.refuse(reading, text, .unsupported, field: "store")
            } else {
                unsafe engine.take(reading, text: text)
            }
        case .rejection, .newDevice, .dropped, .clockStep, .external, .lead: processRare(sequence, tail: tail)
        }
        return sequence + 1 + tail
    }

    @inline(never)
    private func processRare(_ sequence: Int, tail: Int) {
        let slot = unsafe UnsafeMutableRawPointer(consumer.slot(sequence))
        switch unsafe slot.load(as: Record.self) {
        case .reading: break
        case .external: engine.take(external: unsafe slot.load(as: ExternalRecord.self), tailBytes(sequence, tail: tail))
        case .rejection:
            let rejection = unsafe slot.load(as: Rejection.self)
            var bytes = tailBytes(sequence, tail: tail)[...]
            func take(_ count: UInt16) -> String { String(decoding: takeBytes(count), as: UTF8.self) }
            func takeBytes(_ count: UInt16) -> ArraySlice<UInt8> {
                defer { bytes = bytes.dropFirst(Int(count)) }
                return bytes.prefix(Int(count))
            }
            let gateway = take(rejection.gatewayBytes)
            let device = take(rejection.deviceBytes)
            let field = take(rejection.fieldBytes)
            let topic = take(rejection.topicBytes)
            engine.rejects.append(
                RejectRow(
                    received: rejection.received == .distantPast ? engine.state.clock : rejection.received,
                    gateway: gateway, topic: topic, device: device, field: field,
                    reason: rejection.reason, payload: Array(takeBytes(rejection.payloadBytes))))
            engine.rejects[engine.rejects.count - 1].position = engine.position
            engine.counts[CountRow.index(rejection.kind)].rejected += 1
            engine.gateways.rejected(gateway: gateway, reason: rejection.reason)
            if rejection.owner != Rejection.noOwner { engine.noteContest(rejection.owner) }
        case .newDevice:
            let record = unsafe slot.load(as: NewDevice.self)
            let bytes = tailBytes(sequence, tail: tail)
            let gateway = String(decoding: bytes.prefix(Int(record.gatewayBytes)), as: UTF8.self)
            let id = String(
                decoding: bytes.dropFirst(Int(record.gatewayBytes)).prefix(Int(record.idBytes)), as: UTF8.self)
            engine.take(
                newDevice: Device(number: record.device, kind: record.kind, id: id, gateway: gateway))
        case .clockStep: engine.stepClock(milliseconds: unsafe slot.load(as: ClockStep.self).milliseconds)
        case .dropped:
            let dropped = unsafe slot.load(as: Dropped.self)
            engine.counts[CountRow.index(dropped.kind)].dropped += Int64(dropped.count)
        case .lead: engine.take(lead: unsafe slot.load(as: LeadRecord.self), tailBytes(sequence, tail: tail))
        }
    }

    private func tailBytes(_ sequence: Int, tail: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tail * Slot.bytes)
        for offset in 0..<tail {
            let slot = unsafe UnsafeRawPointer(consumer.slot(sequence + 1 + offset))
            unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: slot, count: Slot.bytes))
        }
        return bytes
    }

    // MARK: Commits

    private func insertEarly(from start: Int) throws(StoreError) {
        inserted = next
        do throws(StoreError) {
            try engine.insertEarly()
        } catch {
            try recover(from: start, to: next, after: error)
            signals.setCommitted(next)
        }
    }

    private func commitBatch(from start: Int, flushesMinutes: Bool = false) throws(StoreError) {
        if signals.isDrained { engine.isCatchingUp = false }
        let end = next
        do throws(StoreError) {
            try commitOnce(flushesMinutes: flushesMinutes || isFlushDue || engine.isEnding, isLast: flushesMinutes)
        } catch {
            try recover(from: start, to: end, after: error)
        }
        if signals.committed < next { signals.setCommitted(next) }
        doBetweenBatches()
    }

    private func commitOnce(flushesMinutes: Bool, isLast: Bool = false) throws(StoreError) {
        let began = ServerClock.monotonicNanoseconds
        let actions = actions.next()
        let changes = inbox.outlets.take()
        let committed: Committed
        do throws(StoreError) {
            committed = try engine.commit(
                flushesMinutes: flushesMinutes, isLast: isLast, now: ServerClock.now, outlets: changes.all, actions: actions,
                tick: options.ticks && (consumer.available() == next || !actions.isEmpty) ? taskClock : nil)
        } catch {
            inbox.outlets.giveBack(changes)
            throw error
        }
        publish(committed)
        changes.answer(true)
        let ended = ServerClock.monotonicNanoseconds
        if flushesMinutes { flushedAt = ended }
        consumer.release(upTo: next)
        inserted = next
        status.committed(engine: engine, counts: committed.counts, nanoseconds: ended - began)
        watchLog()
        self.actions.answer(committed.answers)
    }

    /// Nothing of `start..<end` is committed and the engine is ahead of the store: begins again from the store. For
    /// want of room the same batch is tried again until it succeeds; for a row that SQLite refuses the batch is halved
    /// until the row is found, which is then refused and counted. The readings still lie in the ring.
    private func recover(from start: Int, to end: Int, after failure: StoreError) throws(StoreError) {
        var error = failure
        while true {
            store.rollback()
            next = start
            if error.cause == .row {
                try restart()
                if start == end && actions.isTryingOne { return actions.refuseFirst(error.detail) }
                actions.holdBack()
                defer { actions.letGo() }
                return try halve(to: end)
            }
            guard error.isTemporary, let pause = options.retryMilliseconds else { throw error }
            if status.trouble(error.description) {
                logger.error("\(error); nothing is acknowledged until it can be stored, Patrol tries again by itself")
            }
            _ = poll(nil, 0, pause)
            do throws(StoreError) {
                try restart()
                process(upTo: end)
                try commitOnce(flushesMinutes: false)
                status.trouble(nil)
                logger.notice("the store at \(store.path) takes readings again")
                return
            } catch let again {
                error = again
            }
        }
    }

    private func restart() throws(StoreError) {
        engine = try Engine(store: store, options: options.engine, gateways: engine.gateways, wallOffset: engine.wallOffset)
        if signals.isDrained { engine.isCatchingUp = false }
    }

    /// Rules that were asked for meanwhile take over, between two batches: everything is written down, and the engine is
    /// made afresh from it with the new ones, as a start does. State of unchanged rules stays; alerts of those that are
    /// changed or gone end with the next commit.
    func reloadRules() throws(StoreError) {
        guard let new = inbox.takeReload() else { return }
        let earlier = Set(options.engine.rules.hashes)
        let kept = new.rules.hashes.filter(earlier.contains).count
        try engine.checkpoint()
        options.engine.rules = new.rules
        options.engine.world = new.world
        if let dispatch = new.dispatch { options.engine.dispatch = dispatch }
        try restart()
        logger.notice(
            "\(new.rules.definitions.count) rules are in force: \(kept) as before, \(new.rules.definitions.count - kept) new or changed, \(earlier.count - kept) ended")
        try commitBatch(from: next)
    }

    /// Commits `next..<end` in as few pieces as the bad rows in it allow.
    private func halve(to end: Int) throws(StoreError) {
        let start = next
        var records: [Int] = []
        var sequence = start
        while sequence < end {
            records.append(sequence)
            let slot = unsafe UnsafeRawPointer(consumer.slot(sequence))
            sequence += unsafe 1 + Int(slot.load(fromByteOffset: 1, as: UInt8.self))
        }
        try commitPart(records[...], end: end)
    }

    private func commitPart(_ records: ArraySlice<Int>, end: Int) throws(StoreError) {
        guard let first = records.first else { return }
        do throws(StoreError) {
            process(upTo: end)
            try commitOnce(flushesMinutes: false)
        } catch {
            store.rollback()
            guard error.cause == .row else { throw error }
            try restart()
            next = first
            if records.count == 1 {
                guard refusedByStore.insert(first).inserted else { throw error }
                return try commitPart(records, end: end)
            }
            let middle = records.startIndex + records.count / 2
            try commitPart(records[..<middle], end: records[middle])
            try commitPart(records[middle...], end: end)
        }
    }

    private func finish(from start: Int) throws(StoreError) {
        try commitBatch(from: start)
        engine.isEnding = true
        while engine.hasManyRollups { try commitBatch(from: next) }
        try commitBatch(from: next, flushesMinutes: true)
        settle()
        while !inbox.isEmpty || !actions.isEmpty { try commitBatch(from: next) }
        try engine.checkpoint()
    }
}
