public import Telemetry

/// A vehicle's position as the tracks need it.
public struct VehicleFix: BitwiseCopyable, Sendable {
    public var ts: Timestamp
    public var place: Position
    /// km/h, −1 where none was sent.
    var speed: Double
    /// In metres; 30 where none was sent.
    var accuracy: Double
    /// −1 where it was not sent.
    var ignition: Int8

    public init(_ reading: borrowing Reading) {
        ts = reading.ts
        place = Position(latitude: reading.values[VehicleValue.lat], longitude: reading.values[VehicleValue.lon])
        speed = reading.value(VehicleValue.speed) ?? -1
        accuracy = reading.value(VehicleValue.accuracy) ?? VehicleHour.accuracyMetres
        ignition = reading.bit(0).map { $0 ? 1 : 0 } ?? -1
    }
}

extension VehicleFix: TrackFix {
    static func isOrdered(_ a: VehicleFix, _ b: VehicleFix) -> Bool {
        (a.ts.milliseconds, a.place.latitude, a.place.longitude, a.speed, a.accuracy, Double(a.ignition))
            < (b.ts.milliseconds, b.place.latitude, b.place.longitude, b.speed, b.accuracy, Double(b.ignition))
    }
}

/// What is counted of a vehicle in a stretch of time; whole numbers, so that hours add up to days exactly.
public struct VehicleSums: BitwiseCopyable, Sendable, Equatable {
    public struct Fix: BitwiseCopyable, Sendable, Equatable {
        public var ts: Timestamp
        public var place: Position

        public init(ts: Timestamp, place: Position) {
            self.ts = ts
            self.place = place
        }
    }

    public var distanceMillimetres: Int64 = 0
    public var movingMilliseconds: Int64 = 0
    /// Standing with the ignition on; and with it off, or not known.
    public var idlingMilliseconds: Int64 = 0
    public var stoppedMilliseconds: Int64 = 0
    /// In hundredths of a km/h.
    public var maxSpeed: Int64?
    public var fixes: Int64 = 0
    /// Fixes that were left out: an implied speed over 200 km/h, or a place near 0, 0.
    public var spikes: Int64 = 0
    public var first: Fix?
    public var last: Fix?

    public init() {}

    var isEmpty: Bool { fixes == 0 && spikes == 0 && movingMilliseconds + idlingMilliseconds + stoppedMilliseconds == 0 }
}

/// Standing in one place, within an hour; those of neighbouring hours that touch are one.
public struct VehicleStay: BitwiseCopyable, Sendable, Equatable {
    public var start: Timestamp
    public var end: Timestamp
    public var place: Position
}

/// An hour of a vehicle.
///
/// **Distance** is counted from an anchor: a fix that lies further from it than the accuracy of either (30 m where none was
/// sent) is a movement and the new anchor. A parked car's jitter stays within it and drives 0 m; a car that creeps counts
/// whenever it has left it. The hour's first anchor is the last fix before it.
///
/// **Time** between two fixes at most 10 minutes apart is moving, idling or stopped. Since the anchor was set it is moving
/// when the movement was made at 1 m/s or more; else only the last step is, and what was before stood. After a minute
/// without a movement it stands. A step across the hour's end belongs to both hours, by duration.
public struct VehicleHour: TrackFold, Equatable {
    typealias Fix = VehicleFix
    static let accuracyMetres = 30.0
    static let spikeKilometresPerHour = 200.0
    /// So long may the vehicle be within its anchor's circle until it stands.
    static let patienceMilliseconds: Int64 = 60_000

    public struct Minute: BitwiseCopyable, Sendable, Equatable {
        /// Of the hour, 0…59.
        public var number: Int
        public var sums = VehicleSums()
    }

    public let start: Timestamp
    public private(set) var sums = VehicleSums()
    /// Ascending.
    public private(set) var minutes: [Minute] = []
    public private(set) var stays: [VehicleStay] = []
    /// Minutes from this one on are not as they were last written.
    public private(set) var changedFrom = 0
    private var anchor: VehicleFix?
    private var last: VehicleFix?
    /// The last fix, where it was left out as a spike.
    private var suspect: VehicleFix?
    /// Time from here on is not counted yet.
    private var since = Timestamp.distantPast

    init(start: Timestamp, carry: VehicleFix?) {
        self.start = start
        if let carry, !VehicleHour.isNowhere(carry.place) {
            anchor = carry
            last = carry
            since = carry.ts
        }
    }

    public static func == (a: VehicleHour, b: VehicleHour) -> Bool {
        a.start == b.start && a.sums == b.sums && a.minutes == b.minutes && a.stays == b.stays
    }

    var hasReadings: Bool { sums.fixes + sums.spikes > 0 }
    private var end: Timestamp { start + Track.hour }

    private static func isNowhere(_ place: Position) -> Bool { abs(place.latitude) < 0.01 && abs(place.longitude) < 0.01 }

    private static func metres(_ a: Position, _ b: Position) -> Double {
        abs(a.latitude - b.latitude) + abs(a.longitude - b.longitude) < 0.5 ? a.metresNearby(to: b) : a.metres(to: b)
    }

    /// Whether nothing on wheels comes from the last fix to this one in that time.
    private func isSpike(_ fix: VehicleFix) -> Bool {
        VehicleHour.isNowhere(fix.place) || last.map { VehicleHour.isOutOfReach(fix, from: $0) } == true
    }

    private static func isOutOfReach(_ fix: VehicleFix, from last: VehicleFix) -> Bool {
        let metres = VehicleHour.metres(last.place, fix.place)
        let milliseconds = Double(fix.ts - last.ts)
        if milliseconds <= 0 { return metres > max(last.accuracy, fix.accuracy) }
        return metres / milliseconds * 3600 > VehicleHour.spikeKilometresPerHour
            && metres > max(last.accuracy, fix.accuracy)
    }

    mutating func add(_ fix: VehicleFix) {
        if isSpike(fix) {
            guard let suspect, !VehicleHour.isNowhere(fix.place), !VehicleHour.isOutOfReach(fix, from: suspect) else {
                if !VehicleHour.isNowhere(fix.place) { suspect = fix }
                return count(at: fix.ts) { $0.spikes += 1 }
            }
            // Two agree: it was the fix before them that was wrong.
            if let last { stand(since, last.ts) }
            (anchor, last) = (nil, nil)
        }
        suspect = nil
        let seen = VehicleSums.Fix(ts: fix.ts, place: fix.place)
        var speed = fix.speed
        if speed < 0, let last, fix.ts > last.ts, fix.ts - last.ts <= Track.gapMilliseconds {
            let metres = VehicleHour.metres(last.place, fix.place)
            speed = metres > max(last.accuracy, fix.accuracy) ? metres / Double(fix.ts - last.ts) * 3600 : 0
        }
        count(at: fix.ts) {
            $0.fixes += 1
            if $0.first == nil { $0.first = seen }
            $0.last = seen
            if speed >= 0 { $0.maxSpeed = max($0.maxSpeed ?? 0, Int64((speed * 100).rounded())) }
        }
        guard let anchor, let last else {
            (self.anchor, self.last, since) = (fix, fix, fix.ts)
            return
        }
        let metres = VehicleHour.metres(anchor.place, fix.place)
        let moved = metres > max(anchor.accuracy, fix.accuracy)
        if moved {
            count(at: fix.ts) { $0.distanceMillimetres += Int64((metres * 1000).rounded()) }
        }
        pass(to: fix, last, movedMetres: moved ? metres : nil)
        if moved { self.anchor = fix }
        self.last = fix
    }

    /// Counts the time up to a fix.
    private mutating func pass(to fix: VehicleFix, _ last: VehicleFix, movedMetres: Double?) {
        if fix.ts - last.ts > Track.gapMilliseconds {
            stand(since, last.ts)
            since = fix.ts
        } else if let metres = movedMetres {
            if metres * 1000 >= Double(fix.ts - since) {
                move(since, fix.ts)
            } else {
                stand(since, last.ts)
                move(max(since, last.ts), fix.ts)
            }
            since = fix.ts
        } else if fix.ts - since > VehicleHour.patienceMilliseconds {
            stand(since, fix.ts)
            since = fix.ts
        }
    }

    mutating func markWritten() { changedFrom = 60 }

    mutating func end(with next: VehicleFix?) {
        guard let last, let anchor else { return }
        if let next, !isSpike(next) {
            let metres = VehicleHour.metres(anchor.place, next.place)
            let moved = metres > max(anchor.accuracy, next.accuracy)
            pass(to: next, last, movedMetres: moved ? metres : nil)
            if since < end { stand(since, min(next.ts, end)) }
        } else {
            stand(since, last.ts)
        }
        since = end
    }

    private mutating func move(_ from: Timestamp, _ to: Timestamp) {
        spread(from, to) { $0.movingMilliseconds += $1 }
    }

    private mutating func stand(_ from: Timestamp, _ to: Timestamp) {
        let from = max(from, start)
        let to = min(to, end)
        guard from < to, let anchor else { return }
        let isIdling = last?.ignition == 1
        spread(from, to) { if isIdling { $0.idlingMilliseconds += $1 } else { $0.stoppedMilliseconds += $1 } }
        if let stay = stays.last, stay.end == from {
            stays[stays.count - 1].end = to
        } else {
            stays.append(VehicleStay(start: from, end: to, place: anchor.place))
        }
    }

    /// Gives each minute its part of a stretch of time, as far as it lies in the hour.
    private mutating func spread(_ from: Timestamp, _ to: Timestamp, _ body: (inout VehicleSums, Int64) -> Void) {
        var at = max(from, start)
        let to = min(to, end)
        while at < to {
            let next = min(to, at.bucketStart(widthMilliseconds: 60_000) + 60_000)
            body(&minutes[minute(at)].sums, next - at)
            body(&sums, next - at)
            at = next
        }
    }

    private mutating func count(at moment: Timestamp, _ body: (inout VehicleSums) -> Void) {
        body(&minutes[minute(moment)].sums)
        body(&sums)
    }

    /// Index in `minutes` of the minute that holds a moment of the hour.
    private mutating func minute(_ moment: Timestamp) -> Int {
        let number = Int((moment - start) / 60_000)
        changedFrom = min(changedFrom, number)
        var index = minutes.count
        while index > 0, minutes[index - 1].number > number { index -= 1 }
        if index > 0, minutes[index - 1].number == number { return index - 1 }
        minutes.insert(Minute(number: number), at: index)
        return index
    }
}

extension VehicleSums {
    /// Adds what followed.
    public mutating func append(_ later: VehicleSums) {
        distanceMillimetres += later.distanceMillimetres
        movingMilliseconds += later.movingMilliseconds
        idlingMilliseconds += later.idlingMilliseconds
        stoppedMilliseconds += later.stoppedMilliseconds
        if let speed = later.maxSpeed { maxSpeed = max(maxSpeed ?? 0, speed) }
        fixes += later.fixes
        spikes += later.spikes
        if first == nil { first = later.first }
        if let fix = later.last { last = fix }
    }
}
