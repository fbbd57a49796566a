import Telemetry
import Testing

@testable import Rollups

private let hour: Int64 = 3_600_000

private func fix(_ ts: Int64, _ north: Double, _ east: Double = 0, speed: Double? = nil, accuracy: Double? = nil, ignition: Bool? = nil) -> Reading {
    // Metres from a place in Yuhang.
    var reading = Reading(kind: .vehicle, periodMilliseconds: 10_000)
    reading.ts = Timestamp(milliseconds: ts)
    reading.set(VehicleValue.lat, 30.27 + north / 110_860)
    reading.set(VehicleValue.lon, 119.99 + east / 96_240)
    if let speed { reading.set(VehicleValue.speed, speed) }
    if let accuracy { reading.set(VehicleValue.accuracy, accuracy) }
    if let ignition { reading.setBit(0, ignition) }
    return reading
}

/// The hours of a vehicle after its readings came in this order, flushed after each batch; `lives` begin with nothing in memory.
private func hours(_ readings: [Reading], batch: Int = .max, lives: Int = 1) -> [Timestamp: VehicleHour] {
    var stored: [Reading] = []
    var rows: [Timestamp: VehicleHour] = [:]
    var left = readings[...]
    for life in 0..<lives {
        let tracks = VehicleTracks(zone: .utc) { _, from, to, add in
            for reading in stored where reading.ts >= from && reading.ts < to { add(VehicleFix(reading)) }
        }
        tracks.reserve(device: 0, newest: stored.map(\.ts).max() ?? .distantPast)
        var mine = life == lives - 1 ? left : left.prefix(readings.count / lives)
        left = left.dropFirst(mine.count)
        while !mine.isEmpty {
            for reading in mine.prefix(batch) { tracks.add(reading, clock: reading.ts) }
            stored += mine.prefix(batch)
            mine = mine.dropFirst(batch)
            tracks.flush { _, hour, _ in rows[hour.start] = hour }
        }
    }
    return rows
}

private func sums(_ readings: [Reading]) -> VehicleSums {
    hours(readings).values.sorted { $0.start < $1.start }.reduce(into: VehicleSums()) { $0.append($1.sums) }
}

@Suite struct VehicleTests {
    @Test func aParkedCarDrivesNothing() {
        var state: UInt64 = 7
        let readings = (0..<2880).map { index in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return fix(Int64(index) * 10_000, Double(state >> 60) - 8, Double(state >> 40 & 15) - 8, ignition: false)
        }
        let night = sums(readings)
        #expect(night.distanceMillimetres == 0 && night.movingMilliseconds == 0)
        #expect(night.stoppedMilliseconds == 2879 * 10_000)
    }

    @Test func aCreepingCarCounts() {
        // 5 km/h, a fix a second: no step is beyond the accuracy, the way is.
        let result = sums((0...3000).map { fix(Int64($0) * 1000, Double($0) * 5 / 3.6) })
        let metres = Double(result.distanceMillimetres) / 1000
        let driven: Double = 3000 * 5 / 3.6
        #expect(abs(metres - driven) < 60)
        #expect(result.movingMilliseconds > 2_950_000)
    }

    @Test func timeIsMovingIdlingAndStopped() {
        var readings = (0...60).map { fix(Int64($0) * 10_000, Double($0) * 100, ignition: true) }
        readings += (1...60).map { fix(600_000 + Int64($0) * 10_000, 6000, ignition: true) }
        readings += (1...60).map { fix(1_200_000 + Int64($0) * 10_000, 6000, ignition: false) }
        let result = sums(readings)
        #expect(result.movingMilliseconds == 600_000)
        #expect(abs(result.idlingMilliseconds - 600_000) <= 70_000 && abs(result.stoppedMilliseconds - 600_000) <= 70_000)
        #expect(result.idlingMilliseconds + result.stoppedMilliseconds == 1_200_000)
        #expect(abs(result.distanceMillimetres - 6_000_000) < 6000)
    }

    @Test func spikesAreLeftOutAndCounted() {
        var readings = (0...60).map { fix(Int64($0) * 10_000, Double($0) * 100, speed: 36) }
        readings.insert(fix(305_000, 90_000, speed: 36), at: 31)
        var nowhere = fix(306_000, 0)
        nowhere.set(VehicleValue.lat, 0)
        nowhere.set(VehicleValue.lon, 0)
        readings.insert(nowhere, at: 32)
        let result = sums(readings)
        #expect(result.spikes == 2 && result.fixes == 61 && abs(result.distanceMillimetres - 6_000_000) < 6000)
        #expect(result.maxSpeed == 3600)
    }

    @Test func aStepAcrossTheHourIsDivided() {
        let rows = hours([fix(hour - 20_000, 0), fix(hour - 4000, 200), fix(hour + 6000, 400)])
        #expect(rows[Timestamp(milliseconds: 0)]?.sums.movingMilliseconds == 20_000)
        #expect(rows[Timestamp(milliseconds: hour)]?.sums.movingMilliseconds == 6000)
    }

    @Test func aStandAcrossTheHourIsOneStop() {
        let rows = hours((0..<120).map { fix(hour / 2 + Int64($0) * 30_000, 0) })
        let stays = rows.values.flatMap(\.stays).sorted { $0.start < $1.start }
        #expect(stays.count == 2 && stays[0].end == stays[1].start)
    }

    /// Any order, any split, any restart: the same hours.
    @Test(arguments: 1...30)
    func anyOrderGivesTheSameHours(seed: UInt64) {
        var state = seed
        func dice(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var at: Int64 = 400_000 * hour
        var north = 0.0
        let readings = (0..<300).map { _ in
            at += [1000, 10_000, 10_000, 60_000, 240_000, 800_000, 5_000_000][dice(7)]
            north += [0, 0, 5, 100, 400][dice(5)]
            return fix(
                at, north + (dice(40) == 0 ? 90_000 : 0), Double(dice(20)), speed: dice(3) == 0 ? nil : Double(dice(80)),
                accuracy: dice(4) == 0 ? Double(dice(60)) : nil, ignition: dice(3) == 0 ? nil : dice(2) == 0)
        }
        let expected = hours(readings)
        #expect(expected.count > 20)
        #expect(hours(readings, batch: 1 + dice(20), lives: 1 + dice(30)) == expected, "seed \(seed), lives")
        var shuffled = readings
        for index in shuffled.indices.reversed() { shuffled.swapAt(index, max(0, index - dice(12))) }
        #expect(hours(shuffled, batch: 1 + dice(20), lives: 1 + dice(10)) == expected, "seed \(seed), shuffled")
    }
}

@Suite struct BodycamTests {
    private func beat(_ ts: Int64, battery: Double? = nil, recording: Bool? = nil, sos: Bool? = nil, boot: String = "") -> Heartbeat {
        var reading = Reading(kind: .bodycam, periodMilliseconds: 60_000)
        reading.ts = Timestamp(milliseconds: ts)
        if let battery { reading.set(BodycamValue.battery, battery) }
        if let recording { reading.setBit(1, recording) }
        if let sos { reading.setBit(2, sos) }
        reading.bootBytes = UInt8(boot.utf8.count)
        var boot = boot
        return boot.withUTF8 { unsafe Heartbeat(reading, boot: $0) }
    }

    private func sums(_ beats: [Heartbeat], carry: Heartbeat? = nil, next: Heartbeat? = nil) -> BodycamSums {
        var hour = BodycamHour(start: Timestamp(milliseconds: 0), carry: carry)
        for beat in beats { hour.add(beat) }
        hour.end(with: next)
        return hour.sums
    }

    @Test func connectedIsNotWorking() {
        let result = sums((0..<10).map { beat(Int64($0) * 60_000, recording: $0 < 5) })
        #expect(result.onlineMilliseconds == 540_000 && result.recordingMilliseconds == 300_000)
    }

    @Test func threeMissesAreOffline() {
        #expect(sums([beat(0), beat(180_000)]).onlineMilliseconds == 180_000)
        #expect(sums([beat(0), beat(180_001)]).onlineMilliseconds == 0)
    }

    @Test func theHourHasItsPartOfAStep() {
        let result = sums([beat(30_000)], carry: beat(-60_000), next: beat(3_610_000))
        #expect(result.onlineMilliseconds == 30_000)
        #expect(sums([beat(3_550_000)], next: beat(3_640_000)).onlineMilliseconds == 50_000)
    }

    @Test func sosIsLatchedAndRebootsAreCounted() {
        let result = sums([
            beat(0, battery: 90, sos: true, boot: "a"), beat(60_000, battery: 89, sos: true, boot: "a"),
            beat(120_000, battery: 88, sos: false, boot: "b"), beat(180_000, sos: true, boot: "b"),
        ])
        #expect(result.sos == 2 && result.reboots == 1)
        #expect(result.batteryStart == 9000 && result.batteryEnd == 8800 && result.drain == 200)
        #expect(result.dischargingMilliseconds == 120_000)
    }
}
