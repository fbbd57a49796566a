import Rules
import Settings

extension EngineOptions {
    /// What the settings say, for a Patrol that runs on a broker or changes its store at rest.
    init(_ settings: Settings) {
        self.init(clock: settings.clock == .wall ? .wall : .readings, rules: RuleSet(settings.rules), publishes: true)
        world = settings.world
        topicRoot = settings.topicRoot
        source = "/patrol/\(settings.broker.clientID)"
        futureAllowanceMilliseconds = settings.clock == .wall ? settings.futureAllowanceMilliseconds : nil
        backfillAllowanceMilliseconds = settings.backfillAllowanceMilliseconds
        retention = settings.retention
        rejectRows = settings.rejectRows
        rollups = RollupOptions(settings)
        eventRetentionMilliseconds = settings.eventRetentionMilliseconds
        dispatch = settings.dispatch
        adapters = settings.outlets.adapters
    }
}
