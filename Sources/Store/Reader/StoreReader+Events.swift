public import Telemetry

/// What consumers call an alert's rule, as the last event of the rule said it.
public struct RuleTitle: Sendable, Equatable {
    public var english: String, chinese: String
    /// Of the alert's value: `dB(A)`, `km/h`, `%`; empty where there is none.
    public var unit: String
}

/// A place for the map: degrees, WGS-84.
public struct DevicePosition: Sendable, Equatable {
    public var kind: String, device: String, name: String
    public var lat: Double, lon: Double
    /// Nil for a device that does not move.
    public var at: Timestamp?
}

/// Counts for a glance.
public struct StoreSummary: Sendable, Equatable {
    public var received: Int64 = 0, stored: Int64 = 0, duplicate: Int64 = 0, rejected: Int64 = 0, dropped: Int64 = 0
    public var devices: Int64 = 0, alertsFiring: Int64 = 0, alerts: Int64 = 0, tasks: Int64 = 0
}

extension StoreReader {
    /// Titles by rule, from the newest events.
    public func ruleTitles() throws(StoreError) -> [String: RuleTitle] {
        var titles: [String: RuleTitle] = [:]
        for row in try rows(
            """
            SELECT json_extract(payload, '$.data.rule'), json_extract(payload, '$.data.title.en'),
              json_extract(payload, '$.data.title.zh'), json_extract(payload, '$.data.unit')
            FROM outbox WHERE retained_topic IS NOT NULL ORDER BY seq DESC LIMIT 2000
            """
        ).rows where titles[row[0].text] == nil {
            titles[row[0].text] = RuleTitle(english: row[1].text, chinese: row[2].text, unit: row[3].text)
        }
        return titles
    }

    /// Where devices are: the registered places, and the newest fixes of what moves among the last 5000 readings of
    /// each kind.
    public func positions() throws(StoreError) -> [DevicePosition] {
        var found: [DevicePosition] = []
        for row in try rows("SELECT kind, id, name, lat, lon FROM device WHERE lat IS NOT NULL AND lon IS NOT NULL LIMIT 5000").rows {
            found.append(
                DevicePosition(
                    kind: row[0].text, device: row[1].text, name: row[2].text, lat: row[3].double, lon: row[4].double, at: nil))
        }
        for kind in Kind.allCases where kind.description.field(named: "lat") != nil {
            let table = "\(kind.name)_raw"
            for row in try rows(
                """
                SELECT d.id, d.name, r.lat, r.lon, max(r.ts) FROM \(table) r JOIN device d ON d.number = r.device
                WHERE r.id > (SELECT coalesce(max(id), 0) - 5000 FROM \(table)) AND r.lat IS NOT NULL GROUP BY r.device
                """
            ).rows {
                found.append(
                    DevicePosition(
                        kind: kind.name, device: row[0].text, name: row[1].text, lat: row[2].double, lon: row[3].double,
                        at: Timestamp(milliseconds: row[4].integer)))
            }
        }
        return found
    }

    public func summary() throws(StoreError) -> StoreSummary {
        let row = try rows(
            """
            SELECT sum(received), sum(stored), sum(duplicate), sum(rejected), sum(dropped), (SELECT count(*) FROM device),
              (SELECT count(*) FROM alert WHERE state = 'firing' AND state <> 'resolved'),
              (SELECT count(*) FROM alert WHERE state <> 'pending'), (SELECT count(*) FROM task) FROM message_count
            """
        ).rows[0].map(\.integer)
        return StoreSummary(
            received: row[0], stored: row[1], duplicate: row[2], rejected: row[3], dropped: row[4], devices: row[5],
            alertsFiring: row[6], alerts: row[7], tasks: row[8])
    }
}
