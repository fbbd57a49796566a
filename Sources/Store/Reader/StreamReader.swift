import Synchronization

/// Events behind a place of the stream.
public struct StreamPage: Sendable {
    public var rows: [OutboxRow]
    /// The numbers asked for that are no longer kept.
    public var gone: ClosedRange<Int64>?
}

/// What an outlet sees of the stream as a whole.
public struct StreamBounds: Sendable, Equatable {
    /// The oldest and the newest event; the oldest is one more than the newest where there is none.
    public var first: Int64, last: Int64
    public var epochs: [EpochMark]
}

/// Reads the outbox on a connection of its own, a page in a snapshot each. Any thread; one call at a time.
public final class StreamReader: Sendable {
    /// A page holds at most so many events and, but for its last one, so many bytes of payload.
    public static let pageEvents = 1000, pageBytes = 1 << 20

    private struct Parts: ~Copyable {
        let connection: Connection
        let page: Statement
        let bounds: Statement
    }

    private let parts: Mutex<Parts>

    public init(path: String) throws(StoreError) {
        let connection = try Connection(path: path, readOnly: true)
        let page = try connection.prepare(
            "SELECT seq, topic, retained_topic, is_end, payload, at FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?")
        let bounds = try connection.prepare(
            """
            SELECT (SELECT min(seq) FROM outbox), (SELECT max(seq) FROM outbox),
              (SELECT seq FROM sqlite_sequence WHERE name = 'outbox')
            """)
        parts = Mutex(Parts(connection: connection, page: page, bounds: bounds))
    }

    public func page(after sequence: Int64, limit: Int = pageEvents) throws(StoreError) -> StreamPage {
        let result: Result<StreamPage, StoreError> = parts.withLock { parts in
            do throws(StoreError) { return .success(try StreamReader.read(parts.page, after: sequence, limit: limit)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private static func read(_ select: Statement, after sequence: Int64, limit: Int) throws(StoreError) -> StreamPage {
        defer { select.reset() }
        select.bind(1, sequence)
        select.bind(2, Int64(max(1, min(limit, pageEvents))))
        var page = StreamPage(rows: [], gone: nil)
        var bytes = 0
        while bytes < pageBytes, try select.step() {
            let row = OutboxRow(
                sequence: select.integer(0), at: select.integer(5), topic: select.text(1), payload: select.text(4),
                retainedTopic: select.isNull(2) ? nil : select.text(2), isEnd: select.integer(3) != 0)
            bytes += row.payload.utf8.count
            if page.rows.isEmpty && row.sequence > sequence + 1 { page.gone = (sequence + 1)...(row.sequence - 1) }
            page.rows.append(row)
        }
        return page
    }

    public func bounds() throws(StoreError) -> StreamBounds {
        let result: Result<StreamBounds, StoreError> = parts.withLock { parts in
            do throws(StoreError) { return .success(try StreamReader.bounds(parts.connection, parts.bounds)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private static func bounds(_ connection: Connection, _ select: Statement) throws(StoreError) -> StreamBounds {
        defer { select.reset() }
        _ = try select.step()
        let last = max(select.integer(1), select.integer(2))
        let first = select.isNull(0) ? last + 1 : select.integer(0)
        var epochs: [EpochMark] = []
        let marks = try connection.prepare("SELECT first_seq, epoch FROM stream_epoch ORDER BY first_seq")
        while try marks.step() { epochs.append(EpochMark(firstSequence: marks.integer(0), epoch: marks.text(1))) }
        return StreamBounds(first: first, last: last, epochs: epochs)
    }

    /// What is to be retained now, and the last event of which it knows.
    public func retained() throws(StoreError) -> (last: Int64, rows: [RetainedRow]) {
        let result: Result<(Int64, [RetainedRow]), StoreError> = parts.withLock { parts in
            do throws(StoreError) { return .success(try StreamReader.retained(parts.connection)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private static func retained(_ connection: Connection) throws(StoreError) -> (Int64, [RetainedRow]) {
        // One statement is one snapshot.
        let select = try connection.prepare(
            """
            SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0), topic, seq, payload FROM retained
            UNION ALL SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0), NULL, 0, ''
            """)
        var last: Int64 = 0
        var rows: [RetainedRow] = []
        while try select.step() {
            last = select.integer(0)
            if select.isNull(1) { continue }
            rows.append(RetainedRow(topic: select.text(1), sequence: select.integer(2), payload: select.text(3)))
        }
        return (last, rows)
    }

    /// Outlets and cursors, by name.
    public func outlets() throws(StoreError) -> [OutletRow] {
        try list("SELECT name, delivered, paused, at FROM outlet ORDER BY name", []) { select in
            OutletRow(
                name: select.text(0), delivered: select.integer(1), paused: select.isNull(2) ? nil : select.text(2),
                at: select.integer(3))
        }
    }

    /// Dead letters of an outlet, oldest first.
    public func deadLetters(outlet: String, after sequence: Int64 = 0, limit: Int = 100) throws(StoreError) -> [DeadLetter] {
        try list(
            """
            SELECT outlet, seq, event, at, attempts, reason, payload FROM dead_letter
            WHERE outlet = ?1 AND seq > CAST(?2 AS INTEGER) ORDER BY seq LIMIT CAST(?3 AS INTEGER)
            """, [outlet, String(sequence), String(limit)]
        ) { select in
            DeadLetter(
                outlet: select.text(0), sequence: select.integer(1), event: select.text(2), at: select.integer(3),
                attempts: Int(select.integer(4)), reason: select.text(5), payload: select.text(6))
        }
    }

    /// Dead letters by outlet.
    public func deadLetterCounts() throws(StoreError) -> [String: Int] {
        let rows = try list("SELECT outlet, count(*) FROM dead_letter GROUP BY outlet", []) { ($0.text(0), Int($0.integer(1))) }
        return Dictionary(rows, uniquingKeysWith: +)
    }

    private func list<Row: Sendable>(
        _ sql: String, _ arguments: [String], _ row: @Sendable (borrowing Statement) -> Row
    ) throws(StoreError) -> [Row] {
        let result: Result<[Row], StoreError> = parts.withLock { parts in
            do throws(StoreError) {
                let select = try parts.connection.prepare(sql)
                for (index, argument) in arguments.enumerated() { select.bind(Int32(index + 1), argument) }
                var rows: [Row] = []
                while try select.step() { rows.append(row(select)) }
                return .success(rows)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
