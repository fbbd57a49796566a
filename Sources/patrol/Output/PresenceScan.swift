import Foundation
import Rollups
import Store
import Telemetry

/// Presence of many devices over a long time, a day of readings at a time.
struct PresenceScan {
    let reader: StoreReader
    let zone: LocalZone
    /// What a place lies in, by numbers of the caller's own.
    let places: (Position) -> [Int]

    /// - Parameter windows: by kind and the device's id, sorted, without overlap.
    /// - Returns: the same windows with what was counted.
    func run(_ windows: [Kind: [String: [(from: Timestamp, until: Timestamp)]]]) throws -> [Kind: [String: PresenceFold]] {
        var result: [Kind: [String: PresenceFold]] = [:]
        let numbers = try reader.rows("SELECT number, kind, id FROM device").rows
        let range = try ReadingRange(path: reader.path)
        var damaged: Set<String> = []
        for (kind, devices) in windows {
            var folds: [UInt32: PresenceFold] = [:]
            var ids: [UInt32: String] = [:]
            for row in numbers where row[1].text == kind.name {
                guard let windows = devices[row[2].text] else { continue }
                let number = UInt32(truncatingIfNeeded: row[0].integer)
                ids[number] = row[2].text
                folds[number] = PresenceFold(kind: kind, windows: windows)
            }
            let all = folds.values.flatMap(\.windows)
            guard let first = all.map(\.from).min(), let last = all.map(\.until).max() else { continue }
            // From an hour before, so that what holds at a window's beginning is known, to ten minutes behind.
            var day = zone.day(first + -3_600_000)
            let end = last + 600_000
            while zone.moment(day) < end {
                var fixes: [UInt32: [PresenceFix]] = [:]
                try range.forEach(
                    kind: kind, from: max(zone.moment(day), first + -3_600_000), to: min(zone.moment(day + 1), end), damaged: { damaged.insert($0) }
                ) { stored in
                    let device = stored.reading.device
                    if folds[device] != nil { fixes[device, default: []].append(PresenceFix(stored.reading, places: places)) }
                }
                for (device, list) in fixes {
                    for fix in list.sorted(by: { $0.ts < $1.ts }) { folds[device]!.add(fix) }
                }
                day = day + 1
            }
            for (number, fold) in folds { result[kind, default: [:]][ids[number]!] = fold }
        }
        for words in damaged.sorted() { Exit.warn(words) }
        return result
    }
}

/// Percentiles by the nearest rank.
func nearestRank(_ values: [Double], _ share: Double) -> Double? {
    let sorted = values.sorted()
    return sorted.isEmpty ? nil : sorted[max(0, Int((share * Double(sorted.count)).rounded(.up)) - 1)]
}
