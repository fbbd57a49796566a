/// The writer's prepared statements, one a table.
struct WriterStatements {
    let device: Statement
    let deviceGateway: Statement
    let devicePage: Statement
    let segment: Statement
    let segmentDevices: Statement
    let engineState: Statement
    let clock: Statement
    let count: Statement
    let reject: Statement
    let rejectCap: Statement
    let alert: Statement
    let alertDelete: Statement
    let alertEvent: Statement
    let stream: StreamStatements

    init(_ connection: Connection) throws(StoreError) {
        device = try connection.prepare(
            """
            INSERT INTO device (number, kind, id, gateway, name, area, site, zone, lat, lon, team, tags, registered_at)
            VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)
            ON CONFLICT (number) DO UPDATE SET gateway = excluded.gateway, name = excluded.name, area = excluded.area,
              site = excluded.site, zone = excluded.zone, lat = excluded.lat, lon = excluded.lon,
              team = excluded.team, tags = excluded.tags
            """)
        deviceGateway = try connection.prepare("UPDATE device SET gateway = ? WHERE number = ?")
        devicePage = try connection.prepare("INSERT OR REPLACE INTO device_page VALUES (?,?)")
        segment = try connection.prepare("INSERT OR REPLACE INTO raw_segment VALUES (?,?,?,?,?)")
        segmentDevices = try connection.prepare("INSERT OR REPLACE INTO segment_devices VALUES (?,?)")
        engineState = try connection.prepare(
            "UPDATE engine_state SET clock = ?, input = ?, checkpoint_input = ?, minutes_input = ?")
        clock = try connection.prepare(
            "INSERT OR REPLACE INTO server_clock (only, correction, at, boot, wall_offset, dispatch) VALUES (1,?,?,?,?,?)")
        count = try connection.prepare(
            """
            UPDATE message_count SET received = received + ?, stored = stored + ?, duplicate = duplicate + ?,
              rejected = rejected + ?, dropped = dropped + ? WHERE kind = ?
            """)
        reject = try connection.prepare(
            "INSERT INTO reject (received, gateway, topic, device, field, reason, payload) VALUES (?,?,?,?,?,?,?)")
        rejectCap = try connection.prepare("DELETE FROM reject WHERE id <= (SELECT max(id) FROM reject) - ?")
        alert = try connection.prepare("INSERT OR REPLACE INTO alert VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)")
        alertDelete = try connection.prepare("DELETE FROM alert WHERE id = ? AND state = 'pending'")
        alertEvent = try connection.prepare(
            "INSERT INTO alert_event (alert_id, state, at, value, clock) VALUES (?,?,?,?,?)")
        stream = try StreamStatements(connection)
    }
}
