public import Telemetry

/// The demo's district: the twelve towns of Yuhang, 381 body cameras, 60 vehicles that drive, 200 meters at construction
/// sites, schools and streets. Pure: the same seed and start give the same messages, however often they are asked for.
public struct District: Sendable {
    public struct Town: Sendable {
        /// GB/T 2260 and town, 12 digits.
        public let code: String
        public let name: String
        public let lat: Double
        public let lon: Double
    }

    /// A row of a devices file.
    public struct Device: Sendable, Equatable {
        public let kind: Kind
        public let id: String
        public let gateway: String
        public let name: String
        public let area: String
        public let site: String?
        public let lat: Double?
        public let lon: Double?
        public let team: String?
    }

    public struct Message: Sendable, Equatable {
        /// When it is to be published.
        public let at: Timestamp
        public let topic: String
        public let payload: String
    }

    /// Codes and names of the towns; the places are rough middles of our own choice, WGS-84.
    public static let towns = [
        Town(code: "330110005000", name: "五常街道", lat: 30.25, lon: 120.03),
        Town(code: "330110009000", name: "仁和街道", lat: 30.44, lon: 120.09),
        Town(code: "330110010000", name: "良渚街道", lat: 30.38, lon: 120.04),
        Town(code: "330110011000", name: "闲林街道", lat: 30.22, lon: 119.98),
        Town(code: "330110012000", name: "仓前街道", lat: 30.29, lon: 119.99),
        Town(code: "330110013000", name: "余杭街道", lat: 30.27, lon: 119.94),
        Town(code: "330110014000", name: "中泰街道", lat: 30.22, lon: 119.90),
        Town(code: "330110109000", name: "径山镇", lat: 30.37, lon: 119.86),
        Town(code: "330110110000", name: "瓶窑镇", lat: 30.40, lon: 119.95),
        Town(code: "330110111000", name: "鸬鸟镇", lat: 30.43, lon: 119.75),
        Town(code: "330110112000", name: "百丈镇", lat: 30.50, lon: 119.75),
        Town(code: "330110113000", name: "黄湖镇", lat: 30.46, lon: 119.82),
    ]

    /// The district with its towns.
    public var areas: AreaTree {
        let towns = District.towns.map { Area(code: $0.code, name: $0.name, level: .town, parent: "330110") }
        return (try? AreaTree([Area(code: "330110", name: "余杭区", level: .district)] + towns)) ?? .empty
    }

    static let meterCount = 200
    static let vehicleCount = 60
    static let cameraCount = 381
    /// One mobile team and eight others.
    static let teamCount = 9

    public private(set) var devices: [Device] = []
    private var meters: [Meter] = []
    private var vehicles: [Vehicle] = []
    private var cameras: [Camera] = []
    /// Messages before this moment are made; those not yet asked for wait, in the order of time.
    private var madeUntil: Timestamp
    private var waiting: [Message] = []

    public init(seed: UInt64, start: Timestamp, topicRoot: String = "patrol/v1") {
        madeUntil = start
        for index in 0..<District.meterCount {
            let meter = Meter(index: index, seed: seed, start: start, root: topicRoot)
            devices.append(meter.device)
            meters.append(meter)
        }
        for index in 0..<District.vehicleCount {
            let vehicle = Vehicle(index: index, seed: seed, start: start, root: topicRoot)
            devices.append(vehicle.device)
            vehicles.append(vehicle)
        }
        for index in 0..<District.cameraCount {
            let camera = Camera(index: index, seed: seed, start: start, root: topicRoot)
            devices.append(camera.device)
            cameras.append(camera)
        }
    }

    /// Where the meters stand, as sites of the district.
    public var sites: [Site] {
        devices.compactMap { device in
            guard let id = device.site, let lat = device.lat, let lon = device.lon else { return nil }
            let kind = id.hasPrefix("site") ? "construction" : String(id.prefix { $0 != "-" })
            return Site(
                id: id, name: device.name, kind: kind, area: device.area,
                place: .point(Position(latitude: lat, longitude: lon)))
        }
    }

    /// Everything that the district sends from the last call up to `moment`, in the order of time.
    public mutating func messages(until moment: Timestamp) -> [Message] {
        while madeUntil < moment { makeSecond() }
        let end = waiting.firstIndex { $0.at >= moment } ?? waiting.endIndex
        if end == 0 { return [] }
        let due = Array(waiting[..<end])
        waiting.removeFirst(end)
        return due
    }

    /// A second at a time, whatever is asked for: the cuts of the caller change nothing.
    private mutating func makeSecond() {
        madeUntil = madeUntil + 1000
        var made: [Message] = []
        for index in meters.indices { meters[index].send(until: madeUntil, to: &made) }
        for index in vehicles.indices { vehicles[index].send(until: madeUntil, to: &made) }
        for index in cameras.indices { cameras[index].send(until: madeUntil, to: &made) }
        waiting += made.enumerated().sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }.map(\.element)
    }

    // MARK: For the devices

    /// A place in a town, a metre or so exact.
    static func place(in town: Town, _ random: inout SeededRandom) -> (lat: Double, lon: Double) {
        (
            (town.lat + random.number(-0.015...0.015)).rounded(decimals: 6),
            (town.lon + random.number(-0.018...0.018)).rounded(decimals: 6)
        )
    }

    static func padded(_ number: Int) -> String { String(String(1000 + number).dropFirst()) }

    static func team(_ index: Int) -> String { "team-\(index % teamCount)" }
}
