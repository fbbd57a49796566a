public import Rollups
import Settings
import Store
public import Telemetry

/// What rollups are computed with.
public struct RollupOptions: Sendable {
    /// Whose midnight begins a day.
    public var zone: LocalZone
    public var boundaries = NoiseBoundaries()
    /// Below this covered part a value is marked as not valid; HJ 906-2017 has the ratio, the figure is a custom.
    public var minimumCoverage = 0.75

    public init(zone: LocalZone) { self.zone = zone }

    init(_ settings: Settings) {
        // The settings are checked: the zone exists.
        self.init(zone: LocalZone(identifier: settings.timezone)!)
        minimumCoverage = settings.rollups.minimumCoverage
        let all = settings.rollups
        boundaries.take(
            [all.dayStarts, all.nightStarts, all.ldenDayStarts, all.ldenEveningStarts, all.ldenNightStarts])
    }

    /// Where there are no settings and the store has none.
    static let standardZone = "Asia/Shanghai"

    /// Those of the store where they are not given; what the store's rows were computed with otherwise must not differ.
    static func resolve(_ given: RollupOptions?, _ store: StoreWriter) throws(StoreError) -> RollupOptions {
        let stored = try store.rollupSetting()
        if let given, let stored {
            let wanted = given.setting
            guard stored.zone == wanted.zone, stored.boundaries == wanted.boundaries else {
                throw StoreError(
                    .otherSettings, path: store.path,
                    detail: "its days are those of \(describe(stored)), the settings say \(describe(wanted))")
            }
        }
        if let given { return given }
        let name = stored?.zone ?? standardZone
        guard let zone = LocalZone(identifier: name) else {
            throw StoreError(.otherSettings, path: store.path, detail: "this system knows no time zone '\(name)'")
        }
        var options = RollupOptions(zone: zone)
        if let stored {
            options.boundaries.take(stored.boundaries)
            options.minimumCoverage = stored.minimumCoverage
        }
        return options
    }

    var setting: RollupSetting {
        RollupSetting(
            zone: zone.identifier,
            boundaries: [
                boundaries.day, boundaries.night, boundaries.ldenDay, boundaries.ldenEvening, boundaries.ldenNight,
            ], minimumCoverage: minimumCoverage)
    }

    private static func describe(_ setting: RollupSetting) -> String {
        let times = setting.boundaries.map { time in
            let minutes = time / 60_000
            return "\(minutes / 600)\(minutes / 60 % 10):\(minutes % 60 / 10)\(minutes % 10)"
        }
        return "\(setting.zone) with day from \(times[0]), night from \(times[1]) and Lden from \(times[2...].joined(separator: ", "))"
    }
}

extension NoiseBoundaries {
    fileprivate mutating func take(_ list: [Int64]) {
        guard list.count == 5 else { return }
        (day, night, ldenDay, ldenEvening, ldenNight) = (list[0], list[1], list[2], list[3], list[4])
    }
}
