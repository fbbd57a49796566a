import Rules
public import Settings
import Store
public import Telemetry

/// An action on a store that no Patrol has open.
public enum ChangeAtRest {
    /// Opens the store, applies the action in a transaction of its own and closes it. What it publishes is sent when Patrol
    /// runs again.
    /// - Throws: `StoreError`; `.locked` where somebody else has the store.
    public static func apply(_ action: Action, storePath: String, settings: Settings?) throws -> ActionAnswer {
        if let problem = ActionCatalogue.problem(with: action) { return .refused(problem) }
        let store = try StoreWriter(path: storePath)
        defer { store.close() }
        if ActionCatalogue.isOutlets(action.name) { return try OutletActionsAtRest.apply(action, to: store) }
        var options = EngineOptions(settings ?? Settings(storePath: storePath))
        // Only an end of an alert needs the rules, and it needs the settings' own.
        options.isAtRest = action.name != "alert.end" || settings == nil
        // Without settings everything stays as the store has it.
        if settings == nil { options.rollups = nil }
        let engine = try Engine(store: store, options: options)
        let now = ServerClock.now
        let committed = try engine.commit(
            flushesMinutes: false, now: now, actions: [action], tick: now + engine.clockCorrection)
        return committed.answers[0]
    }
}
