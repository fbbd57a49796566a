import Telemetry

/// A noise meter: a reading each second, published when its second is over.
struct Meter: Sendable {
    enum Site: CaseIterable {
        case construction, school, street

        var name: String {
            switch self {
            case .construction: "工地"
            case .school: "学校"
            case .street: "道路"
            }
        }

        var id: String {
            switch self {
            case .construction: "site"
            case .school: "school"
            case .street: "street"
            }
        }

        /// dB(A) without an episode, at the day's loudest.
        var level: Double {
            switch self {
            case .construction: 60
            case .school: 55
            case .street: 65
            }
        }
    }

    /// What traffic takes from the level at each full hour of the day in Asia/Shanghai, in dB.
    private static let quieter: [Double] = [
        11, 12, 13, 14, 13, 10, 6, 2, 0, 1, 1, 2, 2, 2, 1, 1, 0, 0, 1, 2, 3, 5, 7, 9,
    ]

    /// The meters that begin to be loud with the district, so that the screen shows alerts from the first seconds on.
    private static let firstToBeLoud = [0, 60, 120, 180]

    let device: District.Device
    private let topic: String
    private let site: Site
    private let offsetDecibels: Double
    private var random: SeededRandom
    /// Start of the next measured second.
    private var ts: Timestamp
    private var traffic = 0.0
    private var work = 0.0
    private var episode: Range<Timestamp>
    private var episodeLevel: Double
    private var sequence = 0

    init(index: Int, seed: UInt64, start: Timestamp, root: String) {
        random = SeededRandom(seed: seed, stream: UInt64(index))
        site = Site.allCases[index % 3]
        let town = District.towns[index % District.towns.count]
        let (lat, lon) = District.place(in: town, &random)
        let number = District.padded(index)
        device = District.Device(
            kind: .noise, id: "meter-\(number)", gateway: "gw-noise",
            name: "\(town.name)\(site.name)\(index / District.towns.count + 1)号", area: town.code,
            site: "\(site.id)-\(number)", lat: lat, lon: lon, team: nil)
        topic = "\(root)/in/gw-noise/noise/meter-\(number)"
        offsetDecibels = random.number(-3...3)
        ts = start + Int64(index * 1000 / District.meterCount - 1000)
        episodeLevel = random.number(76...84)
        if let place = Meter.firstToBeLoud.firstIndex(of: index) {
            let from = start + (Int64(place) * 1500 - 1000)
            // The first is short: its end is seen soon, too.
            episode = from..<from + (place == 0 ? 15_000 : random.milliseconds(60_000...150_000))
        } else {
            let from = start + random.milliseconds(0...1_800_000)
            episode = from..<from + random.milliseconds(60_000...240_000)
        }
    }

    mutating func send(until end: Timestamp, to messages: inout [District.Message]) {
        while ts + 1000 < end {
            sequence += 1
            let levels = nextLevels()
            messages.append(
                District.Message(
                    at: ts + 1000, topic: topic,
                    payload: """
                        {"ts":\(ts.milliseconds),"laeq":\(levels.mean),"lmax":\(levels.highest),"lmin":\(levels.lowest),\
                        "seq":\(sequence)}
                        """))
            ts = ts + 1000
        }
    }

    /// Traffic wanders slowly round the hour's level; work at a site adds its own on top.
    private mutating func nextLevels() -> (mean: Double, highest: Double, lowest: Double) {
        traffic = traffic * 0.9 + random.bell() * 0.7
        let ambient = min(69, max(32, site.level + offsetDecibels - hourly() + traffic))
        if site == .construction { nextWork() }
        work += ((episode.contains(ts) ? 1 : 0) - work) * 0.6
        var level = ambient
        if site == .construction && work > 0.02 {
            level = ambient + (max(ambient, episodeLevel + random.bell()) - ambient) * work
        } else if site == .street && random.happens(1 / 900) {
            // A horn: loud, and over at once.
            level = random.number(71...78)
        }
        let mean = level.rounded(decimals: 1)
        let highest = (level + random.number(0.5...5)).rounded(decimals: 1)
        return (mean, highest, (level - random.number(0.5...4)).rounded(decimals: 1))
    }

    /// When an episode is over the next is drawn: by day about every 25 minutes, by night four times as rare.
    private mutating func nextWork() {
        guard ts >= episode.upperBound else { return }
        let hour = Meter.hour(ts)
        let isDay = hour >= 6 && hour < 22
        let pause = random.milliseconds(120_000...2_880_000) * (isDay ? 1 : 4)
        let from = ts + pause
        episode = from..<from + random.milliseconds(60_000...240_000)
        episodeLevel = random.number(76...84)
    }

    /// Hour of the day in Asia/Shanghai (UTC+8, no summer time), with fraction.
    private static func hour(_ moment: Timestamp) -> Double {
        let day = Timestamp(milliseconds: moment.milliseconds + 28_800_000)
        return Double(day - day.bucketStart(widthMilliseconds: 86_400_000)) / 3_600_000
    }

    private func hourly() -> Double {
        let hour = Meter.hour(ts)
        let whole = Int(hour)
        let share = hour - Double(whole)
        return Meter.quieter[whole] * (1 - share) + Meter.quieter[(whole + 1) % 24] * share
    }
}
