import Telemetry

/// A body-worn camera: a heartbeat each 60 s (GB/T 28181-2016 §9.6.1). A few are off, low, or do not record.
struct Camera: Sendable {
    private static let periodMilliseconds: Int64 = 60_000
    private static let families = Array("王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗")
    private static let given = Array("伟芳娜敏静强磊军洋勇艳杰娟涛明超霞平刚桂")

    let device: District.Device
    private let topic: String
    private let officer: String
    private let isOff: Bool
    private var random: SeededRandom
    private var nominal: Timestamp
    private var next: Timestamp
    private var lat: Double
    private var lon: Double
    private var battery: Double
    private var isCharging = false
    private var isRecording: Bool
    private var storage: Double
    private var rssi: Double
    private var boots: Int
    /// Heartbeats that still say SOS: it is latched.
    private var sosLeft = 0
    private var sequence = 0

    init(index: Int, seed: UInt64, start: Timestamp, root: String) {
        random = SeededRandom(seed: seed, stream: 20_000 + UInt64(index))
        let town = District.towns[index % District.towns.count]
        // Twenty by twenty, so that no two officers have one name.
        officer = "\(Camera.families[index % 20])\(Camera.given[index / 20])"
        let number = District.padded(index)
        device = District.Device(
            kind: .bodycam, id: "cam-\(number)", gateway: "gw-cam", name: officer, area: town.code, site: nil, lat: nil,
            lon: nil, team: District.team(index))
        topic = "\(root)/in/gw-cam/bodycam/cam-\(number)"
        (lat, lon) = District.place(in: town, &random)
        isOff = index % 97 == 11
        battery = index % 127 == 5 ? 14.4 : random.number(25...100)
        isRecording = !random.happens(0.05)
        storage = random.number(2_000...60_000)
        rssi = random.number(-95 ... -60)
        boots = 1 + Int(random.next() % 40)
        nominal = start + Int64(index) * Camera.periodMilliseconds / Int64(District.cameraCount)
        next = nominal
    }

    mutating func send(until end: Timestamp, to messages: inout [District.Message]) {
        if isOff { return }
        while next < end {
            live()
            sequence += 1
            messages.append(
                District.Message(
                    at: next, topic: topic,
                    payload: """
                        {"ts":\(next.milliseconds),"battery":\(Int(battery)),"charging":\(isCharging),\
                        "storage_free_mb":\(Int(storage)),"recording":\(isRecording),"rssi":\(Int(rssi)),"sos":\(sosLeft > 0),\
                        "officer":"\(officer)","boot":\(boots),"lat":\(lat),"lon":\(lon),"acc_m":\(Int(random.number(3...15))),\
                        "fix_ts":\((next + -random.milliseconds(200...4_000)).milliseconds),"seq":\(sequence)}
                        """))
            nominal = nominal + Camera.periodMilliseconds
            next = nominal + random.milliseconds(-1_500...1_500)
        }
    }

    /// A minute in the life of a camera and its officer.
    private mutating func live() {
        battery = min(100, max(1, battery + (isCharging ? 1.2 : isRecording ? -0.17 : -0.06)))
        if battery < 8 && !isCharging {
            isCharging = true
            isRecording = false
        } else if isCharging && battery >= 100 {
            // Taken off the charger it starts anew, its recordings unloaded.
            isCharging = false
            isRecording = true
            storage = 60_000
            boots += 1
        }
        if isRecording {
            storage -= 45
            if storage < 50 { isRecording = false }
        } else if !isCharging && random.happens(0.02) {
            isRecording = storage > 500
        }
        rssi = min(-50, max(-110, rssi + random.bell() * 2))
        if !isCharging {
            lat = (lat + random.number(-0.0004...0.0004)).rounded(decimals: 6)
            lon = (lon + random.number(-0.0004...0.0004)).rounded(decimals: 6)
        }
        if sosLeft > 0 {
            sosLeft -= 1
        } else if random.happens(1 / 12_000) {
            // In the whole district about one in half an hour.
            sosLeft = 3
        }
    }
}
