import Rollups
import Store
import Telemetry

extension Engine {
    /// Readings taken between two commits of a rebuild.
    private static let rebuildRows = 65_536

    /// Computes the rollups of noise from the raw readings again, where the store says that they are not complete: after
    /// `repair rollups`, and in a store from before there were any. What ends early begins again at the next start.
    ///
    /// The readings go the way of live ones, in the order in which they were committed; `failure.loadLimit` hides those from
    /// the minutes that have not come by yet.
    func rebuildRollups() throws(StoreError) {
        guard options.fillsBuckets, let from = try store.rollupRebuildFrom() else { return }
        try store.begin()
        try store.deleteNoiseRollups(from: from)
        try store.commit()
        minutes.buckets.firstBucket = from
        let ahead = try store.readAhead(kind: .noise)
        var last: Int64 = 0
        var clock = Timestamp.distantPast
        var uncommitted = 0
        while let rows = try ahead.next() {
            for index in rows.indices {
                clock.follow(rows[index].reading, options.clock)
                guard rows[index].reading.end > from else { continue }
                failure.loadLimit = rows[index].input - 1
                minutes.reserve(device: rows[index].reading.device)
                minutes.add(rows[index].reading, clock: clock)
            }
            last = rows[rows.count - 1].input
            uncommitted += rows.count
            guard uncommitted >= Engine.rebuildRows else { continue }
            try store.begin()
            // What is written goes on changing: only what there is no memory for.
            if minutes.buckets.isOverBudget { minutes.beginFlush(input: last) }
            try writeRollups(rows: rollupRows(readings: uncommitted), input: last)
            try store.commit()
            minutes.committed()
            uncommitted = 0
        }
        try store.begin()
        try writeRollups(rows: nil, input: last)
        try store.finishRollupRebuild()
        state.minutesInput = state.input
        try store.write(engine: state)
        try store.commit()
        minutes.committed()
        failure.loadLimit = .max
        minutes.buckets.firstBucket = .distantPast
    }
}
