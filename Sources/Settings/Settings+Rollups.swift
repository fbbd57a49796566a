import Yams

extension Settings {
    /// What rollups are computed with: times of day in ms after local midnight.
    public struct Rollups: Sendable, Equatable {
        /// Below this covered part a value is marked as not valid.
        public var minimumCoverage = 0.75
        public var dayStarts: Int64 = 6 * 3_600_000
        public var nightStarts: Int64 = 22 * 3_600_000
        public var ldenDayStarts: Int64 = 7 * 3_600_000
        public var ldenEveningStarts: Int64 = 19 * 3_600_000
        public var ldenNightStarts: Int64 = 23 * 3_600_000
    }

    static let rollupKeys = [
        "min_coverage", "day_starts", "night_starts", "lden_day_starts", "lden_evening_starts", "lden_night_starts",
    ]
}

extension SettingsLoader {
    func rollups(_ members: [String: Node], _ settings: inout Settings) {
        if let node = members["min_coverage"], let text = reader.text(node, "rollups.min_coverage") {
            if let value = Double(text), (0...1).contains(value) {
                settings.rollups.minimumCoverage = value
            } else {
                reader.problem("rollups.min_coverage is a part from 0 to 1, for example 0.75, not '\(text)'", at: node)
            }
        }
        func time(_ key: String, _ path: WritableKeyPath<Settings.Rollups, Int64>) {
            guard let node = members[key], let text = reader.text(node, "rollups.\(key)") else { return }
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            if parts.count == 2, parts.allSatisfy({ $0.count == 2 }), let hour = Int64(parts[0]), let minute = Int64(parts[1]),
                (0...24).contains(hour), (0..<60).contains(minute), hour * 60 + minute <= 1440
            {
                settings.rollups[keyPath: path] = (hour * 60 + minute) * 60_000
            } else {
                reader.problem("rollups.\(key) is a time of day such as 06:00, not '\(text)'", at: node)
            }
        }
        time("day_starts", \.dayStarts)
        time("night_starts", \.nightStarts)
        time("lden_day_starts", \.ldenDayStarts)
        time("lden_evening_starts", \.ldenEveningStarts)
        time("lden_night_starts", \.ldenNightStarts)
        let all = settings.rollups
        if all.dayStarts >= all.nightStarts {
            reader.problem("rollups.day_starts must lie before night_starts", at: members["day_starts"] ?? members["night_starts"])
        }
        if all.ldenDayStarts >= all.ldenEveningStarts || all.ldenEveningStarts >= all.ldenNightStarts {
            reader.problem(
                "rollups: lden_day_starts, lden_evening_starts and lden_night_starts follow one another",
                at: members["lden_day_starts"] ?? members["lden_evening_starts"] ?? members["lden_night_starts"])
        }
    }
}
