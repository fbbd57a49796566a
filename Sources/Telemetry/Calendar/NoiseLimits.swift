/// How sure a figure is: from a public text, or general knowledge that was not checked.
public enum Certainty: String, Sendable, CaseIterable { case published, unverified }

/// The limits of noise by standard, zone and time of day, and when day and night begin. Values are LAeq in dB(A).
public struct NoiseLimits: Sendable, Equatable {
    public struct Limit: Sendable, Equatable {
        /// The acoustic zone: 0, 1, 2, 3, 4a, 4b of GB 3096. Nil holds wherever no zone of the standard's own fits.
        public var zone: String?
        public var dayDecibels: Double
        public var nightDecibels: Double
        public var certainty: Certainty

        public init(zone: String?, dayDecibels: Double, nightDecibels: Double, certainty: Certainty) {
            self.zone = zone
            self.dayDecibels = dayDecibels
            self.nightDecibels = nightDecibels
            self.certainty = certainty
        }
    }

    public struct Standard: Sendable, Equatable {
        /// As rules name it: gb12523.
        public var id: String
        public var name: String
        public var limits: [Limit]
        /// By night no single maximum may pass the night limit by more than this.
        public var nightMaximumExcessDecibels: Double?
        public var nightMaximumCertainty: Certainty?

        public init(
            id: String, name: String, limits: [Limit], nightMaximumExcessDecibels: Double? = nil,
            nightMaximumCertainty: Certainty? = nil
        ) {
            self.id = id
            self.name = name
            self.limits = limits
            self.nightMaximumExcessDecibels = nightMaximumExcessDecibels
            self.nightMaximumCertainty = nightMaximumCertainty
        }

        /// The limit of a zone: its own, else the one for any zone; nil where the standard has neither.
        public func limit(zone: String?) -> Limit? {
            limits.first { $0.zone != nil && $0.zone == zone } ?? limits.first { $0.zone == nil }
        }
    }

    /// 06:00–22:00 where the county has not moved it; night is the rest.
    public var day: HourRange
    public var dayCertainty: Certainty
    public var standards: [Standard]

    public init(day: HourRange, dayCertainty: Certainty, standards: [Standard]) {
        self.day = day
        self.dayCertainty = dayCertainty
        self.standards = standards
    }

    public subscript(id: String) -> Standard? { standards.first { $0.id == id } }

    /// From the day's end until its beginning; belongs to the evening on which it starts.
    public var night: HourRange {
        HourRange(fromMinutes: day.untilMinutes % 1440, untilMinutes: day.fromMinutes) ?? .night
    }

    /// Every zone that a limit names, sorted.
    public var zones: [String] { Set(standards.flatMap { $0.limits.compactMap(\.zone) }).sorted() }

    /// GB 12523-2025 (construction sites, any zone) and GB 3096-2008 (environmental noise by class), as delivered in
    /// `limits.yaml` of the example district. The split of class 4 is not verified.
    public static let delivered = NoiseLimits(
        day: HourRange(fromMinutes: 360, untilMinutes: 1320)!, dayCertainty: .published,
        standards: [
            Standard(
                id: "gb12523", name: "GB 12523-2025",
                limits: [Limit(zone: nil, dayDecibels: 70, nightDecibels: 55, certainty: .published)],
                nightMaximumExcessDecibels: 15, nightMaximumCertainty: .published),
            Standard(
                id: "gb3096", name: "GB 3096-2008",
                limits: [
                    Limit(zone: "0", dayDecibels: 50, nightDecibels: 40, certainty: .published),
                    Limit(zone: "1", dayDecibels: 55, nightDecibels: 45, certainty: .published),
                    Limit(zone: "2", dayDecibels: 60, nightDecibels: 50, certainty: .published),
                    Limit(zone: "3", dayDecibels: 65, nightDecibels: 55, certainty: .published),
                    Limit(zone: "4a", dayDecibels: 70, nightDecibels: 55, certainty: .unverified),
                    Limit(zone: "4b", dayDecibels: 70, nightDecibels: 60, certainty: .unverified),
                ]),
        ])
}
