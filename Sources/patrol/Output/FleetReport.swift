import Foundation
import Reports
import Rollups
import Settings
import Store
import Telemetry

/// Vehicles in a period: what they drove, stood and where.
struct FleetReport {
    struct Vehicle {
        var id: String, name: String?
        var metres = 0.0, moving = 0.0, idling = 0.0, stopped = 0.0
        var maximum: Double?
        var days = 0, stops = 0, fixes = 0, spikes = 0
        /// Hours in each fence, by its id.
        var fences: [String: Double] = [:]
    }

    var vehicles: [Vehicle] = []
    /// Kilometres of all of them, day by day.
    var days: [(day: LocalDay, kilometres: Double)] = []
    var fences: [String] = []

    static func read(
        _ reader: StoreReader, period: LocalPeriod, zone: LocalZone, world: World?, device: String?, area: String?
    ) throws -> FleetReport {
        var query = RollupQuery(.vehicle, step: .day, from: period.from, to: period.to, limit: 1_000_000)
        (query.device, query.area) = (device, area)
        let names = Dictionary(
            try reader.rows("SELECT id, name FROM device WHERE kind = 'vehicle'").rows.map { ($0[0].text, $0[1]) }, uniquingKeysWith: { $1 })
        var vehicles: [String: Vehicle] = [:]
        var days: [LocalDay: Double] = [:]
        for row in try reader.rollupRows(query) {
            let id = row["device"].text
            var vehicle = vehicles[id] ?? Vehicle(id: id, name: names[id].flatMap { $0 == .null ? nil : $0.text })
            let metres = row.real("distance_m") ?? 0
            vehicle.metres += metres
            vehicle.moving += row.real("moving_s") ?? 0
            vehicle.idling += row.real("idling_s") ?? 0
            vehicle.stopped += row.real("stopped_s") ?? 0
            if let maximum = row.real("max_kmh") { vehicle.maximum = max(vehicle.maximum ?? 0, maximum) }
            if metres > 0 { vehicle.days += 1 }
            vehicle.fixes += Int(row["fixes"].integer)
            vehicle.spikes += Int(row["spikes"].integer)
            vehicles[id] = vehicle
            days[zone.day(Timestamp(milliseconds: row["bucket"].integer)), default: 0] += metres / 1000
        }
        query.collection = .stops
        for row in try reader.rollupRows(query) { vehicles[row["device"].text]?.stops += 1 }
        var report = FleetReport()
        if let fences = world?.fences, !fences.all.isEmpty {
            report.fences = fences.all.map(\.id)
            let found = try FenceTimes.read(reader, period: period, zone: zone, fences: fences, devices: Array(vehicles.keys))
            for visit in found { vehicles[visit.device]?.fences[visit.fence, default: 0] += visit.hours }
        }
        report.vehicles = vehicles.values.sorted { ($1.metres, $0.id) < ($0.metres, $1.id) }
        report.days = days.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        return report
    }

    static let columns = [
        "device", "name", "km", "days", "moving_h", "idling_h", "stopped_h", "mean_kmh", "max_kmh", "stops", "fixes", "spikes",
    ]
    static let headings: View.Headings = [
        "device": ("vehicle", "车辆"), "name": ("name", "名称"), "km": ("km", "里程 km"), "days": ("days driven", "出车天数"),
        "moving_h": ("moving h", "行驶 h"), "idling_h": ("idling h", "怠速 h"), "stopped_h": ("stopped h", "停车 h"), "mean_kmh": ("mean km/h", "均速"),
        "max_kmh": ("max km/h", "最高"), "stops": ("stops", "停车次数"), "fixes": ("fixes", "定位数"), "spikes": ("left out", "剔除"),
    ]

    var allColumns: [String] { Self.columns + fences.map { "fence_\($0)_h" } }

    func rows(forPeople: Bool) -> [[StoreValue]] {
        vehicles.map { vehicle in
            func number(_ value: Double?, _ decimals: Int = 1) -> StoreValue {
                guard let value else { return .null }
                return forPeople ? .text(String(format: "%.\(decimals)f", value)) : .real((value * 1000).rounded() / 1000)
            }
            let head: [StoreValue] = [.text(vehicle.id), vehicle.name.map(StoreValue.text) ?? .null, number(vehicle.metres / 1000), .integer(Int64(vehicle.days))]
            let times = [vehicle.moving, vehicle.idling, vehicle.stopped].map { number($0 / 3600) }
            let mean = vehicle.moving > 0 ? vehicle.metres * 3.6 / vehicle.moving : nil
            return head + times + [
                number(mean), number(vehicle.maximum, 0), .integer(Int64(vehicle.stops)), .integer(Int64(vehicle.fixes)), .integer(Int64(vehicle.spikes)),
            ] + fences.map { number(vehicle.fences[$0] ?? 0) }
        }
    }

    func html(title: String, _ language: ReportLanguage, _ period: LocalPeriod, _ zone: LocalZone, fenceNames: [String: String]) -> String {
        var page = Page(title: title, language: language)
        page.facts([
            (language("Period", "统计时段"), "\(zone.day(period.from).text) – \(zone.day(period.to + -1).text)"), (language("Time zone", "时区"), zone.identifier),
            (language("Vehicles", "车辆数"), "\(vehicles.count)"),
            (language("Distance", "总里程"), String(format: "%.1f km", vehicles.reduce(0) { $0 + $1.metres } / 1000)),
        ])
        if vehicles.isEmpty {
            page.paragraph(language("No vehicle sent a position in this period.", "该时段没有车辆定位数据。"))
            return page.html
        }
        page.figure(
            Bars.svg(days.suffix(62).map { ($0.day.text, $0.kilometres) }, label: language("Distance by day", "逐日里程")) { String(format: "%.1f km", $0) },
            caption: language("Distance of all vehicles by day", "全部车辆逐日里程"))
        page.figure(
            Bars.svg(vehicles.prefix(30).map { ($0.name ?? $0.id, $0.metres / 1000) }, label: language("Distance by vehicle", "各车里程")) { String(format: "%.1f km", $0) },
            caption: vehicles.count > 30 ? language("Distance of the thirty that drove most", "里程最多的 30 辆") : language("Distance by vehicle", "各车里程"))
        page.heading(language("Vehicles", "车辆明细"))
        page.table(
            heads: Self.columns.map { Self.headings[$0].map { language($0.0, $0.1) } ?? $0 },
            rows: rows(forPeople: true).map { $0.prefix(Self.columns.count).map(NoiseReport.shown) }, textColumns: [0, 1])
        let visited = fences.filter { id in vehicles.contains { ($0.fences[id] ?? 0) > 0 } }
        if !visited.isEmpty {
            page.heading(language("Hours in fences", "围栏内时长（小时）"))
            page.table(
                heads: [Self.headings["device"].map { language($0.0, $0.1) }!] + visited.map { fenceNames[$0] ?? $0 },
                rows: vehicles.filter { !$0.fences.isEmpty }.map { vehicle in
                    [vehicle.name ?? vehicle.id] + visited.map { vehicle.fences[$0].map { String(format: "%.1f", $0) } ?? "–" }
                }, textColumns: [0])
        }
        page.paragraph(
            language(
                "Distance counts movements beyond the accuracy of the fixes (30 m where none was sent), on the WGS-84 ellipsoid: a parked car drives 0 km. Fixes that imply more than 200 km/h are left out.",
                "里程只计超出定位精度（未给出时按 30 米）的移动，按 WGS-84 椭球计算：停放车辆里程为 0。推算速度超过 200 km/h 的定位点不计。"))
        return page.html
    }
}

/// Time in fences, out of the readings.
enum FenceTimes {
    struct Visit { var device: String, fence: String, hours: Double, kilometres: Double, visits: Int }

    static func read(
        _ reader: StoreReader, period: LocalPeriod, zone: LocalZone, fences: Fences, devices: [String]
    ) throws -> [Visit] {
        let scan = PresenceScan(reader: reader, zone: zone) { place in
            var inside: [Int] = []
            if let fixed = FixedPosition(place) { fences.index.forEach(at: fixed) { inside.append($0) } }
            return inside
        }
        let windows = Dictionary(uniqueKeysWithValues: devices.map { ($0, [(from: period.from, until: period.to)]) })
        let found = try scan.run([.vehicle: windows])[.vehicle] ?? [:]
        return found.sorted { $0.key < $1.key }.flatMap { device, fold -> [Visit] in
            let sums = fold.sums[0]
            return sums.inside.keys.sorted().map { number in
                Visit(
                    device: device, fence: fences.all[number].id, hours: Double(sums.inside[number]!) / 3_600_000,
                    kilometres: (sums.metresInside[number] ?? 0) / 1000, visits: sums.visits[number] ?? 0)
            }
        }
    }

    static let columns = ["device", "fence", "hours", "km", "visits"]

    static func rows(_ visits: [Visit]) -> [[StoreValue]] {
        visits.map { [.text($0.device), .text($0.fence), .real($0.hours), .real($0.kilometres), .integer(Int64($0.visits))] }
    }
}
