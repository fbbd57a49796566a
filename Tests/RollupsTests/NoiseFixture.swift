import Telemetry

@testable import Rollups

func noise(
    _ ts: Int64, _ level: Double, period: UInt32 = 1000, device: UInt32 = 0, flags: UInt16 = 0
) -> Reading {
    var reading = Reading(kind: .noise, periodMilliseconds: period)
    reading.ts = Timestamp(milliseconds: ts)
    reading.device = device
    reading.set(NoiseValue.laeq, level)
    reading.bits = flags
    return reading
}

/// The noise tables as a store has them, and lives of the rollups on them.
final class NoiseTables {
    struct Key: Hashable, Comparable {
        var span: Int, device: UInt32, isFlagged: Bool, bucket: Timestamp
        static func < (a: Key, b: Key) -> Bool {
            (a.span, a.device, a.isFlagged ? 1 : 0, a.bucket) < (b.span, b.device, b.isFlagged ? 1 : 0, b.bucket)
        }
    }

    let zone: LocalZone
    var boundaries = NoiseBoundaries()
    var budgetBytes = 1 << 20
    /// −1 minutes, then ``NoiseSpan``.
    var rows: [Key: NoiseRow] = [:]
    var days: [Key: NoiseDayLevels] = [:]
    private var states: [Key: StoredNoiseBucket] = [:]
    private(set) var readings: [Reading] = []
    var completeInput: Int64 = 0

    init(zone: LocalZone = .utc) { self.zone = zone }

    private func rollups() -> NoiseMinutes {
        let buckets = NoiseBuckets(
            zone: zone, boundaries: boundaries, budgetBytes: budgetBytes,
            load: { [unowned self] device, isFlagged, span, bucket in
                states[Key(span: Int(span.rawValue), device: device, isFlagged: isFlagged, bucket: bucket)]
            }, damaged: { fatalError("damaged: \($0) \($1) \($2)") })
        let minutes = NoiseMinutes(buckets: buckets, flushedInput: completeInput) { [unowned self] device, from, to, add in
            for (index, reading) in readings.enumerated()
            where reading.device == device && reading.ts < to && reading.end > from { add(Int64(index + 1), reading) }
        }
        for device in 0..<UInt32(3) {
            let newest = readings.filter { $0.device == device }.map(\.ts).max() ?? .distantPast
            minutes.reserve(device: device, newest: newest == .distantPast ? newest : (newest + 60_000).bucketStart(widthMilliseconds: 60_000))
        }
        return minutes
    }

    private func restore(_ minutes: NoiseMinutes) {
        var touched: Set<Key> = []
        let missing = readings.enumerated().filter { Int64($0.offset + 1) > completeInput }
        for (_, reading) in missing where reading.periodMilliseconds <= 60_000 {
            let first = reading.ts.bucketStart(widthMilliseconds: 60_000)
            for bucket in [first, first + 60_000] where reading.end > bucket {
                touched.insert(Key(span: -1, device: reading.device, isFlagged: false, bucket: bucket))
            }
        }
        for key in touched.sorted(by: { $0.bucket < $1.bucket }) {
            minutes.restore(
                device: key.device, bucket: key.bucket,
                readings: readings.enumerated().filter {
                    $0.element.device == key.device && $0.element.periodMilliseconds <= 60_000 && $0.element.ts < key.bucket + 60_000
                        && $0.element.end > key.bucket
                }.map { RestoredNoise($0.element, input: Int64($0.offset + 1), clock: $0.element.received) })
        }
        for (index, reading) in missing where reading.periodMilliseconds > 60_000 {
            minutes.restore(long: reading, input: Int64(index + 1), clock: reading.received)
        }
    }

    /// What was revised stays so, as in the store.
    private func keep(_ row: NoiseRow, _ key: Key) {
        var row = row
        if let before = rows[key]?.revised { row.revised = max(before, row.revised ?? before) }
        rows[key] = row
    }

    /// A life: commits after each of `batches` readings; every third commit begins a pass, and each writes up to `write`
    /// rows. `killed` ends without the last flush.
    func run(_ input: [Reading], batches: [Int] = [.max], write: Int = 1 << 30, killed: Bool = false) {
        let minutes = rollups()
        restore(minutes)
        var left = input[...]
        var commits = 0
        func commit(_ batch: [Reading], begins: Bool, rows most: Int?) {
            let count = Int64(readings.count + batch.count)
            if begins { minutes.beginFlush(input: count) }
            minutes.flush(
                rows: most, input: count,
                minute: { keep($0, Key(span: -1, device: $0.device, isFlagged: $0.isFlagged, bucket: $0.bucket)) },
                bucket: { bucket, state in
                    let key = Key(
                        span: Int(bucket.span.rawValue), device: bucket.row.device, isFlagged: bucket.row.isFlagged,
                        bucket: bucket.row.bucket)
                    keep(bucket.row, key)
                    days[key] = bucket.day
                    states[key] = StoredNoiseBucket(
                        samples: bucket.row.samples, lmaxMillidecibels: bucket.row.lmaxMillidecibels,
                        lminMillidecibels: bucket.row.lminMillidecibels, revised: bucket.row.revised, input: bucket.input,
                        state: state.withUnsafeBufferPointer(Array.init))
                })
            readings += batch
            completeInput = min(count, max(completeInput, minutes.completeInput))
            minutes.committed()
        }
        while !left.isEmpty {
            let size = min(batches[commits % batches.count], left.count)
            let batch = Array(left.prefix(size))
            left = left.dropFirst(size)
            for reading in batch { minutes.add(reading, clock: reading.received) }
            commits += 1
            commit(batch, begins: commits % 3 == 0, rows: write)
        }
        if !killed { commit([], begins: true, rows: nil) }
    }

    /// All rows of a span in order, as text that differs where anything does.
    func lines() -> [String] {
        rows.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value) \(days[$0.key].map { "\($0)" } ?? "")" }
    }

    func row(_ span: Int, _ bucket: Int64, device: UInt32 = 0, isFlagged: Bool = false) -> NoiseRow? {
        rows[Key(span: span, device: device, isFlagged: isFlagged, bucket: Timestamp(milliseconds: bucket))]
    }

    func day(_ bucket: Int64) -> NoiseDayLevels? {
        days[Key(span: 3, device: 0, isFlagged: false, bucket: Timestamp(milliseconds: bucket))]
    }
}
