import Dispatch
import Synchronization
public import Telemetry

/// Rows of a raw table, read on a thread and a connection of their own ahead of who asks for them: reading takes as long as
/// most of what is done with readings. The rows must not change meanwhile. One thread asks.
public final class ReadAhead {
    /// Numbers of rows that are read at once, and chunks that wait to be asked for, 11 MB at most: so many, because who asks is
    /// now and then busy with what came before.
    private static let chunkRows = 4096, waiting = 16

    private let queue: ChunkQueue

    /// - Parameter ranges: of the rows' numbers, ascending; each is read in snapshots of its own.
    init(path: String, kind: Kind, ranges: [ClosedRange<Int64>]) {
        let queue = ChunkQueue(capacity: ReadAhead.waiting)
        self.queue = queue
        BackgroundThread {
            do throws(StoreError) {
                try ReadAhead.read(path, kind, ranges, into: queue)
                queue.put(.success(nil))
            } catch {
                queue.put(.failure(error))
            }
        }.start()
    }

    deinit { queue.giveUp() }

    /// Some of the rows that follow, in the order of their numbers; nil behind the last.
    public func next() throws(StoreError) -> [StoredReadings.Stored]? { try queue.take().get() }

    private static func read(
        _ path: String, _ kind: Kind, _ ranges: [ClosedRange<Int64>], into queue: ChunkQueue
    ) throws(StoreError) {
        let connection = try Connection(path: path, readOnly: true)
        let layout = RawLayout(kind)
        let select = try connection.prepareHandingOver(layout.columns, "\(layout.tableName) WHERE id BETWEEN ? AND ?")
        for range in ranges {
            for first in stride(from: range.lowerBound, through: range.upperBound, by: chunkRows) where !queue.isGivenUp {
                select.bind(1, first)
                select.bind(2, min(range.upperBound, first + Int64(chunkRows) - 1))
                var outcome = Result<Void, StoreError>.success(())
                // No more rows than numbers.
                let rows = unsafe [StoredReadings.Stored](unsafeUninitializedCapacity: chunkRows) { rows, count in
                    outcome = Result { () throws(StoreError) in
                        try connection.forEachRow(select) { row in
                            unsafe rows.initializeElement(at: count, to: RawRow.decode(kind, row))
                            count += 1
                        }
                    }
                }
                try outcome.get()
                if !rows.isEmpty { queue.put(.success(rows)) }
            }
        }
    }
}

/// Chunks from one thread to another.
private final class ChunkQueue: Sendable {
    typealias Chunk = Result<[StoredReadings.Stored]?, StoreError>

    private let chunks = Mutex<[Chunk]>([])
    private let givenUp = Atomic<Bool>(false)
    // Each counts up from zero, as libdispatch wants it when they go.
    private let full = DispatchSemaphore(value: 0), room = DispatchSemaphore(value: 0)

    init(capacity: Int) { for _ in 0..<capacity { room.signal() } }

    var isGivenUp: Bool { givenUp.load(ordering: .relaxed) }

    /// Nobody takes any more.
    func giveUp() {
        givenUp.store(true, ordering: .relaxed)
        room.signal()
    }

    /// Waits for room; nothing where nobody takes.
    func put(_ chunk: Chunk) {
        if isGivenUp { return }
        room.wait()
        chunks.withLock { $0.append(chunk) }
        full.signal()
    }

    func take() -> Chunk {
        full.wait()
        defer { room.signal() }
        return chunks.withLock { $0.removeFirst() }
    }
}

extension StoreWriter {
    /// All committed rows of a kind.
    public func readAhead(kind: Kind) throws(StoreError) -> ReadAhead {
        let table = RawLayout(kind).tableName
        let ends = try connection.prepare("SELECT (SELECT min(id) FROM \(table)), (SELECT max(id) FROM \(table))")
        let all = try ends.step() && !ends.isNull(0) ? [ends.integer(0)...ends.integer(1)] : []
        return ReadAhead(path: path, kind: kind, ranges: all)
    }
}
