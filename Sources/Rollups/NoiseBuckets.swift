public import Telemetry

/// The buckets of 10 and 20 minutes, hours and days of all meters. What is added to them is added to whole numbers, so
/// that rows do not depend on the order or the split of the input.
///
/// Buckets lie in memory while they are used, within a budget; one that is not is read from its row again when a reading
/// for it comes. Rows are written a while after they changed, oldest change first (``write(upTo:input:_:)``); until then
/// the readings themselves are the truth, and a start adds those again that a row does not hold (its `input` says which).
/// One thread owns it.
@safe
public final class NoiseBuckets {
    /// The row of a bucket as the store has it, nil where there is none.
    public typealias Load = (_ device: UInt32, _ isFlagged: Bool, _ span: NoiseSpan, _ bucket: Timestamp) -> StoredNoiseBucket?

    /// The ten minutes of a series that stand apart (``bucketsToAdd(_:_:since:)``), and what the coarser buckets are to know of
    /// them besides: readings that reach into them from before, and the newest clock at which a late one came.
    private struct Apart: BitwiseCopyable {
        /// −1 where none do.
        var slot: Int32 = -1
        var continuing: Int64 = 0
        var late = Timestamp.distantPast
    }

    let calendar: NoiseCalendar
    private let load: Load
    /// Told of rows whose state cannot be read.
    private let damaged: (_ device: UInt32, _ span: NoiseSpan, _ bucket: Timestamp) -> Void
    /// Memory that clean buckets may keep, in bytes.
    private let budgetBytes: Int
    /// A reading this much later than the end of a bucket revises it.
    let allowanceMilliseconds: Int64

    /// Buckets that begin before this stay as they are: for a rebuild of what came later.
    public var firstBucket = Timestamp.distantPast

    let pool = NoisePool()
    private let places = SlotTable()
    // Grown by doubling, freed in deinit.
    private var nodes: UnsafeMutablePointer<NoiseAccumulator>
    private var capacity = 256
    private var count = 0
    private var live = 0
    private var free: [Int32] = []
    /// Dirty buckets, oldest change first, from `queueHead` on.
    private var queue: [Int32] = []
    private var queueHead = 0
    private var hand = 0
    /// By series.
    private var apart: [Apart] = []
    /// Spans of long readings by slot and part (0 the bucket itself); rare.
    private var long: [Int64: TimeSpans] = [:]
    private var writer = NoiseStateWriter()

    /// Of the minute that is merged next.
    var gain = NoiseGain()
    /// What the minute that is being merged covered before its gain, and with it; as of ``cover(before:after:)``.
    private var coveredBefore = TimeSpans(), coveredAfter = TimeSpans()

    public init(
        zone: LocalZone, boundaries: NoiseBoundaries = NoiseBoundaries(), budgetBytes: Int = 40 << 20,
        allowanceMilliseconds: Int64 = 600_000, load: @escaping Load,
        damaged: @escaping (_ device: UInt32, _ span: NoiseSpan, _ bucket: Timestamp) -> Void = { _, _, _ in }
    ) {
        calendar = NoiseCalendar(zone: zone, boundaries: boundaries)
        self.load = load
        self.damaged = damaged
        self.budgetBytes = budgetBytes
        self.allowanceMilliseconds = allowanceMilliseconds
        unsafe nodes = .allocate(capacity: capacity)
    }

    deinit { unsafe nodes.deallocate() }

    // MARK: Finding

    /// −1 for a bucket that is not to be touched.
    private func slot(_ series: UInt32, _ span: NoiseSpan, _ bucket: Timestamp, _ end: Timestamp) -> Int32 {
        if bucket < firstBucket { return -1 }
        let known = places[NoiseAccumulator.key(series, span, bucket)]
        if known >= 0 {
            unsafe nodes[Int(known)].isUsed = true
            return known
        }
        return make(series, span, bucket, end)
    }

    private func slot(_ series: UInt32, _ span: NoiseSpan, _ minute: Timestamp, width: Int64) -> Int32 {
        let start = minute.bucketStart(widthMilliseconds: width)
        return slot(series, span, start, start + width)
    }

    @inline(never)
    private func make(_ series: UInt32, _ span: NoiseSpan, _ bucket: Timestamp, _ end: Timestamp) -> Int32 {
        let slot: Int32
        if let freed = free.popLast() {
            slot = freed
        } else {
            if count == capacity {
                let larger = UnsafeMutablePointer<NoiseAccumulator>.allocate(capacity: capacity * 2)
                unsafe larger.update(from: nodes, count: count)
                unsafe nodes.deallocate()
                unsafe nodes = larger
                capacity *= 2
            }
            slot = Int32(count)
            count += 1
        }
        live += 1
        let node = unsafe nodes + Int(slot)
        unsafe node.initialize(to: NoiseAccumulator(series: series, span: span, bucket: bucket, end: end))
        if span == .day {
            unsafe node.pointee.parts = unsafe pool.take(NoiseAccumulator.partBytes)
            for part in 0..<NoisePeriod.count { unsafe node.pointee.withPart(part) { $0 = NoiseSums() } }
        }
        places.insert(NoiseAccumulator.key(series, span, bucket), slot)
        if let stored = load(series >> 1, series & 1 == 1, span, bucket) { restore(slot, from: stored) }
        return slot
    }

    private func restore(_ slot: Int32, from stored: StoredNoiseBucket) {
        let node = unsafe nodes + Int(slot)
        var reader = NoiseStateReader(stored.state)
        func sums(_ part: Int) -> NoiseSums {
            let (sums, spans) = unsafe reader.sums(from: node.pointee.bucket)
            if !spans.isEmpty {
                unsafe node.pointee.hasLong = true
                long[Int64(slot) << 3 | Int64(part)] = spans
            }
            return sums
        }
        unsafe node.pointee.sums = sums(0)
        let parts = reader.number()
        if parts != (unsafe node.pointee.span == .day ? Int64(NoisePeriod.count) : 0) || reader.isDamaged {
            return unsafe damaged(node.pointee.series >> 1, node.pointee.span, node.pointee.bucket)
        }
        for part in 0..<Int(parts) {
            let value = sums(part + 1)
            unsafe node.pointee.withPart(part) { $0 = value }
        }
        unsafe reader.histogram(into: &node.pointee.histogram, pool: pool)
        unsafe node.pointee.samples = stored.samples
        if stored.samples > 0 {
            unsafe node.pointee.lmax = stored.lmaxMillidecibels
            unsafe node.pointee.lmin = stored.lminMillidecibels
        }
        unsafe node.pointee.revised = stored.revised ?? .distantPast
        unsafe node.pointee.input = stored.input
        let all = unsafe node.pointee.sums
        let agree = unsafe node.pointee.histogram.total == UInt64(all.total) && (all.energy == 0) == (all.total == 0)
        if reader.isDamaged || !reader.isAtEnd || !agree {
            unsafe damaged(node.pointee.series >> 1, node.pointee.span, node.pointee.bucket)
        }
    }

    // MARK: Adding a minute

    /// The buckets that a minute is part of, by slot: the four spans, and the day before where the minute belongs to its
    /// night; −1 where it does not.
    struct Targets: BitwiseCopyable {
        var slots: InlineArray<5, Int32> = .init(repeating: -1)
        /// Periods of the day and of the day before that hold the minute, a bit each.
        var periods: UInt8 = 0
        var periodsBefore: UInt8 = 0
        /// The end of the first value that the minute has a part in: of the date or one of its periods.
        var end = Timestamp.distantPast
        var endBefore = Timestamp.distantPast
        /// The ten minutes stand apart: the others have no slot here.
        var areApart = false

        init() {}
        init(apart: Int32) {
            slots[0] = apart
            areApart = true
        }

        /// With one of the slots alone.
        func only(_ index: Int) -> Targets {
            var one = self
            for other in 0..<5 where other != index { one.slots[other] = -1 }
            return one
        }
    }

    /// The buckets that a minute is added to now. Where its ten minutes are new they stand apart: this minute and those that
    /// follow are added to them alone, and the coarser buckets get all of it at once (``settle(_:)``). They are dirty from the
    /// beginning, so that a start knows what their rows may miss, and stay in memory.
    func bucketsToAdd(_ series: UInt32, _ minute: Timestamp, since: Int64) -> Targets {
        while apart.count <= Int(series) { apart.append(Apart()) }
        let start = minute.bucketStart(widthMilliseconds: 600_000)
        let known = apart[Int(series)].slot
        if known >= 0, unsafe nodes[Int(known)].bucket == start {
            unsafe nodes[Int(known)].isUsed = true
            return Targets(apart: known)
        }
        let wasThere = places[NoiseAccumulator.key(series, .tenMinutes, start)] >= 0
        let all = allBuckets(series, minute)
        let tenMinutes = all.slots[0]
        guard !wasThere, tenMinutes >= 0, unsafe nodes[Int(tenMinutes)].input == 0, !needsSpans(all) else { return all }
        let day = calendar.day(containing: minute)
        if day.hasBoundary(in: start, start + 600_000) || calendar.day(day.day + -1).hasBoundary(in: start, start + 600_000) {
            return all
        }
        settle(series)
        apart[Int(series)].slot = tenMinutes
        for index in 0..<5 where all.slots[index] >= 0 { markDirty(all.slots[index], since: since) }
        return Targets(apart: tenMinutes)
    }

    /// Adds the ten minutes of a series that stand apart to the coarser buckets: before others stand apart in their place, one of
    /// the coarser is written, a long reading comes to them, or they leave memory.
    private func settle(_ series: UInt32) {
        guard Int(series) < apart.count, apart[Int(series)].slot >= 0 else { return }
        let known = apart[Int(series)]
        apart[Int(series)] = Apart()
        let node = unsafe nodes[Int(known.slot)]
        var delta = NoiseDelta()
        delta.energy = node.sums.energy
        delta.total = node.sums.total
        delta.coveredGain = node.sums.coveredByShort
        delta.beginning = node.samples - known.continuing
        delta.continuing = known.continuing
        delta.lmax = node.lmax
        delta.lmin = node.lmin
        delta.late = known.late
        var targets = allBuckets(series, node.bucket)
        targets.slots[0] = -1
        add(delta, from: node.bucket, to: targets) { $0.add(node.histogram, pool: pool) }
    }

    /// The buckets that a minute is part of.
    func allBuckets(_ series: UInt32, _ minute: Timestamp) -> Targets {
        var targets = Targets()
        targets.slots[0] = slot(series, .tenMinutes, minute, width: 600_000)
        targets.slots[1] = slot(series, .twentyMinutes, minute, width: 1_200_000)
        targets.slots[2] = slot(series, .hour, minute, width: 3_600_000)
        let day = calendar.day(containing: minute)
        targets.slots[3] = slot(series, .day, day.start, day.end)
        targets.periods = day.periods(at: minute)
        let before = calendar.day(day.day + -1)
        targets.periodsBefore = before.periods(at: minute)
        targets.end = day.firstEnd(of: targets.periods, orAt: day.end)
        targets.endBefore = before.firstEnd(of: targets.periodsBefore, orAt: before.lastEnd)
        if targets.periodsBefore != 0 { targets.slots[4] = slot(series, .day, before.start, before.end) }
        return targets
    }

    /// Whether long readings cover one of the buckets: then the minute's covered time must be told (``cover(before:after:)``).
    func needsSpans(_ targets: Targets) -> Bool {
        if long.isEmpty { return false }
        for index in 0..<5 where targets.slots[index] >= 0 {
            if unsafe nodes[Int(targets.slots[index])].hasLong { return true }
        }
        return false
    }

    /// What the minute that is merged next covered before its gain, and covers now.
    func cover(before: TimeSpans, after: TimeSpans) { (coveredBefore, coveredAfter) = (before, after) }

    /// Adds what a minute has gained, with its levels in ``gain``, to its buckets.
    /// - Parameter since: every reading up to this input stands in the rows already.
    func merge(_ delta: NoiseDelta, minute: Timestamp, into targets: Targets, since: Int64) {
        add(delta, from: minute, to: targets) { $0.add(gain, pool: pool) }
        for index in 0..<5 where targets.slots[index] >= 0 { markDirty(targets.slots[index], since: since) }
        if targets.areApart {
            let node = unsafe nodes[Int(targets.slots[0])]
            if minute == node.bucket { apart[Int(node.series)].continuing += delta.continuing }
            apart[Int(node.series)].late = max(apart[Int(node.series)].late, delta.late)
        }
        gain.removeAll()
    }

    /// - Parameter start: of the stretch of time that the gain belongs to.
    @inline(__always)
    private func add(_ delta: NoiseDelta, from start: Timestamp, to targets: Targets, histogram: (inout NoiseHistogram) -> Void) {
        for index in 0..<5 where targets.slots[index] >= 0 {
            let slot = targets.slots[index]
            let node = unsafe nodes + Int(slot)
            if index < 4 {
                unsafe node.pointee.sums.add(delta)
                unsafe node.pointee.samples += delta.beginning + (start == node.pointee.bucket ? delta.continuing : 0)
                unsafe node.pointee.lmax = unsafe max(node.pointee.lmax, delta.lmax)
                unsafe node.pointee.lmin = unsafe min(node.pointee.lmin, delta.lmin)
                unsafe histogram(&node.pointee.histogram)
                unsafe revise(node, at: delta.late, end: index == 3 ? targets.end : node.pointee.end)
                if unsafe node.pointee.hasLong { addBoth(slot, part: 0) }
            }
            if index >= 3 {
                let periods = index == 3 ? targets.periods : targets.periodsBefore
                for part in 0..<NoisePeriod.count where periods >> UInt8(part) & 1 == 1 {
                    unsafe node.pointee.withPart(part) { $0.add(delta) }
                    if unsafe node.pointee.hasLong { addBoth(slot, part: part + 1) }
                }
                if index == 4 { unsafe revise(node, at: delta.late, end: targets.endBefore) }
            }
        }
    }

    private func revise(_ node: UnsafeMutablePointer<NoiseAccumulator>, at late: Timestamp, end: Timestamp) {
        if late >= end + allowanceMilliseconds, unsafe late > node.pointee.revised { unsafe node.pointee.revised = late }
    }

    private func withSums(_ slot: Int32, part: Int, _ body: (inout NoiseSums) -> Void) {
        if part == 0 {
            unsafe body(&nodes[Int(slot)].sums)
        } else {
            unsafe nodes[Int(slot)].withPart(part - 1, body)
        }
    }

    /// What the minute's gain and the long readings both cover.
    private func addBoth(_ slot: Int32, part: Int) {
        guard let spans = long[Int64(slot) << 3 | Int64(part)] else { return }
        let gain = coveredAfter.overlap(with: spans) - coveredBefore.overlap(with: spans)
        withSums(slot, part: part) { $0.coveredByBoth += gain }
    }

    private func markDirty(_ slot: Int32, since: Int64) {
        guard unsafe !nodes[Int(slot)].isDirty else { return }
        unsafe nodes[Int(slot)].isDirty = true
        unsafe nodes[Int(slot)].dirtySince = since
        queue.append(slot)
    }

    // MARK: Adding a reading longer than a minute

    /// Adds a reading to the buckets at least as long as it is, divided by duration where it crosses a boundary.
    /// - Parameters:
    ///   - input: its number; buckets whose row holds it already are passed over.
    ///   - covered: how much of the given spans the shorter readings of the series cover, as far as they are merged.
    func addLong(
        _ reading: borrowing Reading, series: UInt32, clock: Timestamp, input: Int64, since: Int64,
        covered: (TimeSpans) -> Int64
    ) {
        settle(series)
        let level = reading.values[NoiseValue.laeq]
        let millidecibels = NoiseMath.millidecibels(level)
        let units = NoiseMath.units(millidecibels: millidecibels)
        let late = reading.isBackfill ? clock : .distantPast
        let period = Int64(reading.periodMilliseconds)

        func add(_ slot: Int32, part: Int, _ start: Timestamp, _ end: Timestamp, bucketEnd: Timestamp) {
            let key = Int64(slot) << 3 | Int64(part)
            unsafe nodes[Int(slot)].hasLong = true
            let gained = long[key, default: TimeSpans()].insert(start, end)
            withSums(slot, part: part) {
                $0.energy &+= units &* UInt128(end - start)
                $0.total += end - start
                $0.coveredByLong += gained.milliseconds
                if $0.coveredByShort > 0 && !gained.isEmpty { $0.coveredByBoth += covered(gained) }
            }
            unsafe revise(nodes + Int(slot), at: late, end: bucketEnd)
            markDirty(slot, since: since)
        }

        for span in NoiseSpan.allCases {
            var at = reading.ts
            while at < reading.end {
                let bucket = calendar.bucket(span, containing: at)
                let end = min(reading.end, bucket.end)
                defer { at = end }
                guard bucket.end - bucket.start >= period else { continue }
                let slot = slot(series, span, bucket.start, bucket.end)
                guard slot >= 0, unsafe nodes[Int(slot)].input < input else { continue }
                add(slot, part: 0, at, end, bucketEnd: bucket.end)
                let node = unsafe nodes + Int(slot)
                unsafe node.pointee.samples += 1
                unsafe node.pointee.lmax = unsafe max(
                    node.pointee.lmax, reading.value(NoiseValue.lmax).map(NoiseMath.millidecibels) ?? millidecibels)
                unsafe node.pointee.lmin = unsafe min(
                    node.pointee.lmin, reading.value(NoiseValue.lmin).map(NoiseMath.millidecibels) ?? millidecibels)
                unsafe node.pointee.histogram.add(
                    bin: NoiseMath.bin(millidecibels: millidecibels), milliseconds: UInt64(end - at), pool: pool)
            }
        }
        var day = calendar.day(calendar.day(containing: reading.ts).day + -1)
        while day.start < reading.end {
            for part in 0..<NoisePeriod.count {
                let start = max(reading.ts, day.starts[part])
                let end = min(reading.end, day.ends[part])
                guard start < end, day.ends[part] - day.starts[part] >= period else { continue }
                let slot = slot(series, .day, day.start, day.end)
                guard slot >= 0, unsafe nodes[Int(slot)].input < input else { continue }
                add(slot, part: part + 1, start, end, bucketEnd: day.ends[part])
            }
            day = calendar.day(day.day + 1)
        }
    }

    /// The input up to which a bucket's row holds everything.
    func input(of slot: Int32) -> Int64 { unsafe nodes[Int(slot)].input }

    // MARK: Writing

    /// Buckets that differ from their rows.
    public var dirtyCount: Int { queue.count - queueHead }
    /// Every reading up to this input stands in the rows; nil where all do.
    public var oldestDirtyInput: Int64? { dirtyCount == 0 ? nil : unsafe nodes[Int(queue[queueHead])].dirtySince }
    /// Memory of the buckets, in bytes.
    public var bytes: Int { pool.bytesOut + live * MemoryLayout<NoiseAccumulator>.stride + places.bytes + dirtyCount * 4 }
    /// So much is not written yet that memory would grow beyond the budget.
    public var isOverBudget: Bool { bytes > budgetBytes && dirtyCount > 256 }

    /// The series of the bucket that has waited longest for its row.
    var oldestDirtySeries: UInt32? { dirtyCount == 0 ? nil : unsafe nodes[Int(queue[queueHead])].series }

    /// Hands over the row that has waited longest, with its state. Everything that belongs to it must be merged.
    /// - Parameter input: number of the last reading of the batch, which the row holds with all before it.
    func writeOldest(input: Int64, _ take: (NoiseBucketRow, Span<UInt8>) throws -> Void) rethrows {
        let slot = queue[queueHead]
        if unsafe nodes[Int(slot)].span != .tenMinutes { unsafe settle(nodes[Int(slot)].series) }
        let node = unsafe nodes + Int(slot)
        encode(slot)
        var row = unsafe NoiseBucketRow(
            span: node.pointee.span, row: node.pointee.row(), milliseconds: node.pointee.end - node.pointee.bucket,
            day: nil, input: input)
        if unsafe node.pointee.span == .day {
            let day = unsafe calendar.day(containing: node.pointee.bucket)
            row.day = NoiseDayLevels(
                { part in unsafe node.pointee.withPart(part) { $0 } }, day: day, boundaries: calendar.boundaries)
        }
        try writer.withBytes { try take(row, $0) }
        unsafe node.pointee.isDirty = false
        unsafe node.pointee.input = input
        queueHead += 1
        if queueHead > 1024 && queueHead * 2 > queue.count || queueHead == queue.count {
            queue.removeFirst(queueHead)
            queueHead = 0
        }
    }

    private func encode(_ slot: Int32) {
        let node = unsafe nodes + Int(slot)
        func write(_ sums: NoiseSums, _ part: Int) {
            writer.sums(sums)
            guard unsafe node.pointee.hasLong, let spans = long[Int64(slot) << 3 | Int64(part)] else { return writer.number(UInt64(0)) }
            unsafe writer.spans(spans, from: node.pointee.bucket)
        }
        writer.begin()
        unsafe write(node.pointee.sums, 0)
        let parts = unsafe node.pointee.span == .day ? NoisePeriod.count : 0
        writer.number(UInt64(parts))
        for part in 0..<parts {
            unsafe write(node.pointee.withPart(part) { $0 }, part + 1)
        }
        unsafe writer.histogram(node.pointee.histogram)
    }

    /// The transaction that holds everything written is committed: buckets may leave memory.
    public func committed() {
        guard bytes > budgetBytes else { return }
        var passes = count * 2
        while passes > 0 && bytes > budgetBytes / 4 * 3 {
            passes -= 1
            hand = hand + 1 < count ? hand + 1 : 0
            let node = unsafe nodes + hand
            guard unsafe node.pointee.isLive && !node.pointee.isDirty else { continue }
            if unsafe node.pointee.isUsed {
                unsafe node.pointee.isUsed = false
                continue
            }
            evict(Int32(hand))
        }
    }

    private func evict(_ slot: Int32) {
        let series = unsafe nodes[Int(slot)].series
        if Int(series) < apart.count && apart[Int(series)].slot == slot { settle(series) }
        let node = unsafe nodes + Int(slot)
        unsafe places.remove(node.pointee.key)
        unsafe node.pointee.histogram.removeAll(pool: pool)
        if let parts = unsafe node.pointee.parts { unsafe pool.give(parts, NoiseAccumulator.partBytes) }
        if unsafe node.pointee.hasLong { for part in 0...NoisePeriod.count { long[Int64(slot) << 3 | Int64(part)] = nil } }
        unsafe node.pointee.isLive = false
        live -= 1
        free.append(slot)
    }
}
