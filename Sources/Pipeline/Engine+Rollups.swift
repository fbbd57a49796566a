import Rollups
import Store
import Telemetry

extension Engine {
    /// The rollups on a store. Closures cannot throw: a failing read is kept and fails the batch.
    static func makeMinutes(
        _ options: EngineOptions, _ rollups: RollupOptions, _ store: StoreWriter, _ stored: StoredReadings,
        flushedInput: Int64, _ failure: LoadFailure
    ) -> NoiseMinutes {
        let buckets = NoiseBuckets(
            zone: rollups.zone, boundaries: rollups.boundaries, budgetBytes: options.rollupBytes,
            allowanceMilliseconds: options.backfillAllowanceMilliseconds,
            load: { device, isFlagged, span, bucket in
                do throws(StoreError) {
                    let record = try store.noiseState(
                        span: Int(span.rawValue), device: device, isFlagged: isFlagged, bucket: bucket)
                    return record.map {
                        StoredNoiseBucket(
                            samples: $0.samples, lmaxMillidecibels: Int32(truncatingIfNeeded: $0.lmax),
                            lminMillidecibels: Int32(truncatingIfNeeded: $0.lmin), revised: $0.revised, input: $0.input,
                            state: $0.state)
                    }
                } catch {
                    failure.error = error
                    return nil
                }
            },
            damaged: { device, span, bucket in
                failure.error = StoreError(
                    .damaged, path: store.path,
                    detail: "the \(span) of device \(device) from \(bucket.rfc3339()) in the noise tables cannot be read")
            })
        return NoiseMinutes(buckets: buckets, fillsBuckets: options.fillsBuckets, flushedInput: flushedInput) { device, from, to, add in
            do throws(StoreError) {
                try stored.find(kind: .noise, device: device, from: from + -NoiseMinutes.widthMilliseconds, to: to) {
                    if $0.input <= failure.loadLimit { add($0.input, $0.reading) }
                }
            } catch {
                failure.error = error
            }
        }
    }

    /// Writes the minutes that are over, and goes on with the pass over everything else.
    /// - Parameter rows: at most so many; nil is all.
    func writeRollups(rows: Int?, input: Int64) throws(StoreError) {
        do {
            try minutes.flush(
                rows: rows, input: input, minute: { try store.write(noiseMinute: NoiseRecord($0)) },
                bucket: { bucket, bytes in
                    try store.write(
                        noise: NoiseRecord(bucket.row), span: Int(bucket.span.rawValue), input: bucket.input, state: bytes,
                        day: bucket.day.map { day in
                            (bucket.milliseconds,
                             [day.ld, day.ln, day.ldn, day.lden, day.ldCoverage, day.lnCoverage, day.ldenCoverage])
                        })
                })
        } catch let error as StoreError {
            throw error
        } catch {
            preconditionFailure("the store throws StoreError only: \(error)")
        }
        if let error = failure.error { throw error }
    }

    /// How many rows of the rollups a commit of so many readings writes: so few that no alert waits long for them, so many
    /// that a pass ends in time; more where memory is short.
    func rollupRows(readings: Int) -> Int {
        if isEnding { return Engine.rowsBeforeTheEnd }
        if minutes.buckets.isOverBudget { return max(1000, 2 * readings) }
        return readings == 0 ? 200 : 2 + max(readings / 3, minutes.backlog / 2000)
    }

    private static let rowsBeforeTheEnd = 20_000

    /// So much is to be written that the end should not do it in one transaction, which holds all of it in memory.
    var hasManyRollups: Bool { minutes.backlog > Engine.rowsBeforeTheEnd }

    /// A pass over the rollups goes on with the next commit.
    var isFlushing: Bool { minutes.isFlushing }

    /// Remembers in the store what its rows are computed with.
    func keep(_ rollups: RollupOptions) throws(StoreError) {
        guard try store.rollupSetting() != rollups.setting else { return }
        try store.begin()
        try store.write(rollupSetting: rollups.setting)
        try store.commit()
    }

    /// What is not rolled up now is at the next start.
    func askForRebuild() throws(StoreError) {
        try store.begin()
        try store.requestRollupRebuild(from: .distantPast)
        try store.commit()
    }

    // MARK: Start

    /// What a start finds behind the last complete input.
    struct PendingNoise {
        var minutes: Set<Minute> = []
        var long: [(input: Int64, reading: Reading, clock: Timestamp)] = []
        /// The clock as the readings moved it (exact where it is the moment of arrival).
        var clock = Timestamp.distantPast
        var clocks: [Int64: Timestamp] = [:]
        /// Vehicles and cameras: moments whose hours must be looked at again.
        var tracks: [Kind: [UInt32: Set<Timestamp>]] = [:]

        struct Minute: Hashable {
            let device: UInt32
            let bucket: Timestamp
        }

        mutating func note(_ input: Int64, _ reading: borrowing Reading, _ kind: EngineOptions.Clock) {
            clock.follow(reading, kind)
            if reading.kind != .noise {
                tracks[reading.kind, default: [:]][reading.device, default: []].insert(
                    reading.ts.bucketStart(widthMilliseconds: 900_000))
                return
            }
            let width = NoiseMinutes.widthMilliseconds
            if reading.periodMilliseconds > UInt32(width) { return long.append((input, copy reading, clock)) }
            if reading.isBackfill { clocks[input] = clock }
            let first = reading.ts.bucketStart(widthMilliseconds: width)
            minutes.insert(Minute(device: reading.device, bucket: first))
            if reading.end > first + width { minutes.insert(Minute(device: reading.device, bucket: first + width)) }
        }
    }

    /// Computes again the hours of vehicles and cameras that may miss readings, and those that go on: their devices'
    /// newest readings lie less than two hours back.
    func restoreTracks(_ pending: PendingNoise) throws(StoreError) {
        var hours = pending.tracks
        for number in 0..<table.count where table.devices[number].kind != .noise {
            let newest = unsafe table.entries[number].newestTs
            guard newest != .distantPast else { continue }
            tracks.reserve(UInt32(number), kind: table.devices[number].kind, newest: newest)
            if state.clock - newest < 2 * 3_600_000 {
                hours[table.devices[number].kind, default: [:]][UInt32(number), default: []].insert(newest)
            }
        }
        let from = try store.trackRebuildFrom()
        if from == nil && hours.isEmpty { return }
        try store.begin()
        if let from, state.input > 0 {
            try store.deleteTracks(from: from)
            try tracks.restoreAll(from: from)
        } else {
            try tracks.restore(hours)
        }
        if from != nil { try store.finishTrackRebuild() }
        try store.commit()
    }

    var hasUnflushedRollups: Bool { minutes.hasUnflushed || tracks.hasUnflushed }

    /// Rebuilds what is not in its rows yet.
    func restoreRollups(_ pending: PendingNoise) throws(StoreError) {
        let width = NoiseMinutes.widthMilliseconds
        let buckets = Set(pending.minutes.map(\.bucket)).sorted()
        var found: [PendingNoise.Minute: [RestoredNoise]] = [:]
        try store.readings(
            kind: .noise,
            inParts: { from, to in
                let earliest = from + -width
                let index = buckets.partition { $0 > earliest }
                return index < buckets.count && buckets[index] <= to + width
            },
            { input, reading in
                guard reading.periodMilliseconds <= UInt32(width) else { return }
                let first = reading.ts.bucketStart(widthMilliseconds: width)
                for bucket in [first, first + width] where reading.end > bucket {
                    let minute = PendingNoise.Minute(device: reading.device, bucket: bucket)
                    guard pending.minutes.contains(minute) else { continue }
                    found[minute, default: []].append(
                        RestoredNoise(reading, input: input, clock: pending.clocks[input] ?? .distantPast))
                }
            })
        // The newest of a device is looked for first: what comes in order of time finds its place at once.
        for (minute, readings) in found.sorted(by: { ($0.key.bucket, $0.key.device) < ($1.key.bucket, $1.key.device) }) {
            minutes.restore(device: minute.device, bucket: minute.bucket, readings: readings)
        }
        for (input, reading, clock) in pending.long { minutes.restore(long: reading, input: input, clock: clock) }
    }
}

extension Timestamp {
    /// Moves the engine's clock as a reading that is read back did when it came.
    mutating func follow(_ reading: borrowing Reading, _ kind: EngineOptions.Clock) {
        switch kind {
        case .wall: self = reading.received
        case .recorded: self = max(self, reading.received)
        case .readings: self = max(self, reading.ts)
        }
    }
}

extension NoiseRecord {
    fileprivate init(_ row: NoiseRow) {
        let isEmpty = row.samples == 0
        self.init(
            bucket: row.bucket, device: row.device, isFlagged: row.isFlagged,
            leq: isEmpty ? nil : Int64((row.leq * 1000).rounded()), lmax: isEmpty ? nil : Int64(row.lmaxMillidecibels),
            lmin: isEmpty ? nil : Int64(row.lminMillidecibels),
            percentiles: [
                row.percentiles.l5, row.percentiles.l10, row.percentiles.l50, row.percentiles.l90, row.percentiles.l95,
            ], coveredMilliseconds: row.coveredMilliseconds, samples: row.samples, revised: row.revised)
    }
}

extension Array {
    /// Index of the first element of a sorted array for which `isBehind` holds.
    fileprivate func partition(_ isBehind: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
