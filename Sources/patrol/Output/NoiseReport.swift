import Foundation
import Reports
import Settings
import Store
import Telemetry

/// What a noise report is about: meters and what they measured in a stretch of local time, judged by the limits of their zones.
struct NoiseReport {
    struct Meter {
        var id: String, name: String?, site: String?, zone: String?
        var standard: String?, limit: NoiseLimits.Limit?
        var isConstruction = false
        /// Ten minutes, hours or days, whichever suit the period; hours; days.
        var curve: [LevelPoint] = []
        var hours: [LevelPoint] = []
        var days: [Day] = []
    }

    struct Day {
        var point: LevelPoint
        var ld: LevelPoint, ln: LevelPoint
        var ldn: Double?
    }

    let period: LocalPeriod
    let zone: LocalZone
    let dayStarts: Int64, nightStarts: Int64
    let minimumCoverage: Double
    var meters: [Meter] = []
    var exams: [Stretch] = []

    /// Longer than this a curve of hours says nothing; shorter, ten minutes say more.
    static let longDays: Int64 = 62, shortDays: Int64 = 2
    /// Meters with charts of their own; more are a table.
    static let shownMeters = 12

    static func read(
        _ reader: StoreReader, period: LocalPeriod, world: World?, device: String?, site: String?, area: String?
    ) throws -> NoiseReport {
        let setting = try reader.rollupSetting()
        guard let zone = LocalZone(identifier: setting.zone) else {
            throw StoreError(.otherSettings, path: reader.path, detail: "this system knows no time zone '\(setting.zone)'")
        }
        let minimum = try reader.rows("SELECT min_coverage FROM rollup_setting").rows[0][0].double
        var report = NoiseReport(
            period: period, zone: zone, dayStarts: setting.dayStarts, nightStarts: setting.nightStarts, minimumCoverage: minimum)
        report.exams = (world?.calendars.filter { $0.id.contains("exam") } ?? []).flatMap(\.periods)
            .filter { $0.from < period.to && $0.until > period.from }
            .map { Stretch(from: max($0.from, period.from), until: min($0.until, period.to)) }
        report.exams = Array(Set(report.exams.map { [$0.from, $0.until] })).map { Stretch(from: $0[0], until: $0[1]) }
            .sorted { ($0.from, $0.until) < ($1.from, $1.until) }
        var query = RollupQuery(.noise, step: .day, from: period.from, to: period.to, limit: 1_000_000)
        (query.device, query.site, query.area, query.includesPlace) = (device, site, area, true)
        let judge = Exceedance(
            zone: zone, dayStarts: setting.dayStarts, nightStarts: setting.nightStarts, limits: world?.limits ?? .delivered)
        let construction = Set(world?.sites.all.filter { $0.kind == "construction" }.map(\.id) ?? [])
        var number: [String: Int] = [:]
        let names = Dictionary(
            try reader.rows("SELECT id, name FROM device WHERE kind = 'noise'").rows.map { ($0[0].text, $0[1]) }, uniquingKeysWith: { $1 })
        func meter(_ row: RollupRow) -> Int {
            let id = row["device"].text
            // Moved within the period, it is two.
            let key = [id, row.optional("site") ?? "", row.optional("zone") ?? ""].joined(separator: "\n")
            if let known = number[key] { return known }
            var meter = Meter(id: id, name: names[id].flatMap { $0 == .null ? nil : $0.text }, site: row.optional("site"), zone: row.optional("zone"))
            meter.isConstruction = meter.site.map(construction.contains) ?? false
            if let (standard, limit) = judge.limit(zone: meter.zone, isConstruction: meter.isConstruction) {
                (meter.standard, meter.limit) = (standard, limit)
            }
            number[key] = report.meters.count
            report.meters.append(meter)
            return report.meters.count - 1
        }
        // Few devices are asked one by one: what others have in the range is not read.
        let few = try devices(reader, device: device, site: site, area: area)
        func ask(_ step: RollupQuery.Step) throws -> [RollupRow] {
            query.step = step
            guard let few else { return try reader.rollupRows(query) }
            return try few.flatMap { device in
                query.device = device
                return try reader.rollupRows(query)
            }
        }
        for row in try ask(.day) {
            let index = meter(row)
            report.meters[index].days.append(report.day(row, report.meters[index].limit))
        }
        if number.count <= NoiseReport.shownMeters {
            for row in try ask(.hour) {
                let index = meter(row)
                report.meters[index].hours.append(report.point(row, 3_600_000, report.meters[index].limit))
            }
            let days = (period.to - period.from) / 86_400_000
            if days <= shortDays {
                for row in try ask(.tenMinutes) {
                    let index = meter(row)
                    report.meters[index].curve.append(report.point(row, 600_000, report.meters[index].limit))
                }
            } else if days <= longDays {
                for index in report.meters.indices { report.meters[index].curve = report.meters[index].hours }
            }
        }
        report.meters.sort { ($0.id, $0.days.first?.point.start ?? .distantPast) < ($1.id, $1.days.first?.point.start ?? .distantPast) }
        return report
    }

    /// The meters that are or were at a site or in an area, where they are few; nil: ask for all at once.
    private static func devices(_ reader: StoreReader, device: String?, site: String?, area: String?) throws -> [String]? {
        if let device { return [device] }
        guard site != nil || area != nil else { return nil }
        let column = site != nil ? "site" : "area"
        let ids = try reader.rows(
            """
            SELECT id FROM device WHERE kind = 'noise' AND (substr(\(column), 1, length(?1)) = ?1
              OR number IN (SELECT device FROM device_period WHERE substr(\(column), 1, length(?1)) = ?1)) ORDER BY id
            """, [.text(site ?? area ?? "")]).rows.map { $0[0].text }
        return ids.count <= shownMeters ? ids : nil
    }

    var isLong: Bool { (period.to - period.from) / 86_400_000 > NoiseReport.longDays }

    func isNight(_ moment: Timestamp) -> Bool {
        let clock = zone.local(moment).milliseconds
        return clock < dayStarts || clock >= nightStarts
    }

    private func point(_ row: RollupRow, _ milliseconds: Int64, _ limit: NoiseLimits.Limit?) -> LevelPoint {
        let start = Timestamp(milliseconds: row["bucket"].integer)
        return LevelPoint(
            start: start, milliseconds: milliseconds, leq: row.real("leq"), l10: row.real("l10"), l50: row.real("l50"),
            l90: row.real("l90"), coverage: row.real("coverage") ?? 0, isValid: row["valid"].integer == 1,
            limit: limit.map { isNight(start) ? $0.nightDecibels : $0.dayDecibels })
    }

    private func day(_ row: RollupRow, _ limit: NoiseLimits.Limit?) -> Day {
        let midnight = Timestamp(milliseconds: row["bucket"].integer)
        let date = zone.day(midnight)
        let next = zone.moment(date + 1)
        var whole = point(row, next - midnight, nil)
        whole.limit = nil
        func part(_ name: String, _ from: Timestamp, _ to: Timestamp, _ bound: Double?) -> LevelPoint {
            LevelPoint(
                start: from, milliseconds: to - from, leq: row.real(name), coverage: row.real("\(name)_coverage") ?? 0,
                isValid: row["\(name)_valid"].integer == 1, limit: bound)
        }
        return Day(
            point: whole, ld: part("ld", zone.moment(date, dayStarts), zone.moment(date, nightStarts), limit?.dayDecibels),
            ln: part("ln", zone.moment(date, nightStarts), zone.moment(date + 1, dayStarts), limit?.nightDecibels), ldn: row.real("ldn"))
    }

    var nights: [Stretch] {
        let first = zone.day(period.from)
        return (-1...max(0, zone.day(period.to + -1) - first)).compactMap { offset in
            let from = max(period.from, zone.moment(first + offset, nightStarts))
            let until = min(period.to, zone.moment(first + offset + 1, dayStarts))
            return from < until ? Stretch(from: from, until: until) : nil
        }
    }
}

/// A row of a rollup by the names of its columns.
struct RollupRow {
    let places: [String: Int]
    let values: [StoreValue]

    subscript(name: String) -> StoreValue { places[name].map { values[$0] } ?? .null }
    func optional(_ name: String) -> String? { self[name] == .null ? nil : self[name].text }
    func real(_ name: String) -> Double? { self[name] == .null ? nil : self[name].double }
}

extension StoreReader {
    func rollupRows(_ query: RollupQuery) throws(StoreError) -> [RollupRow] {
        let (columns, rows) = try rollup(query)
        let places = Dictionary(columns.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        return rows.map { RollupRow(places: places, values: $0) }
    }
}

extension NoiseReport.Meter {
    /// Over all days, by energy and covered time; nil where nothing was measured.
    var leq: Double? { energyMean(days.map(\.point)) }
    var ld: Double? { energyMean(days.map(\.ld).filter(\.isValid)) }
    var ln: Double? { energyMean(days.map(\.ln).filter(\.isValid)) }

    private func energyMean(_ points: [LevelPoint]) -> Double? {
        var (energy, time) = (0.0, 0.0)
        for point in points {
            guard let leq = point.leq else { continue }
            let weight = point.coverage * Double(point.milliseconds)
            energy += weight * pow(10, leq / 10)
            time += weight
        }
        return time > 0 ? 10 * log10(energy / time) : nil
    }

    /// Of the time of the days in which anything was measured.
    var coverage: Double {
        let time = days.reduce(0.0) { $0 + Double($1.point.milliseconds) }
        return time > 0 ? days.reduce(0.0) { $0 + $1.point.coverage * Double($1.point.milliseconds) } / time : 0
    }

    var daysOver: [LevelPoint] { days.map(\.ld).filter { $0.excess != nil } }
    var nightsOver: [LevelPoint] { days.map(\.ln).filter { $0.excess != nil } }
    var hoursOver: [LevelPoint] { hours.filter { $0.excess != nil } }
}
