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
        guard let from = try store.rollupRebuildFrom() else { return }
        try store.begin()
        try store.deleteNoiseRollups(from: from)
        try store.commit()
        minutes.buckets.firstBucket = from
        var chunk: [(input: Int64, reading: Reading)] = []
        var last: Int64 = 0
        var clock = Timestamp.distantPast
        repeat {
            chunk.removeAll(keepingCapacity: true)
            try store.readings(kind: .noise, after: last, limit: Engine.rebuildRows) { chunk.append(($0, copy $1)) }
            for (input, reading) in chunk {
                clock.follow(reading, options.clock)
                guard reading.end > from else { continue }
                failure.loadLimit = input - 1
                minutes.reserve(device: reading.device)
                minutes.add(reading, clock: clock)
            }
            last = chunk.last?.input ?? last
            try store.begin()
            minutes.beginFlush(input: last)
            try writeRollups(rows: chunk.isEmpty ? nil : rollupRows(readings: Engine.rebuildRows), input: last)
            if chunk.isEmpty {
                try store.finishRollupRebuild()
                state.minutesInput = state.input
                try store.write(engine: state)
            }
            try store.commit()
            minutes.committed()
        } while !chunk.isEmpty
        failure.loadLimit = .max
        minutes.buckets.firstBucket = .distantPast
    }
}
