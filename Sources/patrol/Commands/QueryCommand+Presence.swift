import Foundation
import Settings
import Store
import Telemetry

/// What is computed from the readings when it is asked for.
extension QueryCommand {
    func fences(_ reader: StoreReader, since: Int64?, until: Int64?, _ format: OutputFormat, _ timezone: TimeZone) throws {
        guard let world = try options.settings()?.world, !world.fences.all.isEmpty else {
            throw Exit.fail("fences are those of the settings: give --config patrol.yaml with 'fences'", Exit.settings)
        }
        let (period, zone) = try presence(reader, since, until)
        var devices = try Exit.onStoreFailure {
            try reader.rows("SELECT id, site, area FROM device WHERE kind = 'vehicle' ORDER BY id").rows
        }
        if let device {
            devices = devices.filter { $0[0].text == device }
            if devices.isEmpty { try explainMissing(device, reader) }
        }
        if let site = rollups.site { devices = devices.filter { $0[1].text == site } }
        if let area = rollups.area { devices = devices.filter { $0[2].text.hasPrefix(area) } }
        let found = try Exit.onStoreFailure {
            try FenceTimes.read(reader, period: period, zone: zone, fences: world.fences, devices: devices.map { $0[0].text })
        }
        let rows = Array(FenceTimes.rows(found).prefix(limit))
        RowPrinter(columns: FenceTimes.columns, format: format, timezone: timezone).print(rows)
        if rows.isEmpty && format == .table { Output.line("(no vehicle was in a fence in this period)") }
    }

    func duty(_ reader: StoreReader, since: Int64?, until: Int64?, _ format: OutputFormat, _ timezone: TimeZone) throws {
        let (period, zone) = try presence(reader, since, until)
        let world = try options.settings()?.world
        let report = try Exit.onStoreFailure { try DutyReport.read(reader, period: period, zone: zone, world: world) }
        let rows = Array(report.rows(forPeople: format == .table).prefix(limit))
        RowPrinter(columns: DutyReport.columns, format: format, timezone: timezone).print(rows)
        if rows.isEmpty && format == .table { Output.line("(there are no units: name units.csv in the settings)") }
        if let edge = report.edge, format == .table { Output.line("(readings before \(zone.day(edge).text) are no longer there)") }
    }

    private func presence(_ reader: StoreReader, _ since: Int64?, _ until: Int64?) throws -> (LocalPeriod, LocalZone) {
        if rollups.step != nil { throw Exit.fail("fences and duty have no --step", Exit.usage) }
        let period = try range(reader, since: since, until: until, Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)))
        let setting = try Exit.onStoreFailure { try reader.rollupSetting() }
        guard let zone = LocalZone(identifier: setting.zone) else {
            throw Exit.fail("this system knows no time zone '\(setting.zone)'", Exit.settings)
        }
        return (period, zone)
    }
}
