import Dispatching
import Rollups
import Rules
import Store
import Telemetry

/// The deterministic heart: readings in order of commit go in, rows come out. It lives on the processor's thread and
/// is made afresh from the store at start and after a batch that could not be committed.
///
/// The stages of a reading, in their order (``take(_:text:)``):
/// age → identity → store → rules → rollups.
@safe
final class Engine {
    let store: StoreWriter
    let options: EngineOptions
    let table = DeviceTable()
    let alerts: AlertEngine
    let minutes: NoiseMinutes
    let tracks: TrackRollups
    let stored: StoredReadings
    let ruleRows: RuleRows
    let actionRows: ActionRows
    let units: UnitBoard
    let unitRows: UnitRows
    /// The unit of each device by its number, −1 where it has none.
    var unitOfDevice: [Int32] = []
    var unlistedUnits: [String] = []
    let dispatcher: Dispatcher
    let taskRows: TaskRows
    let silenceRows: SilenceRows
    /// Silences that stand, and the firing alerts that they hold back.
    var silences = SilenceBook()
    /// What gateways are told; outlives an engine.
    let gateways: GatewayBook

    var state: EngineState
    /// Catching up after downtime: the clock follows the readings (`Clock.wall` only).
    var isCatchingUp: Bool
    var batchNumber: UInt32 = 1
    var counts = [MessageCount](repeating: MessageCount(), count: CountRow.names.count)
    var rejects: [RejectRow] = []
    /// Readings and refusals of all batches before.
    var settledCount: Int64 = 0
    var newDevices: [Device] = []
    /// The engine's clock as a start would work it out, and where it differs.
    var ruleClock = RuleClock()
    var ruleInputs: [RuleInput] = []
    /// Where the batch is handed over: devices whose id another gateway has brought, each with the input before it.
    var contests: [(input: Int64, device: UInt32)] = []
    var rulesInForce: [RuleInForce] = []
    /// `rulesInForce` is not as the store has it.
    var isRuleSetNew = false
    /// Rules that are not known here have state in the store, as of its checkpoint: that must stay where it is.
    var keepsCheckpoint = false
    /// No more readings come: commits write many rows of the rollups.
    var isEnding = false
    /// Open alerts of rules that are gone: they end with the next commit.
    var endedByRules: [Alert] = []
    /// The clock of tasks: the server's, and nothing moves it but time.
    var serverClock = Timestamp.distantPast
    /// What is added to the wall clock for it: less the jumps of the wall clock.
    var clockCorrection: Int64 = 0
    /// The wall clock less the steady one (ms) as last seen; nil before a start has compared it with the store's.
    var wallOffset: Int64?
    /// When something is due next (ms), as ``dispatcher`` says.
    var nextDue = Int64.max
    var dispatchJournal = DispatchJournal()
    /// What other systems have said over the broker, for the next commit.
    var externals: [ExternalWord] = []
    /// Of the dispatch settings in force, as the store has it.
    var dispatchFingerprint = ""

    // The batches as properties: a `let` of a final class is used without counting references.
    let noiseBatch: BatchTable
    let vehicleBatch: BatchTable
    let bodycamBatch: BatchTable

    init(
        store: StoreWriter, options: EngineOptions, gateways: GatewayBook = GatewayBook(since: ServerClock.now),
        wallOffset: Int64? = nil
    ) throws(StoreError) {
        self.store = store
        self.gateways = gateways
        self.wallOffset = wallOffset
        noiseBatch = store.batches[0]
        vehicleBatch = store.batches[1]
        bodycamBatch = store.batches[2]
        state = try store.engineState()
        var options = options
        // The rows of readings that are gone could not be made again.
        if state.input > 0 { options.fillsBuckets = true }
        self.options = options
        isCatchingUp = options.clock == .wall && state.input > 0
        let stored = try store.storedReadings()
        self.stored = stored
        alerts = AlertEngine(rules: options.rules, world: options.world)
        ruleRows = try RuleRows(store)
        actionRows = try ActionRows(store)
        taskRows = try TaskRows(store)
        unitRows = try UnitRows(store)
        silenceRows = try SilenceRows(store)
        units = UnitBoard(options.world.units, zone: options.world.zone, areas: options.world.areas)
        dispatcher = Dispatcher(
            settings: options.dispatch, units: units, sites: options.world.sites, nextNumber: try taskRows.nextNumber())
        // The closure cannot throw: a failing read is kept and fails the batch.
        let failure = LoadFailure()
        self.failure = failure
        let rollups = try RollupOptions.resolve(options.rollups, store)
        minutes = Engine.makeMinutes(options, rollups, store, stored, flushedInput: state.minutesInput, failure)
        tracks = TrackRollups(zone: rollups.zone, store: store, stored: stored, flushedInput: state.minutesInput, failure: failure)
        for batch in store.batches { batch.removeAll() }
        try restore()
        try keep(rollups)
        if !options.fillsBuckets { try askForRebuild() }
    }

    final class LoadFailure {
        var error: StoreError?
        /// Committed readings behind it are not there yet for the rollups: a rebuild has not come to them.
        var loadLimit = Int64.max
    }

    let failure: LoadFailure
    /// When the stream is next looked at for events past their retention (``trimStream(_:)``).
    var nextTrim = Timestamp.distantPast

    @inline(__always)
    func batch(_ kind: Kind) -> BatchTable {
        switch kind {
        case .noise: noiseBatch
        case .vehicle: vehicleBatch
        case .bodycam: bodycamBatch
        }
    }

    /// Appends to the batch of the kind.
    @inline(__always)
    func append(_ row: BatchRow, _ kind: Kind) {
        switch kind {
        case .noise: noiseBatch.append(row)
        case .vehicle: vehicleBatch.append(row)
        case .bodycam: bodycamBatch.append(row)
        }
    }

    @inline(__always)
    func batchCount(_ kind: Kind) -> Int {
        switch kind {
        case .noise: noiseBatch.count
        case .vehicle: vehicleBatch.count
        case .bodycam: bodycamBatch.count
        }
    }

    var hasUncommitted: Bool {
        Kind.allCases.contains { batch($0).count > 0 } || !rejects.isEmpty || !newDevices.isEmpty
            || counts.contains { !$0.isZero } || isRuleSetNew || !endedByRules.isEmpty || !externals.isEmpty
    }

    /// By kind: readings that began up to this moment may be compact, a late one among them is refused.
    var historyEdges = Kind.allCases.map { _ in Timestamp.distantPast }

    /// Rows up to this input are not needed for a start.
    var neededAfterInput: Int64 { min(state.checkpointInput, state.minutesInput) }

    // MARK: Start

    private func restore() throws(StoreError) {
        for device in try store.devices() { add(device) }
        for kind in Kind.allCases { historyEdges[Int(kind.rawValue)] = try store.historyEdge(kind) ?? .distantPast }
        try restoreUnits()
        try store.deviceStates { number, state in
            guard Int(number) < table.count else { return }
            unsafe table.entries[Int(number)].newestTs = state.newestTs
            unsafe table.entries[Int(number)].evaluated = Evaluated(ts: state.evaluatedTs, end: state.evaluatedEnd)
        }
        try rebuildRollups()
        try restoreRules()
        var pending = PendingNoise()
        for kind in Kind.allCases {
            try store.readings(kind: kind, after: neededAfterInput) { input, reading in
                if input > state.minutesInput { pending.note(input, reading, options.clock) }
            }
        }
        for number in 0..<table.count where table.devices[number].kind == .noise {
            let newest = unsafe table.entries[number].newestTs
            if newest != .distantPast {
                let last = newest + NoiseMinutes.widthMilliseconds
                minutes.reserve(
                    device: UInt32(number), newest: last.bucketStart(widthMilliseconds: NoiseMinutes.widthMilliseconds))
            }
        }
        try restoreRollups(pending)
        try restoreSilences()
        try restoreDispatch()
        try restoreTracks(pending)
        if let error = failure.error { throw error }
    }

    /// Takes a device into the tables; its number is the next one, or one already known (bound or renamed).
    func add(_ device: Device) {
        alerts.add(device: device)
        gateways.add(device: device.number, gateway: device.gateway)
        if Int(device.number) < table.count { return table.update(device.number, device) }
        table.append(device)
        follow(device)
        minutes.reserve(device: device.number)
        tracks.reserve(device.number, kind: device.kind)
    }

    /// A device seen for the first time, or one of the devices file that has found its gateway. After a batch was begun
    /// again the store may have it already.
    func take(newDevice device: Device) {
        var device = device
        if Int(device.number) < table.count {
            let known = table.devices[Int(device.number)]
            guard known.gateway.isEmpty else { return }
            let gateway = device.gateway
            device = known
            device.gateway = gateway
        }
        add(device)
        newDevices.append(device)
    }

    /// What a stored reading means for its device's state: the same at its arrival and when read back at a start.
    @inline(__always)
    func advance(_ reading: borrowing Reading) {
        let entry = unsafe table.entries + Int(reading.device)
        if unsafe reading.ts > entry.pointee.newestTs { unsafe entry.pointee.newestTs = reading.ts }
        if !reading.isBackfill { unsafe entry.pointee.evaluated.advance(reading) }
        table.markChanged(reading.device)
        follow(reading)
    }
}
