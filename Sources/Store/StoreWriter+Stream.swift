import GRDBSQLite

/// The writer's statements for the stream and its outlets.
struct StreamStatements {
    let event: Statement
    let retain: Statement
    let release: Statement
    let trim: Statement
    let delivered: Statement
    let paused: Statement
    let dead: Statement
    let bury: Statement
    let forget: Statement
    let forgetDead: Statement
    let epoch: Statement

    init(_ connection: Connection) throws(StoreError) {
        event = try connection.prepare(
            "INSERT INTO outbox (topic, retained_topic, is_end, payload, at) VALUES (?,?,?,?,?)")
        retain = try connection.prepare("INSERT OR REPLACE INTO retained VALUES (?,?,?)")
        release = try connection.prepare("DELETE FROM retained WHERE topic = ?")
        trim = try connection.prepare(
            "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox ORDER BY seq LIMIT ?) AND at < ?")
        delivered = try connection.prepare(
            """
            INSERT INTO outlet (name, delivered, at) VALUES (?, ?, \(StreamSchema.nowSQL))
            ON CONFLICT (name) DO UPDATE SET delivered = excluded.delivered, at = excluded.at
            """)
        paused = try connection.prepare(
            """
            INSERT INTO outlet (name, delivered, paused, at) VALUES (?, 0, ?, \(StreamSchema.nowSQL))
            ON CONFLICT (name) DO UPDATE SET paused = excluded.paused
            """)
        dead = try connection.prepare("INSERT OR REPLACE INTO dead_letter VALUES (?,?,?,?,?,?,?)")
        bury = try connection.prepare("DELETE FROM dead_letter WHERE outlet = ? AND seq = ?")
        forget = try connection.prepare("DELETE FROM outlet WHERE name = ?")
        forgetDead = try connection.prepare("DELETE FROM dead_letter WHERE outlet = ?")
        epoch = try connection.prepare(
            "INSERT OR REPLACE INTO stream_epoch VALUES (?, \(StreamSchema.newEpochSQL), \(StreamSchema.nowSQL))")
    }
}

/// The event stream: rows of the outbox, numbered without a gap in the order of their commit.
extension StoreWriter {
    /// Appends to the outbox and keeps the retained state of what is open.
    /// - Returns: the event as it stands there, with its number and its time.
    @discardableResult
    public func append(outbox event: OutboxRow) throws(StoreError) -> OutboxRow {
        var row = event
        row.at = StreamMarker.nowMilliseconds
        let insert = statements.stream.event
        insert.bind(1, row.topic)
        insert.bind(2, row.retainedTopic)
        insert.bind(3, row.isEnd ? 1 : Int64(0))
        insert.bind(4, row.payload)
        insert.bind(5, row.at)
        try insert.run()
        row.sequence = unsafe sqlite3_last_insert_rowid(connection.handle)
        marker.append(row.sequence)
        guard let topic = row.retainedTopic else { return row }
        let retain = row.isEnd ? statements.stream.release : statements.stream.retain
        retain.bind(1, topic)
        if !row.isEnd {
            retain.bind(2, row.sequence)
            retain.bind(3, row.payload)
        }
        try retain.run()
        return row
    }

    /// Takes away events written before `moment` (UTC ms), the oldest first and at most `limit`.
    /// - Returns: how many.
    @discardableResult
    public func trimOutbox(before moment: Int64, limit: Int64 = 500) throws(StoreError) -> Int {
        statements.stream.trim.bind(1, limit)
        statements.stream.trim.bind(2, moment)
        try statements.stream.trim.run()
        return unsafe Int(sqlite3_changes(connection.handle))
    }

    public func write(outlet change: OutletChange) throws(StoreError) {
        switch change {
        case .delivered(let outlet, let sequence): try write(outlet: outlet, delivered: sequence)
        case .paused(let outlet, let reason):
            statements.stream.paused.bind(1, outlet)
            statements.stream.paused.bind(2, reason)
            try statements.stream.paused.run()
        case .dead(let letter):
            let insert = statements.stream.dead
            insert.bind(1, letter.outlet)
            insert.bind(2, letter.sequence)
            insert.bind(3, letter.event)
            insert.bind(4, letter.at)
            insert.bind(5, Int64(letter.attempts))
            insert.bind(6, letter.reason)
            insert.bind(7, letter.payload)
            try insert.run()
        case .buried(let outlet, let sequence):
            statements.stream.bury.bind(1, outlet)
            statements.stream.bury.bind(2, sequence)
            try statements.stream.bury.run()
        case .forgotten(let outlet):
            for statement in [statements.stream.forget, statements.stream.forgetDead] {
                statement.bind(1, outlet)
                try statement.run()
            }
        }
    }

    public func write(outlet name: String, delivered: Int64) throws(StoreError) {
        statements.stream.delivered.bind(1, name)
        statements.stream.delivered.bind(2, delivered)
        try statements.stream.delivered.run()
    }

    /// A new epoch begins where it is not certain that this file numbers on from where it was: a backup was put in its
    /// place, alone or with all files beside it, or on another machine. Numbers that consumers have seen already are then
    /// not used again for other events unnoticed. Who is not ahead of the stream notices nothing, so that doubt is cheap.
    func noticeRestoredBackup() throws(StoreError) {
        let select = try connection.prepare(
            """
            SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0),
              (SELECT epoch FROM stream_epoch ORDER BY first_seq DESC LIMIT 1)
            """)
        guard try select.step() else { return }
        let last = select.integer(0)
        var epoch = select.text(1)
        select.reset()
        if last > 0 && !(marker.isAsLeft && marker.epoch == epoch && marker.sequence <= last) {
            statements.stream.epoch.bind(1, last + 1)
            try statements.stream.epoch.run()
            guard try select.step() else { return }
            epoch = select.text(1)
            select.reset()
        }
        marker.begin(epoch: epoch, sequence: last)
    }
}
