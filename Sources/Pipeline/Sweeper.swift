import Store
import Telemetry

/// Lets raw readings go that are past their retention, in small steps between two batches. The processor's thread.
struct Sweeper {
    /// Raw rows stay so much longer than readings of their age are accepted: whoever corrects a bucket with a late reading
    /// finds all the others of that local day and of the night that starts in its evening.
    static let graceMilliseconds: Int64 = 2 * 86_400_000
    /// Between two steps, while there is something to do; and while there is nothing.
    static let busyNanoseconds: Int64 = 100_000_000
    static let idleNanoseconds: Int64 = 10_000_000_000
    /// Free pages given back in a step.
    static let pages: Int64 = 256

    private var dueAt: Int64 = 0

    /// Does one step where one is due. A step that fails (no room, say) is tried again later; batches say what is wrong.
    mutating func step(_ engine: Engine, monotonicNanoseconds now: Int64) {
        guard now >= dueAt, let retention = engine.options.retentionMilliseconds else { return }
        let cutoff = engine.state.clock + -(retention + Sweeper.graceMilliseconds)
        var isBusy = false
        do throws(StoreError) {
            isBusy = try engine.store.deleteSegment(before: cutoff, upTo: engine.neededAfterInput, of: engine.stored) > 0
            if !isBusy { isBusy = try engine.store.giveBack(pages: Sweeper.pages) > 0 }
        } catch {
            engine.store.rollback()
        }
        dueAt = now + (isBusy ? Sweeper.busyNanoseconds : Sweeper.idleNanoseconds)
    }
}
