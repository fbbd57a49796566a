import Glibc
import Telemetry

/// A patrol car: drives from place to place, stands there for a while, reports every 10 s.
struct Vehicle: Sendable {
    private static let periodMilliseconds: Int64 = 10_000
    private static let kilometresPerDegree = 111.2
    /// A degree of longitude at 30.3° north.
    private static let kilometresPerDegreeEast = 96.0

    let device: District.Device
    private let topic: String
    private let home: Int
    private var random: SeededRandom
    private var nominal: Timestamp
    private var next: Timestamp
    private var last: Timestamp
    private var lat: Double
    private var lon: Double
    private var target: (lat: Double, lon: Double)
    private var speed = 0.0
    private var cruise: Double
    private var heading: Double
    private var standsUntil: Timestamp
    private var mileage: Double
    private var sequence = 0

    init(index: Int, seed: UInt64, start: Timestamp, root: String) {
        random = SeededRandom(seed: seed, stream: 10_000 + UInt64(index))
        home = index % District.towns.count
        let town = District.towns[home]
        let number = District.padded(index)
        device = District.Device(
            kind: .vehicle, id: "car-\(number)", gateway: "gw-fleet", name: "执法车\(index + 1)", area: town.code, site: nil,
            lat: nil, lon: nil, team: District.team(index))
        topic = "\(root)/in/gw-fleet/vehicle/car-\(number)"
        (lat, lon) = District.place(in: town, &random)
        target = District.place(in: town, &random)
        cruise = random.number(28...55)
        heading = random.number(0...359)
        mileage = random.number(4_000...90_000).rounded(decimals: 1)
        nominal = start + Int64(index) * Vehicle.periodMilliseconds / Int64(District.vehicleCount)
        next = nominal
        last = nominal
        // One in six stands at first.
        standsUntil = index % 6 == 5 ? start + random.milliseconds(20_000...240_000) : start
    }

    mutating func send(until end: Timestamp, to messages: inout [District.Message]) {
        while next < end {
            move(milliseconds: next - last)
            sequence += 1
            let stands = next < standsUntil
            messages.append(
                District.Message(
                    at: next, topic: topic,
                    payload: """
                        {"ts":\(next.milliseconds),"lat":\(lat),"lon":\(lon),"speed_kmh":\(speed.rounded(decimals: 1)),\
                        "heading":\(Int(heading)),"alt_m":\(12 + home * 3),"acc_m":\(Int(random.number(4...12))),\
                        "sat":\(Int(random.number(9...18))),"hdop":\(random.number(0.6...1.4).rounded(decimals: 1)),\
                        "ignition":\(!stands),"mileage_km":\(mileage.rounded(decimals: 1)),"sos":false,"seq":\(sequence)}
                        """))
            last = next
            nominal = nominal + Vehicle.periodMilliseconds
            next = nominal + random.milliseconds(0...400)
        }
    }

    private mutating func move(milliseconds: Int64) {
        if next < standsUntil {
            speed = 0
            return
        }
        let north = (target.lat - lat) * Vehicle.kilometresPerDegree
        let east = (target.lon - lon) * Vehicle.kilometresPerDegreeEast
        let distance = (north * north + east * east).squareRoot()
        if distance < 0.03 { return arrive() }
        // Toward the cruising speed, slower before the end; lights and turns in between.
        let wanted = random.happens(0.12) ? random.number(0...12) : min(cruise, 12 + distance * 60)
        speed = max(0, speed + max(-30, min(18, wanted - speed)) + random.bell())
        let driven = min(distance, speed * Double(milliseconds) / 3_600_000)
        lat = (lat + north / distance * driven / Vehicle.kilometresPerDegree).rounded(decimals: 6)
        lon = (lon + east / distance * driven / Vehicle.kilometresPerDegreeEast).rounded(decimals: 6)
        mileage += driven
        let degrees = atan2(east, north) * 180 / .pi
        heading = degrees < 0 ? degrees + 360 : degrees
    }

    /// Most ways lead through the own town, some to another.
    private mutating func arrive() {
        speed = 0
        standsUntil = next + random.milliseconds(30_000...360_000)
        let town = random.happens(0.75) ? home : Int(random.next() % UInt64(District.towns.count))
        target = District.place(in: District.towns[town], &random)
        cruise = random.number(28...55)
    }
}
