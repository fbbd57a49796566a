import GRDB
import Telemetry

/// The tables and views of the contract. A table in another physical layout stands behind a view of the contract's
/// name: `noise`, `vehicle` and `bodycam` are views on `*_raw`, whose rows are appended in the order in which they were
/// committed (`id` is that order over all kinds).
enum Schema {
    /// Names of the migrations, oldest first. A store that has others was written by a newer Patrol.
    static var migrator: DatabaseMigrator {
        // No table refers to another by a foreign key: there is nothing to check behind each migration.
        var migrator = DatabaseMigrator().disablingDeferredForeignKeyChecks()
        migrator.registerMigration("1 main path") { db in
            try db.execute(sql: rawTables)
            try db.execute(sql: stateTables)
            try db.execute(sql: alertTables)
            for kind in Kind.allCases {
                try db.execute(sql: RawLayout(kind).viewSQL)
                try db.execute(
                    sql: "INSERT INTO message_count VALUES (?, 0, 0, 0, 0, 0)", arguments: [kind.name])
            }
            try db.execute(sql: "INSERT INTO message_count VALUES ('unknown', 0, 0, 0, 0, 0)")
        }
        migrator.registerMigration("areas") { try $0.execute(sql: StoreWriter.areaTable) }
        migrator.registerMigration("2 device states in pages", migrate: DeviceStatePage.migrate)
        migrator.registerMigration("3 retention") { try $0.execute(sql: StoreWriter.retentionTable) }
        migrator.registerMigration("4 rejects are numbered") { try $0.execute(sql: numberedRejects) }
        registerRollups(&migrator)
        migrator.registerMigration("rules") { try $0.execute(sql: ruleTables) }
        migrator.registerMigration(StreamSchema.migration, migrate: StreamSchema.migrate)
        migrator.registerMigration("actions") { db in try db.execute(sql: actionTables) }
        migrator.registerMigration("dispatch") { db in try db.execute(sql: dispatchTables) }
        migrator.registerMigration("units") { db in try db.execute(sql: unitTables) }
        migrator.registerMigration("ends of alerts") { try $0.execute(sql: ruleEndTable) }
        registerTracks(&migrator)
        migrator.registerMigration("tasks of other systems") { try $0.execute(sql: externalTable) }
        registerSilences(&migrator)
        migrator.registerMigration("leads") { try $0.execute(sql: leadTables) }
        migrator.registerMigration("matters") { try $0.execute(sql: matterColumns) }
        migrator.registerMigration("visits") { try $0.execute(sql: visitTables) }
        migrator.registerMigration("clock over restarts") { try $0.execute(sql: clockColumns) }
        migrator.registerMigration("priority of tasks") { try $0.execute(sql: priorityColumn) }
        registerHistory(&migrator)
        migrator.registerMigration("ids from two gateways") { try $0.execute(sql: contestedColumn) }
        registerWholeMinutes(&migrator)
        migrator.registerMigration("devices of segments") { try $0.execute(sql: "ALTER TABLE raw_segment ADD COLUMN devices BLOB") }
        migrator.registerMigration("devices of segments apart") { try $0.execute(sql: SegmentDevices.migration) }
        return migrator
    }

    private static var rawTables: String {
        Kind.allCases.map { RawLayout($0).tableSQL }.joined(separator: ";\n")
    }

    private static let stateTables = """
        CREATE TABLE device (
          number INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, gateway TEXT NOT NULL,
          name TEXT, area TEXT, site TEXT, zone TEXT, lat REAL, lon REAL, team TEXT, tags TEXT,
          registered_at INTEGER NOT NULL,
          UNIQUE (id, kind));
        CREATE TABLE device_state (
          device INTEGER PRIMARY KEY, newest_ts INTEGER NOT NULL, evaluated_ts INTEGER NOT NULL,
          evaluated_end INTEGER NOT NULL);
        CREATE TABLE raw_segment (
          kind INTEGER NOT NULL, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL,
          min_ts INTEGER NOT NULL, max_ts INTEGER NOT NULL,
          PRIMARY KEY (kind, first_id)) WITHOUT ROWID;
        CREATE TABLE engine_state (
          only INTEGER PRIMARY KEY CHECK (only = 1), clock INTEGER NOT NULL, input INTEGER NOT NULL,
          checkpoint_input INTEGER NOT NULL, minutes_input INTEGER NOT NULL);
        INSERT INTO engine_state VALUES (1, \(Timestamp.distantPast.milliseconds), 0, 0, 0);
        CREATE TABLE message_count (
          kind TEXT PRIMARY KEY, received INTEGER NOT NULL, stored INTEGER NOT NULL, duplicate INTEGER NOT NULL,
          rejected INTEGER NOT NULL, dropped INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE reject (
          received INTEGER NOT NULL, gateway TEXT, topic TEXT, device TEXT, field TEXT, reason TEXT NOT NULL,
          payload TEXT);
        CREATE TABLE noise_minute (
          bucket INTEGER NOT NULL, device INTEGER NOT NULL, leq REAL NOT NULL, lmax REAL NOT NULL, lmin REAL NOT NULL,
          l5 REAL NOT NULL, l10 REAL NOT NULL, l50 REAL NOT NULL, l90 REAL NOT NULL, l95 REAL NOT NULL,
          coverage REAL NOT NULL, samples INTEGER NOT NULL,
          PRIMARY KEY (bucket, device)) WITHOUT ROWID;
        CREATE VIEW noise_1m AS
          SELECT d.id AS device, m.bucket, leq, lmax, lmin, l5, l10, l50, l90, l95, coverage, samples
          FROM noise_minute m JOIN device d ON d.number = m.device;
        """

    /// A number of its own, so that no VACUUM by hand renumbers the rows of a store whose oldest rejects are gone.
    private static let numberedRejects = """
        CREATE TABLE numbered (
          received INTEGER NOT NULL, gateway TEXT, topic TEXT, device TEXT, field TEXT, reason TEXT NOT NULL,
          payload TEXT, id INTEGER PRIMARY KEY);
        INSERT INTO numbered SELECT received, gateway, topic, device, field, reason, payload, rowid FROM reject;
        DROP TABLE reject;
        ALTER TABLE numbered RENAME TO reject;
        """

    private static let alertTables = """
        CREATE TABLE alert (
          id TEXT PRIMARY KEY, rule TEXT NOT NULL, device TEXT NOT NULL, site TEXT, area TEXT NOT NULL,
          severity TEXT NOT NULL, state TEXT NOT NULL, started_at INTEGER NOT NULL, fired_at INTEGER,
          resolved_at INTEGER, value REAL NOT NULL, kind TEXT NOT NULL, device_number INTEGER NOT NULL)
          WITHOUT ROWID;
        CREATE INDEX alert_open ON alert (state) WHERE state <> 'resolved';
        CREATE INDEX alert_fired ON alert (fired_at);
        CREATE TABLE alert_event (
          seq INTEGER PRIMARY KEY AUTOINCREMENT, alert_id TEXT NOT NULL, state TEXT NOT NULL, at INTEGER NOT NULL,
          value REAL NOT NULL, clock INTEGER NOT NULL);
        CREATE INDEX alert_event_alert ON alert_event (alert_id);
        CREATE TABLE task (
          id TEXT PRIMARY KEY, alert_id TEXT, kind TEXT NOT NULL, area TEXT NOT NULL, stage TEXT NOT NULL, unit TEXT,
          created_at INTEGER NOT NULL, respond_due INTEGER NOT NULL, set_out_due INTEGER NOT NULL,
          dispose_due INTEGER NOT NULL) WITHOUT ROWID;
        CREATE INDEX task_alert ON task (alert_id);
        CREATE INDEX task_created ON task (created_at);
        CREATE TABLE task_event (
          seq INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT NOT NULL, stage TEXT NOT NULL, at INTEGER NOT NULL,
          who TEXT NOT NULL, why TEXT);
        CREATE INDEX task_event_task ON task_event (task_id);
        CREATE TABLE outbox (
          seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, retained_topic TEXT, is_end INTEGER NOT NULL,
          payload TEXT NOT NULL);
        CREATE TABLE outlet (name TEXT PRIMARY KEY, delivered INTEGER NOT NULL) WITHOUT ROWID;
        """
}
