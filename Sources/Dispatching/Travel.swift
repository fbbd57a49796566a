import Telemetry

/// How long a unit takes: by a router's table of seconds between areas, else by the first speed that fits.
public struct Travel: Sendable, Equatable {
    public struct Speed: Sendable, Equatable {
        /// Where the unit is; anywhere where nil.
        public var area: String?
        /// Kind of the unit; any where nil.
        public var kind: String?
        public var kilometresPerHour: Double

        public init(area: String? = nil, kind: String? = nil, kilometresPerHour: Double) {
            self.area = area
            self.kind = kind
            self.kilometresPerHour = kilometresPerHour
        }
    }

    /// Where no speed fits.
    public static let kilometresPerHour = 30.0

    public var speeds: [Speed] = []
    /// Seconds from an area to an area, by code.
    public var seconds: [String: [String: Double]] = [:]

    public init() {}
}

/// ``Travel`` by numbers of areas and of kinds of units.
struct TravelTable {
    /// The area of the router's table in which each area lies, −1 where in none.
    private let routed: [Int]
    private let seconds: [[Double]]
    /// By area (the last: none), then by kind of unit; seconds a metre.
    private let pace: [[Double]]
    let leastPace: Double
    var hasTable: Bool { !seconds.isEmpty }

    init(_ travel: Travel, areas: AreaTree, kinds: [String]) {
        let codes = Set(travel.seconds.keys).union(travel.seconds.values.flatMap(\.keys)).sorted()
        let short = codes.map(Area.shortCode)
        routed = areas.areas.indices.map { number in
            areas.path(to: number).reversed().lazy.compactMap { short.firstIndex(of: Area.shortCode($0.code)) }.first ?? -1
        }
        seconds = codes.map { from in codes.map { to in from == to ? 0 : travel.seconds[from]?[to] ?? -1 } }
        func pace(_ area: Int?, _ kind: String) -> Double {
            let speed = travel.speeds.first { speed in
                (speed.kind == nil || speed.kind == kind)
                    && (speed.area == nil || area.map { areas.isIn(areas.areas[$0].code, speed.area!) } ?? false)
            }
            return 3.6 / (speed?.kilometresPerHour ?? Travel.kilometresPerHour)
        }
        let numbers: [Int?] = areas.areas.indices.map { $0 } + [nil]
        self.pace = numbers.map { area in kinds.map { pace(area, $0) } }
        leastPace = self.pace.joined().min() ?? 3.6 / Travel.kilometresPerHour
    }

    /// - Parameters:
    ///   - area: number of the area where the unit is, −1 for none.
    ///   - target: of the task.
    func seconds(from area: Int, kind: Int, to target: Int?, metres: Double) -> Double {
        if hasTable, area >= 0, let target, routed[area] >= 0, routed[target] >= 0 {
            let known = seconds[routed[area]][routed[target]]
            if known > 0 { return known }
        }
        return metres * pace[area < 0 ? pace.count - 1 : area][kind]
    }
}
