import Telemetry

/// Reads compact history on a connection: what of it has taken the place of rows, and no more.
struct HistoryReader {
    /// A run whose rows have gone up to `gone`.
    struct Run {
        var run: Int64
        var kind: Kind
        var first: Int64, gone: Int64
        var minTs: Timestamp, maxTs: Timestamp
    }

    /// A block that cannot be read.
    struct Damaged: Hashable {
        var kind: Kind
        var device: UInt32
        var day: Int64
    }

    private let connection: Connection

    init(_ connection: Connection) { self.connection = connection }

    /// By the numbers of their readings.
    func runs(kind: Kind? = nil, from: Timestamp = .distantPast, to: Timestamp? = nil) throws(StoreError) -> [Run] {
        let select = try connection.prepare(
            """
            SELECT run, kind, first_id, gone_id, min_ts, max_ts FROM history_run
            WHERE is_verified AND gone_id >= first_id AND max_ts >= ? AND min_ts < ? ORDER BY first_id
            """)
        select.bind(1, from.milliseconds)
        select.bind(2, to?.milliseconds ?? .max)
        var runs: [Run] = []
        while try select.step() {
            guard let of = Kind(rawValue: UInt8(truncatingIfNeeded: select.integer(1))), kind == nil || kind == of else { continue }
            runs.append(
                Run(
                    run: select.integer(0), kind: of, first: select.integer(2), gone: select.integer(3),
                    minTs: Timestamp(milliseconds: select.integer(4)), maxTs: Timestamp(milliseconds: select.integer(5))))
        }
        return runs
    }

    /// The readings of a run in the order of their numbers; without `damaged` a block that cannot be read is an error.
    func readings(of run: Run, damaged: ((Damaged) -> Void)? = nil) throws(StoreError) -> RunReadings {
        var all = RunReadings(last: run.gone)
        try blocks(of: run, ids: HistoryBlockID.all(ofRun: run.run), from: .distantPast, to: nil, damaged) { all.add($0) }
        return all
    }

    /// The readings of a device (nil: of all) with `from <= ts < to`, block by block.
    func forEach(
        in run: Run, device: UInt32?, from: Timestamp, to: Timestamp?, damaged: @escaping (Damaged) -> Void,
        _ body: (StoredReadings.Stored) -> Void
    ) throws(StoreError) {
        let ids = device.map { HistoryBlockID.all(ofRun: run.run, device: $0) } ?? HistoryBlockID.all(ofRun: run.run)
        try blocks(of: run, ids: ids, from: from, to: to, damaged) { decoder in
            var readings = BlockReadings(decoder)
            while let stored = readings.first {
                if stored.input <= run.gone && stored.reading.ts >= from && to.map({ stored.reading.ts < $0 }) ?? true { body(stored) }
                readings.advance()
            }
        }
    }

    /// Blocks that cannot be read.
    func damage(in run: Run) throws(StoreError) -> [Damaged] {
        var found: [Damaged] = []
        try blocks(of: run, ids: HistoryBlockID.all(ofRun: run.run), from: .distantPast, to: nil, { found.append($0) }, { _ in })
        return found
    }

    /// Readings of a run whose blocks are not there at all.
    func missing(in run: Run) throws(StoreError) -> Int64 {
        let ids = HistoryBlockID.all(ofRun: run.run)
        let select = try connection.prepare(
            """
            SELECT rows - (SELECT coalesce(sum(rows), 0) FROM history_block WHERE id BETWEEN ?2 AND ?3) FROM history_run WHERE run = ?1
            """)
        select.bind(1, run.run)
        select.bind(2, ids.lowerBound)
        select.bind(3, ids.upperBound)
        return try select.step() ? select.integer(0) : 0
    }

    /// Each block that could be read to its end.
    private func blocks(
        of run: Run, ids: ClosedRange<Int64>, from: Timestamp, to: Timestamp?, _ damaged: ((Damaged) -> Void)?,
        _ body: (BlockDecoder) -> Void
    ) throws(StoreError) {
        let select = try connection.prepare(
            """
            SELECT id, day, rows, hash, bytes FROM history_block WHERE id BETWEEN ? AND ? AND max_ts >= ? AND min_ts < ?
            ORDER BY id
            """)
        select.bind(1, ids.lowerBound)
        select.bind(2, ids.upperBound)
        select.bind(3, from.milliseconds)
        select.bind(4, to?.milliseconds ?? .max)
        while try select.step() {
            let device = HistoryBlockID.device(select.integer(0))
            let decoder = BlockDecoder(
                kind: run.kind, device: device, rows: Int(select.integer(2)), hash: UInt64(bitPattern: select.integer(3)),
                bytes: select.bytes(4))
            if decoder.isWell {
                body(decoder)
            } else if let damaged {
                damaged(Damaged(kind: run.kind, device: device, day: select.integer(1)))
            } else {
                throw StoreError(
                    .damaged, path: connection.path,
                    detail: "compact history of device number \(device) on day \(select.integer(1)) since 1970; 'patrol db verify' names it")
            }
        }
    }
}

extension BlockDecoder {
    /// Whether it can be read to its end and holds what was written.
    var isWell: Bool {
        var copy = self
        do {
            try copy.readAll()
            return true
        } catch {
            return false
        }
    }
}

/// The readings of a block that is well, one after the other.
private struct BlockReadings {
    private var decoder: BlockDecoder
    private(set) var first: StoredReadings.Stored?

    init(_ decoder: BlockDecoder) {
        self.decoder = decoder
        advance()
    }

    mutating func advance() { first = try? decoder.next() }
}

/// The blocks of a run merged.
struct RunReadings {
    private let last: Int64
    private var blocks: [BlockReadings] = []
    private var heap = MergeHeap()

    fileprivate init(last: Int64) { self.last = last }

    fileprivate mutating func add(_ decoder: BlockDecoder) {
        blocks.append(BlockReadings(decoder))
        push(blocks.count - 1)
    }

    private mutating func push(_ index: Int) {
        if let input = blocks[index].first?.input, input <= last { heap.push(input, index) }
    }

    mutating func next() -> StoredReadings.Stored? {
        guard let index = heap.pop() else { return nil }
        let stored = blocks[index].first
        blocks[index].advance()
        push(index)
        return stored
    }
}

/// The least number first.
private struct MergeHeap {
    private var items: [(key: Int64, value: Int)] = []

    mutating func push(_ key: Int64, _ value: Int) {
        items.append((key, value))
        var child = items.count - 1
        while child > 0, items[child].key < items[(child - 1) / 2].key {
            items.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop() -> Int? {
        guard let top = items.first else { return nil }
        let last = items.removeLast()
        if !items.isEmpty {
            items[0] = last
            var parent = 0
            while true {
                var least = parent
                for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && items[child].key < items[least].key {
                    least = child
                }
                if least == parent { break }
                items.swapAt(parent, least)
                parent = least
            }
        }
        return top.value
    }
}
