public import Telemetry

/// The minutes of all noise meters, built as readings come, in any order, and through them the coarser buckets.
///
/// Each meter has two series of everything: of its readings without a flag, and of those that carry one (rain, wind,
/// calibration, fault), which are kept but are no evidence.
///
/// A minute is in memory while its rows in the raw table are not all committed; the newest minute of each meter stays.
/// A late reading for a minute that is not in memory loads that minute's readings again (`load`), so that a row is
/// always computed from all its samples: exact for any order and any split of the input. One thread owns it.
@safe
public final class NoiseMinutes {
    public static let widthMilliseconds: Int64 = 60_000

    @safe
    private struct Node {
        var series: UInt32
        var next: Int32
        var bucket: Timestamp
        var count: Int32
        var capacity: Int32
        /// Of the samples, how many are merged into the buckets (the first ones), and how much these cover, in ms.
        var merged: Int32
        var covered: Int32
        /// In thousandths of a dB(A).
        var lmax: Int32
        var lmin: Int32
        /// The newest clock at which a late reading came since the last flush.
        var late: Timestamp
        var isDirty: Bool
        var isLeaving: Bool
        // A piece of the pool, `capacity` samples; given back when the node leaves.
        var samples: UnsafeMutablePointer<NoiseSample>?
    }

    /// Calls back with each committed reading of a device that touches `from..<to`.
    public typealias Load = (
        _ device: UInt32, _ from: Timestamp, _ to: Timestamp, (_ input: Int64, borrowing Reading) -> Void
    ) -> Void

    public let buckets: NoiseBuckets
    let fillsBuckets: Bool
    private let load: Load
    private let samplePool = NoisePool()
    /// Of the minute whose row is computed.
    private var levels = NoiseHistogram(mayList: false)
    private var nodes: [Node] = []
    private var freeNode: Int32 = -1
    /// First of the series' nodes, newest bucket first.
    private var headOfSeries: [Int32] = []
    /// Minutes that differ from their rows, oldest change first: those that may go on, and those that a newer one has
    /// followed. Some may have been written meanwhile.
    private var dirty = SlotQueue(), closed = SlotQueue()
    /// Of the pass at hand: how many of `closed`, of `dirty` and of the coarser buckets are left (of these −1 before the
    /// minutes are done), and the input at which it began.
    private var pass: (closed: Int, minutes: Int, buckets: Int, input: Int64)?
    /// The newest minute each series has ever had, in the store or in memory.
    private var newestBucket: [Timestamp] = []
    /// Every reading up to this input stands in a row of its minute and is merged into the coarser buckets.
    var flushedInput: Int64

    /// - Parameters:
    ///   - fillsBuckets: off for the minutes alone.
    ///   - flushedInput: every reading up to this input stands in all its rows.
    public init(buckets: NoiseBuckets, fillsBuckets: Bool = true, flushedInput: Int64 = 0, load: @escaping Load) {
        self.buckets = buckets
        self.fillsBuckets = fillsBuckets
        self.flushedInput = flushedInput
        self.load = load
    }

    /// Makes room for devices up to and including `device`; `newest` is the newest minute that the store may hold.
    public func reserve(device: UInt32, newest: Timestamp = .distantPast) {
        let series = Int(device) * 2
        while headOfSeries.count <= series + 1 {
            headOfSeries.append(-1)
            newestBucket.append(.distantPast)
        }
        for series in series...series + 1 where newest > newestBucket[series] { newestBucket[series] = newest }
    }

    /// The series of a reading: the device's number twice, and 1 for what carries a flag.
    @inline(__always)
    static func series(_ reading: borrowing Reading) -> UInt32 {
        reading.device << 1 | (reading.bits & NoiseValue.flagBits != 0 ? 1 : 0)
    }

    /// Adds an accepted reading, at the engine's clock. It enters the buckets at least as long as its period; where it
    /// crosses a boundary it is divided by duration.
    @inline(__always)
    public func add(_ reading: borrowing Reading, clock: Timestamp) {
        let series = NoiseMinutes.series(reading)
        guard reading.periodMilliseconds <= UInt32(NoiseMinutes.widthMilliseconds) else {
            return addLong(reading, series: series, clock: clock)
        }
        let bucket = reading.ts.bucketStart(widthMilliseconds: NoiseMinutes.widthMilliseconds)
        add(reading, series, to: bucket, clock)
        if reading.end > bucket + NoiseMinutes.widthMilliseconds {
            add(reading, series, to: bucket + NoiseMinutes.widthMilliseconds, clock)
        }
    }

    @inline(__always)
    private func add(_ reading: borrowing Reading, _ series: UInt32, to bucket: Timestamp, _ clock: Timestamp) {
        var slot = headOfSeries[Int(series)]
        if slot < 0 || nodes[Int(slot)].bucket != bucket { slot = open(series, bucket) }
        append(reading, to: slot)
        if reading.isBackfill && clock > nodes[Int(slot)].late { nodes[Int(slot)].late = clock }
        markDirty(slot)
    }

    @inline(__always)
    private func markDirty(_ slot: Int32) {
        if !nodes[Int(slot)].isDirty {
            nodes[Int(slot)].isDirty = true
            nodes[Int(slot)].isLeaving = false
            if isNewest(slot) { dirty.append(slot) } else { closed.append(slot) }
        }
    }

    private func isNewest(_ slot: Int32) -> Bool { headOfSeries[Int(nodes[Int(slot)].series)] == slot }

    /// A reading longer than a minute enters the coarser buckets directly.
    /// - Parameter input: at a start its number, so that rows which hold it already are passed over.
    @inline(never)
    func addLong(_ reading: borrowing Reading, series: UInt32, clock: Timestamp, input: Int64 = .max) {
        guard fillsBuckets else { return }
        buckets.addLong(reading, series: series, clock: clock, input: input, since: flushedInput) { spans in
            var sum: Int64 = 0
            for span in spans.spans {
                var minute = span.start.bucketStart(widthMilliseconds: NoiseMinutes.widthMilliseconds)
                while minute < span.end, minute <= newestBucket[Int(series)] {
                    let slot = open(series, minute)
                    sum += self.spans(slot, count: nodes[Int(slot)].merged).overlap(with: spans)
                    if !isNewest(slot) && !nodes[Int(slot)].isDirty { leave(slot) }
                    minute = minute + NoiseMinutes.widthMilliseconds
                }
            }
            return sum
        }
    }

    /// What the first `count` samples of a minute cover.
    func spans(_ slot: Int32, count: Int32) -> TimeSpans {
        var result = TimeSpans()
        let bucket = nodes[Int(slot)].bucket
        for index in 0..<Int(count) {
            let sample = unsafe nodes[Int(slot)].samples![index]
            let start = bucket + Int64(sample.startMilliseconds)
            result.insert(start, start + Int64(sample.durationMilliseconds))
        }
        return result
    }

    /// Finds or makes the node of a minute, with the readings that the store already holds of it.
    @inline(never)
    private func open(_ series: UInt32, _ bucket: Timestamp) -> Int32 {
        var previous: Int32 = -1
        var slot = headOfSeries[Int(series)]
        while slot >= 0 && nodes[Int(slot)].bucket > bucket {
            previous = slot
            slot = nodes[Int(slot)].next
        }
        if slot >= 0 && nodes[Int(slot)].bucket == bucket { return slot }
        let fresh = takeNode(series, bucket, next: slot)
        if previous < 0 {
            headOfSeries[Int(series)] = fresh
            close(slot)
        } else {
            nodes[Int(previous)].next = fresh
        }
        if bucket <= newestBucket[Int(series)] {
            load(series >> 1, bucket, bucket + NoiseMinutes.widthMilliseconds) { _, reading in
                if NoiseMinutes.series(reading) == series { append(reading, to: fresh) }
            }
            // A minute leaves memory when it is merged: what the store holds of it, the coarser buckets hold.
            nodes[Int(fresh)].merged = nodes[Int(fresh)].count
            nodes[Int(fresh)].covered = Int32(spans(fresh, count: nodes[Int(fresh)].count).milliseconds)
        } else {
            newestBucket[Int(series)] = bucket
        }
        return fresh
    }

    /// A newer minute has followed.
    private func close(_ slot: Int32) {
        guard slot >= 0 else { return }
        if nodes[Int(slot)].isDirty { closed.append(slot) } else { leave(slot) }
    }

    private func takeNode(_ series: UInt32, _ bucket: Timestamp, next: Int32) -> Int32 {
        let slot: Int32
        if freeNode >= 0 {
            slot = freeNode
            freeNode = nodes[Int(slot)].next
        } else {
            slot = Int32(nodes.count)
            unsafe nodes.append(
                Node(
                    series: 0, next: -1, bucket: bucket, count: 0, capacity: 0, merged: 0, covered: 0, lmax: 0, lmin: 0,
                    late: .distantPast, isDirty: false, isLeaving: false, samples: nil))
        }
        nodes[Int(slot)].series = series
        nodes[Int(slot)].next = next
        nodes[Int(slot)].bucket = bucket
        nodes[Int(slot)].count = 0
        nodes[Int(slot)].merged = 0
        nodes[Int(slot)].covered = 0
        nodes[Int(slot)].lmax = .min
        nodes[Int(slot)].lmin = .max
        nodes[Int(slot)].late = .distantPast
        nodes[Int(slot)].isDirty = false
        nodes[Int(slot)].isLeaving = false
        return slot
    }

    /// The part of a reading that lies in the node's minute; a reading that does not touch it is passed over.
    @inline(__always)
    private func append(_ reading: borrowing Reading, to slot: Int32) {
        guard reading.periodMilliseconds <= UInt32(NoiseMinutes.widthMilliseconds) else { return }
        let level = NoiseMath.millidecibels(reading.values[NoiseValue.laeq])
        append(
            reading.ts, reading.end, level: level, lmax: reading.value(NoiseValue.lmax).map(NoiseMath.millidecibels) ?? level,
            lmin: reading.value(NoiseValue.lmin).map(NoiseMath.millidecibels) ?? level, to: slot)
    }

    @inline(__always)
    func append(_ ts: Timestamp, _ end: Timestamp, level: Int32, lmax: Int32, lmin: Int32, to slot: Int32) {
        let bucket = nodes[Int(slot)].bucket
        let first = max(0, ts - bucket)
        let last = min(NoiseMinutes.widthMilliseconds, end - bucket)
        guard last > first else { return }
        if nodes[Int(slot)].count == nodes[Int(slot)].capacity { grow(slot) }
        let count = nodes[Int(slot)].count
        unsafe nodes[Int(slot)].samples![Int(count)] = NoiseSample(
            startMilliseconds: UInt16(first), durationMilliseconds: UInt16(last - first), levelMillidecibels: level,
            isContinuing: ts < bucket)
        nodes[Int(slot)].count = count + 1
        nodes[Int(slot)].lmax = max(nodes[Int(slot)].lmax, lmax)
        nodes[Int(slot)].lmin = min(nodes[Int(slot)].lmin, lmin)
    }

    @inline(never)
    private func grow(_ slot: Int32) {
        let old = Int(nodes[Int(slot)].capacity)
        let bytes = NoisePool.size(for: old * 2 * MemoryLayout<NoiseSample>.stride)
        let capacity = bytes / MemoryLayout<NoiseSample>.stride
        let larger = unsafe samplePool.take(bytes).bindMemory(to: NoiseSample.self, capacity: capacity)
        if let samples = unsafe nodes[Int(slot)].samples { unsafe larger.update(from: samples, count: old) }
        giveBack(slot)
        unsafe nodes[Int(slot)].samples = unsafe larger
        nodes[Int(slot)].capacity = Int32(capacity)
    }

    private func giveBack(_ slot: Int32) {
        guard let samples = unsafe nodes[Int(slot)].samples else { return }
        unsafe samplePool.give(samples, Int(nodes[Int(slot)].capacity) * MemoryLayout<NoiseSample>.stride)
        unsafe nodes[Int(slot)].samples = nil
        nodes[Int(slot)].capacity = 0
    }

    /// Whether a flush of everything would write a row.
    public var hasUnflushed: Bool { dirty.count > 0 || closed.count > 0 || buckets.dirtyCount > 0 }

    /// Every reading up to this input stands in all its rows, when what is flushed now is committed.
    public var completeInput: Int64 { min(flushedInput, buckets.oldestDirtyInput ?? .max) }

    /// There is more to hand over with the commits that follow.
    public var isFlushing: Bool { pass != nil || closed.count > 0 }

    /// Rows that a pass has before it.
    public var backlog: Int { dirty.count + closed.count + buckets.dirtyCount }

    /// Begins a pass over what differs from its rows: the minutes, and then of the coarser buckets the half that has waited
    /// longest, so that a row waits for three passes at most. Nothing where one goes on.
    /// - Parameter input: number of the last reading added.
    public func beginFlush(input: Int64) {
        if pass == nil { pass = (closed.count, dirty.count, -1, input) }
    }

    /// Hands over the minutes that a newer one has followed, and then goes on with the pass. What is handed over is clean;
    /// minutes other than the newest leave memory at ``committed()``.
    /// - Parameters:
    ///   - rows: about so many, half as many more where a pass goes on, and up to six times as many where more than a
    ///     thousand minutes are over; nil is everything that there is.
    ///   - input: number of the last reading added, which the rows hold with all before it.
    ///   - minute, bucket: get the rows.
    public func flush(
        rows: Int?, input: Int64, minute: (NoiseRow) throws -> Void, bucket: (NoiseBucketRow, Span<UInt8>) throws -> Void
    ) rethrows {
        var left = rows ?? .max
        if rows == nil { pass = (closed.count, dirty.count, -1, input) }
        // They hold memory and lengthen their series, so that few may wait.
        // A reading ends two minutes at most, and a commit has a row for three readings; what a start has found is more.
        let excess = rows.map { min(closed.count - NoiseMinutes.closedWaiting, 6 * $0) } ?? 0
        var closedLeft = max(left, excess)
        while closedLeft > 0, let slot = closed.next() {
            if let left = pass?.closed, left > 0 { pass!.closed -= 1 }
            guard nodes[Int(slot)].isDirty else { continue }
            try hand(slot, minute)
            closedLeft -= 1
            left -= 1
        }
        // What was handed over meanwhile is taken off the head: a pass may not come to it for long, and the queue would grow.
        while let slot = dirty.first, !nodes[Int(slot)].isDirty {
            _ = dirty.next()
            if let minutes = pass?.minutes, minutes > 0 { pass!.minutes -= 1 }
        }
        guard var pass else { return }
        // Where each reading ends a minute those that are over would take all.
        if let rows { left = max(left, rows / 2) }
        // Each minute may make buckets; memory beyond the budget is let go once they are written and committed.
        while left > 0 && pass.minutes > 0 && (rows == nil || !buckets.isOverBudget), let slot = dirty.next() {
            pass.minutes -= 1
            guard nodes[Int(slot)].isDirty else { continue }
            try hand(slot, minute)
            left -= 1
        }
        if pass.closed == 0 && pass.minutes == 0 && pass.buckets < 0 {
            flushedInput = max(flushedInput, pass.input)
            pass.buckets = rows == nil ? .max : max(256, buckets.dirtyCount / 2)
        }
        if buckets.isOverBudget { left = max(left, (rows ?? 0) / 2) }
        while left > 0 && (pass.buckets > 0 || buckets.isOverBudget), let series = buckets.oldestDirtySeries {
            // Its row says that it holds everything.
            var slot = headOfSeries[Int(series)]
            while slot >= 0 {
                if nodes[Int(slot)].isDirty { try hand(slot, minute) }
                slot = nodes[Int(slot)].next
            }
            try buckets.writeOldest(input: input, bucket)
            if pass.buckets > 0 { pass.buckets -= 1 }
            left -= 1
        }
        let isDone = pass.buckets >= 0 && (pass.buckets == 0 || buckets.dirtyCount == 0)
        self.pass = isDone ? nil : pass
    }

    private static let closedWaiting = 1000

    private func hand(_ slot: Int32, _ take: (NoiseRow) throws -> Void) rethrows {
        let row = flush(slot)
        if row.bucket >= buckets.firstBucket { try take(row) }
        if !isNewest(slot) { leave(slot) }
    }

    /// Merges a minute's gain upward and computes its row.
    private func flush(_ slot: Int32) -> NoiseRow {
        let series = nodes[Int(slot)].series
        let bucket = nodes[Int(slot)].bucket
        let samples = unsafe UnsafeMutableBufferPointer(start: nodes[Int(slot)].samples, count: Int(nodes[Int(slot)].count))
        var row = NoiseRow(series: series, bucket: bucket)
        row.lmaxMillidecibels = nodes[Int(slot)].lmax
        row.lminMillidecibels = nodes[Int(slot)].lmin
        let late = nodes[Int(slot)].late
        if late >= bucket + NoiseMinutes.widthMilliseconds + buckets.allowanceMilliseconds { row.revised = late }
        // Before the row is computed: that reorders the samples.
        let targets = fillsBuckets ? buckets.bucketsToAdd(series, bucket, since: flushedInput) : NoiseBuckets.Targets()
        var delta = fillsBuckets ? unsafe collectGain(slot, samples, for: targets) : NoiseDelta()
        unsafe row.compute(samples, levels: &levels, pool: samplePool)
        if fillsBuckets {
            delta.lmax = row.lmaxMillidecibels
            delta.lmin = row.lminMillidecibels
            delta.coveredGain = row.coveredMilliseconds - Int64(nodes[Int(slot)].covered)
            delta.late = late
            buckets.merge(delta, minute: bucket, into: targets, since: flushedInput)
        }
        nodes[Int(slot)].merged = Int32(samples.count)
        nodes[Int(slot)].covered = Int32(row.coveredMilliseconds)
        nodes[Int(slot)].late = .distantPast
        nodes[Int(slot)].isDirty = false
        return row
    }

    /// What the minute has gained since it was last merged, but for what its row says.
    @inline(__always)
    private func collectGain(
        _ slot: Int32, _ samples: UnsafeMutableBufferPointer<NoiseSample>, for targets: NoiseBuckets.Targets
    ) -> NoiseDelta {
        let merged = nodes[Int(slot)].merged
        if buckets.needsSpans(targets) {
            buckets.cover(before: spans(slot, count: merged), after: spans(slot, count: nodes[Int(slot)].count))
        }
        var delta = NoiseDelta()
        for index in Int(merged)..<samples.count {
            let sample = unsafe samples[index]
            let duration = Int64(sample.durationMilliseconds)
            delta.energy &+= NoiseMath.units(millidecibels: sample.levelMillidecibels) &* UInt128(duration)
            delta.total += duration
            if sample.isContinuing { delta.continuing += 1 } else { delta.beginning += 1 }
            buckets.gain.add(millidecibels: sample.levelMillidecibels, milliseconds: sample.durationMilliseconds)
        }
        return delta
    }

    private var leaving: [Int32] = []

    private func leave(_ slot: Int32) {
        if !nodes[Int(slot)].isLeaving {
            nodes[Int(slot)].isLeaving = true
            leaving.append(slot)
        }
    }

    /// The transaction that holds everything flushed and every reading added is committed.
    public func committed() {
        // All that leave a series go in one walk along it; the newest, its head, stays.
        for slot in leaving where nodes[Int(slot)].isLeaving {
            var previous = headOfSeries[Int(nodes[Int(slot)].series)]
            while previous >= 0 {
                let next = nodes[Int(previous)].next
                guard next >= 0, nodes[Int(next)].isLeaving else {
                    previous = next
                    continue
                }
                nodes[Int(previous)].next = nodes[Int(next)].next
                giveBack(next)
                nodes[Int(next)].isLeaving = false
                nodes[Int(next)].next = freeNode
                freeNode = next
            }
        }
        leaving.removeAll(keepingCapacity: true)
        buckets.committed()
    }

    // MARK: Start (NoiseMinutes+Restore.swift)

    /// A node for a minute that is not in memory, empty.
    func insert(_ series: UInt32, _ bucket: Timestamp) -> Int32 {
        var previous: Int32 = -1
        var next = headOfSeries[Int(series)]
        while next >= 0 && nodes[Int(next)].bucket > bucket { (previous, next) = (next, nodes[Int(next)].next) }
        precondition(next < 0 || nodes[Int(next)].bucket < bucket, "a minute is restored once")
        let slot = takeNode(series, bucket, next: next)
        if previous < 0 {
            headOfSeries[Int(series)] = slot
            close(next)
        } else {
            nodes[Int(previous)].next = slot
        }
        return slot
    }

    /// All samples of a restored node are merged now; its row is to be written.
    func finishRestore(_ slot: Int32, late: Timestamp) {
        nodes[Int(slot)].merged = nodes[Int(slot)].count
        nodes[Int(slot)].covered = Int32(spans(slot, count: nodes[Int(slot)].count).milliseconds)
        nodes[Int(slot)].late = late
        markDirty(slot)
    }
}

/// Numbers of slots, first in, first out.
private struct SlotQueue {
    private var slots: [Int32] = []
    private var head = 0

    var count: Int { slots.count - head }

    var first: Int32? { head < slots.count ? slots[head] : nil }

    mutating func append(_ slot: Int32) { slots.append(slot) }

    mutating func next() -> Int32? {
        if head == slots.count { return nil }
        defer {
            head += 1
            if head == slots.count || head > 1024 && head * 2 > slots.count {
                slots.removeFirst(head)
                head = 0
            }
        }
        return slots[head]
    }
}
