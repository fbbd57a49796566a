public import Telemetry

/// Packs segments of a raw table into blocks, and reads blocks back, on a connection of its own: any thread, beside the
/// writer. Segments that are old enough to be packed change no more.
public final class HistoryPacker {
    /// Readings in a block at most: who asks for a minute decodes no more than these.
    static let blockRows = 4096

    private let connection: Connection

    public init(path: String) throws(StoreError) { connection = try Connection(path: path, readOnly: true) }

    /// The blocks of these segments, by device. Segments are read in parts, each in a snapshot of its own.
    /// - Returns: nil where the packing was given up, or a device's number has no room in a block's.
    /// - Complexity: O(readings); memory for the compressed bytes and 1.5 KB a device and day.
    public func pack(
        kind: Kind, segments: [HistorySegment], isCancelled: () -> Bool = { false }
    ) throws(StoreError) -> [HistoryBlock]? {
        var open = OpenBlocks()
        var done: [HistoryBlock] = []
        let ahead = ReadAhead(path: connection.path, kind: kind, ranges: segments.map { $0.first...$0.last })
        while let chunk = try ahead.next() {
            if isCancelled() { return nil }
            let rows = chunk.span
            for index in rows.indices {
                guard rows[index].reading.device <= HistoryBlockID.maximumDevice else { return nil }
                if let block = open.add(rows[index]) { done.append(block) }
            }
        }
        done += open.finish()
        done.sort { ($0.device, $0.minTs, $0.maxTs, $0.hash) < ($1.device, $1.minTs, $1.maxTs, $1.hash) }
        return done
    }

    /// Whether the store gives these blocks of a run back, reading for reading; one half of them beside the other.
    public func isEqual(run: Int64, kind: Kind, to blocks: [HistoryBlock]) throws(StoreError) -> Bool {
        let path = connection.path
        let middle = blocks.count / 2
        let (isFirst, isRest) = try together(
            { () throws(StoreError) in try isEqual(run, kind, to: blocks[..<middle], limit: middle) },
            { () throws(StoreError) in try HistoryPacker(path: path).isEqual(run, kind, to: blocks[middle...], limit: -1) })
        return isFirst && isRest
    }

    /// - Parameter limit: of the blocks read; −1 is all that there are.
    private func isEqual(_ run: Int64, _ kind: Kind, to blocks: ArraySlice<HistoryBlock>, limit: Int) throws(StoreError) -> Bool {
        let ids = HistoryBlockID.all(ofRun: run)
        let select = try connection.prepare(
            "SELECT id, rows, hash, bytes FROM history_block WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ? OFFSET ?")
        for (index, value) in [ids.lowerBound, ids.upperBound, Int64(limit), Int64(blocks.startIndex)].enumerated() {
            select.bind(Int32(index + 1), value)
        }
        var next = blocks.startIndex
        while try select.step() {
            guard next < blocks.endIndex else { return false }
            let expected = blocks[next]
            next += 1
            // The expected hash is that of the rows themselves.
            var decoder = BlockDecoder(
                kind: kind, device: HistoryBlockID.device(select.integer(0)), rows: Int(select.integer(1)), hash: expected.hash,
                bytes: select.bytes(3))
            guard HistoryBlockID.device(select.integer(0)) == expected.device, Int(select.integer(1)) == expected.rows,
                UInt64(bitPattern: select.integer(2)) == expected.hash
            else { return false }
            do throws(HistoryDamage) {
                try decoder.readAll()
            } catch {
                return false
            }
        }
        return next == blocks.endIndex
    }
}

/// The blocks that readings still go into, one of each device and day.
private struct OpenBlocks {
    private struct Key: Hashable {
        let device: UInt32
        let day: Int64
    }

    private var keys: [Key] = []
    private var encoders: [BlockEncoder] = []
    private var places: [Key: Int] = [:]
    /// By a device's number: where its reading before went, which is nearly always where the next one goes.
    private var latest: [Int] = []

    /// - Returns: the block, where the reading filled one.
    mutating func add(_ stored: borrowing StoredReadings.Stored) -> HistoryBlock? {
        let key = Key(device: stored.reading.device, day: HistoryBlock.day(stored.reading.ts))
        let device = Int(key.device)
        if device >= latest.count { latest += repeatElement(-1, count: device + 1024 - latest.count) }
        var place = latest[device]
        if place < 0 || keys[place].day != key.day {
            place = places[key] ?? keys.count
            if place == keys.count {
                places[key] = place
                keys.append(key)
                encoders.append(BlockEncoder())
            }
            latest[device] = place
        }
        encoders[place].add(stored)
        guard encoders[place].rows == HistoryPacker.blockRows else { return nil }
        defer { encoders[place] = BlockEncoder() }
        return encoders[place].finish(device: key.device, day: key.day)
    }

    /// What is left in them.
    func finish() -> [HistoryBlock] {
        zip(keys, encoders).filter { $1.rows > 0 }.map { $1.finish(device: $0.device, day: $0.day) }
    }
}

/// A run of rows of a raw table that lie together.
public struct HistorySegment: Sendable, Equatable {
    public var first: Int64, last: Int64
    public var minTs: Timestamp, maxTs: Timestamp
    public var rows: Int
}
