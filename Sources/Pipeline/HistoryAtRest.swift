import Rules
import Store
public import Telemetry

/// Compact history of a store that nothing else has open: what a running Patrol does in steps, at once.
public enum HistoryAtRest {
    /// - Parameter cutoff: readings that began before it are packed, where they lie in full segments.
    /// - Returns: readings packed.
    public static func pack(storePath: String, before cutoff: Timestamp, progress: (Int) -> Void = { _ in }) throws -> Int {
        let store = try StoreWriter(path: storePath)
        defer { store.close() }
        // A rebuild that was ended early knows rows only: it comes first.
        if try store.trackRebuildFrom() != nil { try RollupRepair.goOn(store) }
        let stored = try store.storedReadings()
        let state = try store.engineState()
        var packed = 0
        try store.leaveDeletedBytes()
        if let run = try store.unfinishedHistory(stored) { try store.letGo(run.segments[...], of: run, stored: stored) }
        let packer = try HistoryPacker(path: storePath)
        for kind in Kind.allCases {
            while true {
                let segments = stored.oldSegments(
                    kind: kind, before: cutoff, upTo: min(state.checkpointInput, state.minutesInput), count: Sweeper.segments)
                guard !segments.isEmpty, let blocks = try packer.pack(kind: kind, segments: segments) else { break }
                let rows = blocks.reduce(0) { $0 + $1.rows }
                let run = try store.beginHistory(kind: kind, segments: segments, rows: rows)
                var next = 0
                while next < blocks.count { next = try store.write(history: blocks, from: next, run: run.run, bytes: 4 << 20) }
                guard try packer.isEqual(run: run.run, kind: kind, to: blocks) else {
                    try store.dropHistory(run.run)
                    throw StoreError(.damaged, path: storePath, detail: "a block did not come back as it was written; the rows are still there")
                }
                try store.markHistoryVerified(run.run)
                try store.letGo(run.segments[...], of: run, stored: stored)
                packed += rows
                progress(packed)
            }
        }
        return packed
    }

    /// Gives all free pages back to the disk.
    /// - Returns: bytes of the file before and after.
    public static func shrink(storePath: String) throws -> (before: Int64, after: Int64) {
        let store = try StoreWriter(path: storePath)
        defer { store.close() }
        return try store.shrink()
    }
}
