import Telemetry

/// Finds committed readings by device and time without an index in the database.
///
/// Rows of a kind lie in order of commit; a *segment* is a run of them whose earliest and latest `ts` are known. A
/// look-up reads the segments whose span holds the time, once each, into a small hash (kept for the most recently used
/// ones): readings that come in time order need none, late and repeated ones meet the same few segments.
final class IdentityIndex {
    static let segmentRows = 16_384
    private static let cachedSegments = 24

    struct Span {
        var first: Int64
        var last: Int64
        var minTs: Timestamp
        var maxTs: Timestamp
        var rows: Int
        /// The latest `ts` of this span and all before it: where a search from the end may stop.
        var maxTsSoFar: Timestamp
    }

    final class Loaded {
        var ids: [Int64] = []
        var ts: [Timestamp] = []
        var next: [Int32] = []
        var heads: [UInt32: Int32] = [:]
        var times: [Key: Int32] = [:]
        var nextSameTime: [Int32] = []
        var loadedUpTo: Int64 = 0
        var used = 0

        struct Key: Hashable {
            let device: UInt32
            let ts: Timestamp
        }
    }

    private let kind: Kind
    private let connection: Connection
    private let scan: Statement
    var spans: [Span] = []
    var loaded: [Int64: Loaded] = [:]
    private var uses = 0
    /// Of the segment that is being filled.
    private var devices = SegmentDevices()
    private var knowsDevices = false

    init(kind: Kind, connection: Connection) throws(StoreError) {
        self.kind = kind
        self.connection = connection
        scan = try connection.prepare(
            "SELECT id, device, ts FROM \(RawLayout(kind).tableName) WHERE id > ? AND id <= ? ORDER BY id")
    }

    func restore(first: Int64, last: Int64, minTs: Timestamp, maxTs: Timestamp, rows: Int) {
        let before = spans.last?.maxTsSoFar ?? .distantPast
        spans.append(
            Span(first: first, last: last, minTs: minTs, maxTs: maxTs, rows: rows, maxTsSoFar: max(before, maxTs)))
    }

    /// The run that is still being filled, as it must be written when full.
    struct Closed {
        var first: Int64, last: Int64
        var minTs: Timestamp, maxTs: Timestamp
        /// ``SegmentDevices``; nil where a part of the rows was committed before the last start.
        var devices: [UInt8]?
    }

    /// Takes the rows of a batch in, after its commit succeeded or is about to; returns the segment when it became full.
    func append(_ batch: BatchTable) -> Closed? {
        let first = batch[0].id
        var minTs = unsafe batch[0].reading.pointee.ts
        var maxTs = minTs
        let isNew = spans.last.map { $0.rows >= IdentityIndex.segmentRows } ?? true
        if isNew {
            devices.begin(first: first)
            knowsDevices = true
        }
        for index in 0..<batch.count {
            let row = batch[index]
            let ts = unsafe row.reading.pointee.ts
            if ts < minTs { minTs = ts } else if ts > maxTs { maxTs = ts }
            if knowsDevices { unsafe devices.append(id: row.id, device: row.reading.pointee.device) }
        }
        let last = batch[batch.count - 1].id
        if isNew {
            restore(first: first, last: last, minTs: minTs, maxTs: maxTs, rows: batch.count)
        } else {
            let tail = spans[spans.count - 1]
            spans[spans.count - 1].last = last
            spans[spans.count - 1].minTs = min(tail.minTs, minTs)
            spans[spans.count - 1].maxTs = max(tail.maxTs, maxTs)
            spans[spans.count - 1].maxTsSoFar = max(tail.maxTsSoFar, maxTs)
            spans[spans.count - 1].rows += batch.count
        }
        let tail = spans[spans.count - 1]
        guard tail.rows >= IdentityIndex.segmentRows else { return nil }
        return Closed(
            first: tail.first, last: tail.last, minTs: tail.minTs, maxTs: tail.maxTs, devices: knowsDevices ? devices.bytes : nil)
    }

    /// Ids of the committed rows of a device at exactly `ts`.
    func find(device: UInt32, ts: Timestamp, _ body: (Int64) throws(StoreError) -> Bool) throws(StoreError) {
        for position in spans.indices.reversed() {
            if spans[position].maxTsSoFar < ts { return }
            guard spans[position].minTs <= ts && ts <= spans[position].maxTs else { continue }
            let rows = try load(position)
            var index = rows.times[Loaded.Key(device: device, ts: ts)] ?? -1
            while index >= 0 {
                if try !body(rows.ids[Int(index)]) { return }
                index = rows.nextSameTime[Int(index)]
            }
        }
    }

    /// Ids of the committed rows of a device with `from <= ts < to`.
    func find(
        device: UInt32, from: Timestamp, to: Timestamp, _ body: (Int64) throws(StoreError) -> Void
    ) throws(StoreError) {
        for position in spans.indices.reversed() {
            if spans[position].maxTsSoFar < from { return }
            guard spans[position].minTs < to && from <= spans[position].maxTs else { continue }
            let rows = try load(position)
            var index = rows.heads[device] ?? -1
            while index >= 0 {
                if rows.ts[Int(index)] >= from && rows.ts[Int(index)] < to { try body(rows.ids[Int(index)]) }
                index = rows.next[Int(index)]
            }
        }
    }

    private func load(_ position: Int) throws(StoreError) -> Loaded {
        let span = spans[position]
        uses += 1
        let rows: Loaded
        if let known = loaded[span.first] {
            rows = known
        } else {
            if loaded.count >= IdentityIndex.cachedSegments,
                let oldest = loaded.min(by: { $0.value.used < $1.value.used })
            {
                loaded[oldest.key] = nil
            }
            rows = Loaded()
            rows.loadedUpTo = span.first - 1
            loaded[span.first] = rows
        }
        rows.used = uses
        if rows.loadedUpTo < span.last {
            scan.bind(1, rows.loadedUpTo)
            scan.bind(2, span.last)
            while try scan.step() {
                let index = Int32(rows.ids.count)
                let device = UInt32(truncatingIfNeeded: scan.integer(1))
                let ts = Timestamp(milliseconds: scan.integer(2))
                rows.ids.append(scan.integer(0))
                rows.ts.append(ts)
                rows.next.append(rows.heads.updateValue(index, forKey: device) ?? -1)
                let key = Loaded.Key(device: device, ts: ts)
                rows.nextSameTime.append(rows.times.updateValue(index, forKey: key) ?? -1)
            }
            scan.reset()
            rows.loadedUpTo = span.last
        }
        return rows
    }
}
