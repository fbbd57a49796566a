import Rules
import Store
public import Telemetry

/// The rollups of a store at rest computed again from its raw readings.
public enum RollupRepair {
    /// What is computed again from: the beginning, or the first local midnight whose readings are all there and that is
    /// not before `from`.
    public struct Result: Sendable {
        public var from: Timestamp?
        public var zone: LocalZone
    }

    /// Opens the store, which nothing else may have open.
    /// - Parameter isDurable: whether commits wait for the disk: not for a copy that is thrown away.
    public static func run(storePath: String, from: Timestamp?, isDurable: Bool = true) throws -> Result {
        let store = try StoreWriter(path: storePath, isDurable: isDurable)
        defer { store.close() }
        let rollups = try RollupOptions.resolve(nil, store)
        try store.mendSegments()
        // Compact history becomes rows again; the next running Patrol packs it anew.
        try store.unpackHistory(from: (from ?? .distantPast) + -Sweeper.graceMilliseconds)
        try finishPending(store)
        let start = try start(store, rollups.zone, from)
        try store.begin()
        try store.requestRollupRebuild(from: start ?? .distantPast)
        try store.commit()
        try goOn(store)
        return Result(from: start, zone: rollups.zone)
    }

    /// Writes the rows that a killed Patrol has left behind: a rebuild from a later moment would pass them over.
    private static func finishPending(_ store: StoreWriter) throws(StoreError) {
        let state = try store.engineState()
        if state.minutesInput == state.input { return }
        var options = EngineOptions(clock: .recorded, rules: RuleSet([]), publishes: false)
        (options.isAtRest, options.knowsRules) = (true, false)
        _ = try Engine(store: store, options: options).commit(flushesMinutes: true, isLast: true, now: ServerClock.now)
    }

    /// Does what the store says is to be computed again: an engine's start does.
    static func goOn(_ store: StoreWriter) throws {
        _ = try Engine(store: store, options: EngineOptions(clock: .recorded, rules: RuleSet([]), publishes: false))
    }

    private static func start(_ store: StoreWriter, _ zone: LocalZone, _ from: Timestamp?) throws(StoreError) -> Timestamp? {
        var start = from.map { zone.moment(zone.day($0)) }
        // Where raw readings have gone, days before the oldest that are left stay as they are.
        if let edge = try store.retentionEdge() {
            start = max(start ?? .distantPast, zone.moment(zone.day(edge + 3_600_000) + 1))
        }
        return start
    }
}
