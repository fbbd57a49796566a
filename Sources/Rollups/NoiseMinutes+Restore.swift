public import Telemetry

/// A reading of at most a minute as a start reads it back: what the minutes need of it.
public struct RestoredNoise: BitwiseCopyable, Sendable {
    public var input: Int64
    var ts: Timestamp
    var end: Timestamp
    /// The clock at which it came, where it is late.
    var late: Timestamp
    var level: Int32, lmax: Int32, lmin: Int32
    var series: UInt32

    public init(_ reading: borrowing Reading, input: Int64, clock: Timestamp) {
        self.input = input
        ts = reading.ts
        end = reading.end
        late = reading.isBackfill ? clock : .distantPast
        level = NoiseMath.millidecibels(reading.values[NoiseValue.laeq])
        lmax = reading.value(NoiseValue.lmax).map(NoiseMath.millidecibels) ?? level
        lmin = reading.value(NoiseValue.lmin).map(NoiseMath.millidecibels) ?? level
        series = NoiseMinutes.series(reading)
    }
}

extension NoiseMinutes {
    /// Rebuilds a minute from all of the device's readings that touch it, in the order of their inputs, so that the next
    /// flush writes it, and gives each coarser bucket those that its row does not hold. For the start after a kill.
    public func restore(device: UInt32, bucket: Timestamp, readings: [RestoredNoise]) {
        reserve(device: device, newest: bucket)
        for series in [device << 1, device << 1 | 1] {
            let own = readings.filter {
                $0.series == series && $0.ts < bucket + NoiseMinutes.widthMilliseconds && $0.end > bucket
            }
            if own.isEmpty { continue }
            let slot = insert(series, bucket)
            for reading in own {
                append(reading.ts, reading.end, level: reading.level, lmax: reading.lmax, lmin: reading.lmin, to: slot)
            }
            if fillsBuckets { mergeMissing(own, slot, series, bucket) }
            finishRestore(slot, late: own.reduce(.distantPast) { $1.input > flushedInput ? max($0, $1.late) : $0 })
        }
    }

    /// Adds to each coarser bucket what its row does not hold: readings behind its input.
    private func mergeMissing(_ readings: [RestoredNoise], _ slot: Int32, _ series: UInt32, _ bucket: Timestamp) {
        let targets = buckets.allBuckets(series, bucket)
        for index in 0..<5 where targets.slots[index] >= 0 {
            let input = buckets.input(of: targets.slots[index])
            let known = readings.firstIndex { $0.input > input } ?? readings.count
            if known == readings.count { continue }
            let before = spans(slot, count: Int32(known))
            let after = spans(slot, count: Int32(readings.count))
            var delta = NoiseDelta()
            for position in known..<readings.count {
                let reading = readings[position]
                let start = max(reading.ts, bucket)
                let duration = min(reading.end, bucket + NoiseMinutes.widthMilliseconds) - start
                delta.energy &+= NoiseMath.units(millidecibels: reading.level) &* UInt128(duration)
                delta.total += duration
                if reading.ts < bucket { delta.continuing += 1 } else { delta.beginning += 1 }
                delta.lmax = max(delta.lmax, reading.lmax)
                delta.lmin = min(delta.lmin, reading.lmin)
                delta.late = max(delta.late, reading.late)
                buckets.gain.add(millidecibels: reading.level, milliseconds: UInt16(duration))
            }
            delta.coveredGain = after.milliseconds - before.milliseconds
            buckets.cover(before: before, after: after)
            buckets.merge(delta, minute: bucket, into: targets.only(index), since: flushedInput)
        }
    }

    /// A reading longer than a minute that a start has found behind the last complete input; after all minutes.
    public func restore(long reading: borrowing Reading, input: Int64, clock: Timestamp) {
        reserve(device: reading.device)
        addLong(reading, series: NoiseMinutes.series(reading), clock: clock, input: input)
    }
}
