public import Telemetry

/// Where devices were: a bucket has the site, zone and area of its time.
extension StoreWriter {
    /// Keeps where a device was until now, before its row says something else.
    public func write(placeBefore old: Device, until: Timestamp) throws(StoreError) {
        let insert = try connection.prepare(
            """
            INSERT INTO device_period VALUES (
              ?1, coalesce((SELECT max(until) FROM device_period WHERE device = ?1), ?2), ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT DO NOTHING
            """)
        insert.bind(1, Int64(old.number))
        insert.bind(2, Timestamp.distantPast.milliseconds)
        insert.bind(3, until.milliseconds)
        insert.bind(4, old.name)
        insert.bind(5, old.area)
        insert.bind(6, old.site)
        insert.bind(7, old.zone)
        try insert.run()
    }
}

extension Device {
    /// Whether it stands for the same place in reports.
    public func isPlaced(as other: Device) -> Bool { area == other.area && site == other.site && zone == other.zone }
}
