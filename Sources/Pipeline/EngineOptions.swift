public import Delivery
public import Dispatching
import Glibc
public import Rules
public import Telemetry

/// What the engine's judgement depends on besides its inputs.
public struct EngineOptions: Sendable {
    /// Where the engine's clock comes from. Age (backfill, retention) is judged by it.
    public enum Clock: Sendable {
        /// The moment of arrival, by the server's wall clock; after downtime it resumes at the last committed batch and
        /// follows the accepted readings until the broker's queue is drained.
        case wall
        /// Replay: the running maximum of the recorded moments of arrival, and of `ts` where none is recorded.
        case recorded
        /// The running maximum of the accepted `ts`: rehearsals with recordings over a live broker.
        case readings
    }

    public var clock: Clock
    /// Readings older than this by the engine's clock correct rollups and raise no alert.
    public var backfillAllowanceMilliseconds: Int64 = 600_000
    /// Readings further ahead of their arrival are refused; nil asks nothing.
    public var futureAllowanceMilliseconds: Int64?
    public var retention = Retention()
    public var rules: RuleSet
    /// Whether `rules` are the store's. Where not (a change at rest without settings, a replay without rules) what rules
    /// have left in the store stays as it is.
    public var knowsRules = true
    /// Areas, sites, fences, calendars, permits and limits, as rules see them.
    public var world = World(zone: LocalZone(identifier: "Asia/Shanghai") ?? .utc)
    public var dispatch = DispatchSettings()
    /// How the words of other task systems are understood, by their names.
    public var adapters: [String: any TaskAdapter] = [:]
    /// A change of a store that no Patrol runs on: no reading is judged, and rules are left as the store has them.
    public var isAtRest = false
    /// Whether alerts and tasks go to the outbox: a replay into a store at rest publishes nothing.
    public var publishes: Bool
    public var topicRoot = "patrol/v1"
    public var source = "/patrol"
    /// Open minutes are written at least this often.
    public var minuteFlushMilliseconds: Int64 = 10_000
    /// Device states are written every so many stored readings (at least 16 a device): what a restart reads again is
    /// bounded by it.
    public var checkpointReadings: Int64 = 262_144

    /// Off where a store of readings alone is wanted, as a backtest reads it.
    public var rollsUp = true
    /// Whether noise is rolled up beyond minutes. Off for tools/bench alone, which measures what it costs
    /// (`PATROL_BENCH_MINUTES_ONLY` in the environment), and heeded for a store without readings only; its next start makes
    /// what is missing.
    var fillsBuckets = unsafe getenv("PATROL_BENCH_MINUTES_ONLY") == nil
    /// Each commit hands its readings over.
    public var handsOver = false
    /// What rollups are computed with; nil: as the store has it, or by default.
    public var rollups: RollupOptions?
    /// Memory that the buckets coarser than a minute may keep.
    public var rollupBytes = 40 << 20

    /// Rows kept of `reject`, the newest: a broken gateway cannot fill the disk.
    public var rejectRows: Int64 = 1_000_000

    /// Events older than this leave the stream; nil keeps all.
    public var eventRetentionMilliseconds: Int64? = 30 * 86_400_000

    var machine = MachineClock.this

    public init(clock: Clock, rules: RuleSet, publishes: Bool) {
        self.clock = clock
        self.rules = rules
        self.publishes = publishes
    }
}
