import Rollups
import Store
import Telemetry

/// Vehicles and cameras on a store: hours as they are built, their rows and those of minutes and days.
final class TrackRollups {
    let vehicles: VehicleTracks
    let cameras: BodycamTracks
    private let store: StoreWriter
    private let zone: LocalZone
    private let source: Source
    private var flushes: UInt32 = 0
    /// Days whose hours have changed, each with the input up to which its row is complete.
    private var days: [Day: Int64] = [:]
    private var flushedInput: Int64

    private struct Day: Hashable {
        let kind: Kind
        let device: UInt32
        let day: LocalDay
    }

    /// Where readings that are looked at again come from: the store by device and time, or at a start what one run over
    /// the table has collected.
    private final class Source {
        var vehicles: [UInt32: [VehicleFix]]?
        var cameras: [UInt32: [Heartbeat]]?
    }

    /// - Parameter flushedInput: every reading up to this input stands in all its rows.
    init(
        zone: LocalZone, store: StoreWriter, stored: StoredReadings, flushedInput: Int64, failure: Engine.LoadFailure
    ) {
        self.store = store
        self.flushedInput = flushedInput
        self.zone = zone
        let source = Source()
        self.source = source
        func find(_ kind: Kind, _ device: UInt32, _ from: Timestamp, _ to: Timestamp, _ body: (StoredReadings.Stored) -> Void) {
            do throws(StoreError) {
                try stored.find(kind: kind, device: device, from: from, to: to, body)
            } catch {
                failure.error = error
            }
        }
        vehicles = VehicleTracks(zone: zone) { device, from, to, add in
            if let all = source.vehicles {
                for fix in all[device] ?? [] where fix.ts >= from && fix.ts < to { add(fix) }
            } else {
                find(.vehicle, device, from, to) { add(VehicleFix($0.reading)) }
            }
        }
        cameras = BodycamTracks(zone: zone) { device, from, to, add in
            if let all = source.cameras {
                for beat in all[device] ?? [] where beat.ts >= from && beat.ts < to { add(beat) }
            } else {
                find(.bodycam, device, from, to) { add(Heartbeat($0)) }
            }
        }
    }

    func reserve(_ device: UInt32, kind: Kind, newest: Timestamp = .distantPast) {
        switch kind {
        case .noise: break
        case .vehicle: vehicles.reserve(device: device, newest: newest)
        case .bodycam: cameras.reserve(device: device, newest: newest)
        }
    }

    var hasUnflushed: Bool { vehicles.hasUnflushed || cameras.hasUnflushed || !days.isEmpty }

    /// Every reading up to this input stands in all its rows, when what is written is committed.
    var completeInput: Int64 {
        min(days.values.min() ?? .max, vehicles.hasUnflushed || cameras.hasUnflushed ? flushedInput : .max)
    }

    /// Writes what changed. The batch's readings must be in the store.
    /// - Parameters:
    ///   - isLast: days too, all of them; else a quarter of them, by device.
    ///   - input: number of the last reading.
    func write(isLast: Bool, input: Int64) throws(StoreError) {
        flushes &+= 1
        do {
            try vehicles.flush { device, hour, state in try write(device, hour, state) }
            try cameras.flush { device, hour, state in try write(device, hour, state) }
        } catch let error as StoreError {
            throw error
        } catch {
            preconditionFailure("the store throws StoreError only: \(error)")
        }
        for day in days.keys where isLast || (day.device &+ flushes) % 4 == 0 {
            try write(day)
            days[day] = nil
        }
        flushedInput = input
    }

    private func write(_ device: UInt32, _ hour: VehicleHour, _ state: TrackState) throws(StoreError) {
        let end = hour.start + 3_600_000
        let revised = TrackRollups.revised(state)
        try store.write(
            .vehicleHour, device: device, bucket: hour.start, milliseconds: 3_600_000, values: hour.sums.values, revised: revised)
        if case .again = state { try store.deleteVehicleMinutes(device: device, from: hour.start, to: end) }
        for minute in hour.minutes where minute.number >= hour.changedFrom {
            try store.write(
                .vehicleMinute, device: device, bucket: hour.start + Int64(minute.number) * 60_000, milliseconds: 60_000,
                values: minute.sums.values, revised: revised)
        }
        try store.write(
            stays: hour.stays.map { ($0.start, $0.end, $0.place.fixedLatitude, $0.place.fixedLongitude) }, device: device,
            from: hour.start, to: end)
        days[Day(kind: .vehicle, device: device, day: zone.day(hour.start)), default: flushedInput] += 0
    }

    private func write(_ device: UInt32, _ hour: BodycamHour, _ state: TrackState) throws(StoreError) {
        try store.write(
            .bodycamHour, device: device, bucket: hour.start, milliseconds: 3_600_000, values: hour.sums.values,
            revised: TrackRollups.revised(state))
        days[Day(kind: .bodycam, device: device, day: zone.day(hour.start)), default: flushedInput] += 0
    }

    private static func revised(_ state: TrackState) -> Timestamp? {
        if case .again(let late) = state { return late }
        return nil
    }

    /// A day from its hours.
    private func write(_ day: Day) throws(StoreError) {
        let start = zone.moment(day.day)
        let end = zone.moment(day.day + 1)
        var vehicle = VehicleSums()
        var camera = BodycamSums()
        var at = start
        while at < end {
            if day.kind == .vehicle {
                if let values = try store.values(.vehicleHour, device: day.device, bucket: at) { vehicle.append(VehicleSums(values)) }
            } else {
                if let values = try store.values(.bodycamHour, device: day.device, bucket: at) { camera.append(BodycamSums(values)) }
            }
            at = at + 3_600_000
        }
        try store.write(
            day.kind == .vehicle ? .vehicleDay : .bodycamDay, device: day.device, bucket: start, milliseconds: end - start,
            values: day.kind == .vehicle ? vehicle.values : camera.values, revised: nil)
    }

    // MARK: Start

    /// Computes hours again whose rows may not hold all their readings, in one run over the readings around them.
    /// - Parameter hours: by kind and device, a moment of each.
    func restore(_ hours: [Kind: [UInt32: Set<Timestamp>]]) throws(StoreError) {
        let around: Int64 = 3 * 3_600_000
        for (kind, devices) in hours {
            let all = Set(devices.values.joined()).sorted()
            try collect(
                kind, inParts: { from, to in all.contains { $0 + around > from && $0 + -around < to } },
                { device, ts in devices[device]?.contains { ts >= $0 + -around && ts <= $0 + around } == true })
            for (device, moments) in devices { for ts in moments { note(kind, device, ts) } }
        }
        defer { (source.vehicles, source.cameras) = (nil, nil) }
        try write(isLast: true, input: flushedInput)
    }

    /// Segments read in one run over the readings, where an hour alone has not more.
    private static let segments = 8

    /// Computes all hours from a moment on again: in each run over the readings as many hours as lie in a few segments.
    func restoreAll(from first: Timestamp) throws(StoreError) {
        defer { (source.vehicles, source.cameras) = (nil, nil) }
        for kind in [Kind.vehicle, .bodycam] {
            var present: Set<Timestamp> = []
            try store.storedReadings(kind: kind, inParts: { _, to in to >= first }) {
                if $0.reading.ts >= first { present.insert($0.reading.ts.bucketStart(widthMilliseconds: 3_600_000)) }
            }
            let spans = try store.segmentSpans(kind: kind)
            let hours = present.sorted()
            var next = 0
            while next < hours.count {
                let from = hours[next] + -7_200_000
                var end = next + 1
                while end < hours.count,
                    spans.count(where: { $0.to >= from && $0.from < hours[end] + 3 * 3_600_000 }) <= TrackRollups.segments { end += 1 }
                let to = hours[end - 1] + 3 * 3_600_000
                let chosen = max(hours[next], first)..<hours[end - 1] + 3_600_000
                var touched: Set<Late> = []
                try collect(kind, inParts: { $1 >= from && $0 < to }) { device, ts in
                    if chosen.contains(ts) { touched.insert(Late(device: device, hour: ts.bucketStart(widthMilliseconds: 3_600_000))) }
                    return ts >= from && ts < to
                }
                // In zones of half an hour two hours of the wall's clock lie in one of UTC.
                for late in touched { for part in 0..<2 { note(kind, late.device, late.hour + Int64(part) * 1_800_000) } }
                try write(isLast: false, input: flushedInput)
                (source.vehicles, source.cameras) = (nil, nil)
                next = end
            }
        }
        try write(isLast: true, input: flushedInput)
    }

    private struct Late: Hashable {
        let device: UInt32
        let hour: Timestamp
    }

    private func note(_ kind: Kind, _ device: UInt32, _ ts: Timestamp) {
        if kind == .vehicle { vehicles.note(device: device, ts: ts) } else { cameras.note(device: device, ts: ts) }
    }

    private func collect(
        _ kind: Kind, inParts touches: (_ from: Timestamp, _ to: Timestamp) -> Bool, _ includes: (UInt32, Timestamp) -> Bool
    ) throws(StoreError) {
        if source.vehicles == nil { (source.vehicles, source.cameras) = ([:], [:]) }
        try store.storedReadings(kind: kind, inParts: touches) { stored in
            let device = stored.reading.device
            guard includes(device, stored.reading.ts) else { return }
            if kind == .vehicle {
                source.vehicles?[device, default: []].append(VehicleFix(stored.reading))
            } else {
                source.cameras?[device, default: []].append(Heartbeat(stored))
            }
        }
    }
}

extension Position {
    fileprivate var fixedLatitude: Int64 { Int64((latitude * 1e7).rounded()) }
    fileprivate var fixedLongitude: Int64 { Int64((longitude * 1e7).rounded()) }
}

extension VehicleSums {
    /// In the order of the table's columns, and back.
    fileprivate var values: [Int64?] {
        [
            distanceMillimetres, movingMilliseconds, idlingMilliseconds, stoppedMilliseconds, maxSpeed, fixes, spikes,
            first?.ts.milliseconds, first?.place.fixedLatitude, first?.place.fixedLongitude, last?.ts.milliseconds,
            last?.place.fixedLatitude, last?.place.fixedLongitude,
        ]
    }

    fileprivate init(_ values: [Int64?]) {
        self.init()
        func fix(_ index: Int) -> Fix? {
            guard let ts = values[index], let lat = values[index + 1], let lon = values[index + 2] else { return nil }
            return Fix(
                ts: Timestamp(milliseconds: ts), place: Position(latitude: Double(lat) / 1e7, longitude: Double(lon) / 1e7))
        }
        distanceMillimetres = values[0] ?? 0
        movingMilliseconds = values[1] ?? 0
        idlingMilliseconds = values[2] ?? 0
        stoppedMilliseconds = values[3] ?? 0
        maxSpeed = values[4]
        fixes = values[5] ?? 0
        spikes = values[6] ?? 0
        first = fix(7)
        last = fix(10)
    }
}

extension BodycamSums {
    fileprivate var values: [Int64?] {
        [
            onlineMilliseconds, recordingMilliseconds, batteryStart, batteryEnd, drain, dischargingMilliseconds, reboots, sos,
            storageFree, heartbeats,
        ]
    }

    fileprivate init(_ values: [Int64?]) {
        self.init()
        onlineMilliseconds = values[0] ?? 0
        recordingMilliseconds = values[1] ?? 0
        batteryStart = values[2]
        batteryEnd = values[3]
        drain = values[4] ?? 0
        dischargingMilliseconds = values[5] ?? 0
        reboots = values[6] ?? 0
        sos = values[7] ?? 0
        storageFree = values[8]
        heartbeats = values[9] ?? 0
    }
}

extension Heartbeat {
    fileprivate init(_ stored: StoredReadings.Stored) {
        var boot = stored.boot
        self = boot.withUTF8 { unsafe Heartbeat(stored.reading, boot: $0) }
    }
}
