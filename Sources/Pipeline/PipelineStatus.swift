import Store
import Synchronization
import Telemetry

/// What the pipeline tells of itself, for `/readyz`, `/metrics` and the summary at the end. Any thread.
public final class PipelineStatus: Sendable {
    public struct Values: Sendable {
        public var batches: Int64 = 0
        public var commitNanoseconds: Int64 = 0
        public var slowestCommitNanoseconds: Int64 = 0
        public var walBytes: Int64 = 0
        public var isWALOverCap = false
        /// Readings since the start by what became of them: stored, duplicate, rejected, dropped.
        public var outcomes: [(String, Int64)] = [("stored", 0), ("duplicate", 0), ("rejected", 0), ("dropped", 0)]
        public var storedInput: Int64 = 0
        public var devices = 0
        /// Memory of the open noise buckets coarser than a minute.
        public var bucketBytes = 0
        public var isCatchingUp = false
        /// Why nothing is committed now, nil when all is well.
        public var storeTrouble: String?
        /// Why nothing is received now, nil when subscribed.
        public var brokerTrouble: String? = "not connected yet"
        public var clockMilliseconds: Int64 = 0
    }

    private let values = Mutex(Values())

    public init() {}

    public var current: Values { values.withLock { $0 } }

    public var isReady: Bool { values.withLock { $0.storeTrouble == nil && $0.brokerTrouble == nil } }

    func committed(engine: Engine, counts: MessageCount, nanoseconds: Int64) {
        let devices = engine.table.count
        let state = engine.state
        let bucketBytes = engine.minutes.buckets.bytes
        let isCatchingUp = engine.isCatchingUp
        values.withLock {
            $0.batches += 1
            $0.commitNanoseconds += nanoseconds
            $0.slowestCommitNanoseconds = max($0.slowestCommitNanoseconds, nanoseconds)
            $0.outcomes[0].1 += counts.stored
            $0.outcomes[1].1 += counts.duplicate
            $0.outcomes[2].1 += counts.rejected
            $0.outcomes[3].1 += counts.dropped
            $0.storedInput = state.input
            $0.clockMilliseconds = state.clock.milliseconds
            $0.devices = devices
            $0.bucketBytes = bucketBytes
            $0.isCatchingUp = isCatchingUp
        }
    }

    /// The write-ahead log's size. Returns whether it has crossed its cap, up or down.
    func log(bytes: Int64, isOverCap: Bool) -> Bool {
        values.withLock { values in
            defer { values.isWALOverCap = isOverCap }
            values.walBytes = bytes
            return values.isWALOverCap != isOverCap
        }
    }

    /// - Returns: whether it is another trouble than before, to be logged.
    @discardableResult
    func trouble(_ text: String?) -> Bool {
        values.withLock { values in
            defer { values.storeTrouble = text }
            return values.storeTrouble != text
        }
    }

    /// - Returns: as ``trouble(_:)``.
    @discardableResult
    public func broker(_ trouble: String?) -> Bool {
        values.withLock { values in
            defer { values.brokerTrouble = trouble }
            return values.brokerTrouble != trouble
        }
    }
}
