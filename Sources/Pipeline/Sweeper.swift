import Store
import Telemetry

/// Packs raw readings that are past their time as plain rows, lets go what is past its retention, and gives space back: in
/// small steps between two batches. The processor's thread; packing and reading back have a thread of their own.
struct Sweeper {
    /// Raw rows stay so much longer than readings of their age are accepted: whoever corrects a bucket with a late reading
    /// finds all the others of that local day and of the night that starts in its evening.
    static let graceMilliseconds: Int64 = 2 * 86_400_000
    /// Between two steps, while there is something to do; and while there is nothing.
    static let busyNanoseconds: Int64 = 100_000_000
    static let idleNanoseconds: Int64 = 10_000_000_000
    /// After a block that did not come back as it was written.
    static let distrustNanoseconds: Int64 = 600_000_000_000
    /// Free pages given back in a step.
    static let pages: Int64 = 256
    /// Segments packed together, and how long fewer of them wait for more: the larger a run, the fewer bytes a reading.
    static let segments = 64
    static let patienceMilliseconds: Int64 = 7 * 86_400_000
    /// Rows of minutes deleted in a step.
    static let minuteRows = 8192

    private enum Stage {
        /// A run that a kill has left is looked for.
        case starting
        case idle
        case packing(HistoryJob<[HistoryBlock]?>, Kind, [HistorySegment])
        case writing(HistoryRun, [HistoryBlock], next: Int)
        case checking(HistoryJob<Bool>, HistoryRun)
        case letting(HistoryRun, next: Int)
    }

    private var stage = Stage.starting
    private var dueAt: Int64 = 0
    /// What an operator must know, once.
    private(set) var problem: String?

    mutating func takeProblem() -> String? {
        defer { problem = nil }
        return problem
    }

    /// Does one step where one is due. A step that fails (no room, say) is tried again later; batches say what is wrong.
    mutating func step(_ engine: Engine, monotonicNanoseconds now: Int64) {
        guard now >= dueAt else { return }
        var isBusy = false
        do throws(StoreError) {
            isBusy = try work(engine)
        } catch {
            engine.store.rollback()
        }
        dueAt = now + (problem != nil ? Sweeper.distrustNanoseconds : isBusy ? Sweeper.busyNanoseconds : Sweeper.idleNanoseconds)
    }

    /// Waits for the other thread, if it is at work: before the store is closed, and in tests.
    mutating func join(cancels: Bool = true) {
        switch stage {
        case .packing(let job, _, _): job.join(cancels: cancels)
        case .checking(let job, _): job.join(cancels: cancels)
        case .starting, .idle, .writing, .letting: break
        }
    }

    private mutating func work(_ engine: Engine) throws(StoreError) -> Bool {
        if Kind.allCases.contains(where: { Sweeper.rows($0, engine)?.arePacked == true }), try pack(engine) { return true }
        let (store, clock) = (engine.store, engine.state.clock)
        for kind in Kind.allCases {
            let ages = engine.options.retention[kind]
            if let rows = Sweeper.rows(kind, engine), !rows.arePacked,
                try store.deleteSegment(kind, before: rows.cutoff, upTo: engine.neededAfterInput, of: engine.stored) > 0
            {
                return true
            }
            if let age = ages.historyMilliseconds, try store.deleteHistory(kind, before: clock + -age) { return true }
            if let age = ages.minuteMilliseconds, try store.deleteMinutes(kind, before: clock + -age, rows: Sweeper.minuteRows) { return true }
        }
        return try store.giveBack(pages: Sweeper.pages) > 0
    }

    /// Before when a kind's rows are past their time as rows, and whether they are packed then or go; nil where they stay.
    private static func rows(_ kind: Kind, _ engine: Engine) -> (cutoff: Timestamp, arePacked: Bool)? {
        let ages = engine.options.retention[kind]
        guard let raw = ages.rawMilliseconds else { return nil }
        let age = raw + Sweeper.graceMilliseconds
        return (engine.state.clock + -age, ages.historyMilliseconds.map { $0 > age } ?? true)
    }

    /// A step of packing; whether another may follow at once.
    private mutating func pack(_ engine: Engine) throws(StoreError) -> Bool {
        let store = engine.store
        switch stage {
        case .starting:
            stage = try store.unfinishedHistory(engine.stored).map { .letting($0, next: 0) } ?? .idle
            return true
        case .idle:
            guard let (kind, segments) = due(engine) else { return false }
            let path = store.path
            let job = HistoryJob<[HistoryBlock]?> { isCancelled throws(StoreError) in
                try HistoryPacker(path: path).pack(kind: kind, segments: segments, isCancelled: isCancelled)
            }
            stage = .packing(job, kind, segments)
        case .packing(let job, let kind, let segments):
            guard let result = job.result else { return true }
            job.join(cancels: false)
            stage = .idle
            guard let blocks = try result.get() else { return false }
            let run = try store.beginHistory(kind: kind, segments: segments, rows: blocks.reduce(0) { $0 + $1.rows })
            stage = .writing(run, blocks, next: 0)
        case .writing(let run, let blocks, let next):
            if next < blocks.count {
                stage = .writing(run, blocks, next: try store.write(history: blocks, from: next, run: run.run))
            } else {
                let path = store.path
                let job = HistoryJob<Bool> { _ throws(StoreError) in
                    try HistoryPacker(path: path).isEqual(run: run.run, kind: run.kind, to: blocks)
                }
                stage = .checking(job, run)
            }
        case .checking(let job, let run):
            guard let result = job.result else { return true }
            job.join(cancels: false)
            stage = .starting
            guard try result.get() else {
                try store.dropHistory(run.run)
                problem = """
                    \(store.path): compact history of \(run.kind.name) did not come back as it was written and was taken away; the \
                    rows are still there. Look for the disk in the system's log (dmesg), and run 'patrol db verify'
                    """
                return false
            }
            try store.markHistoryVerified(run.run)
            stage = .letting(run, next: 0)
        case .letting(let run, let next):
            guard next < run.segments.count else {
                stage = .idle
                return true
            }
            let kind = Int(run.kind.rawValue)
            engine.historyEdges[kind] = max(engine.historyEdges[kind], run.segments[next].maxTs)
            try store.letGo(run.segments[next...next], of: run, stored: engine.stored)
            stage = .letting(run, next: next + 1)
        }
        return true
    }

    private func due(_ engine: Engine) -> (Kind, [HistorySegment])? {
        for kind in Kind.allCases {
            guard let rows = Sweeper.rows(kind, engine), rows.arePacked else { continue }
            let segments = engine.stored.oldSegments(
                kind: kind, before: rows.cutoff, upTo: engine.neededAfterInput, count: Sweeper.segments)
            guard let first = segments.first else { continue }
            if segments.count == Sweeper.segments || first.maxTs < rows.cutoff + -Sweeper.patienceMilliseconds { return (kind, segments) }
        }
        return nil
    }
}
