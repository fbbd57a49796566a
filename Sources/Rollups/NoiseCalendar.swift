import Telemetry

/// When day and night begin, in ms after local midnight; settable, because a county may move them (domain §1).
public struct NoiseBoundaries: Sendable, Equatable {
    /// Ld runs from `day` to `night`, Ln from `night` to `day` of the next date.
    public var day: Int64 = 6 * 3_600_000
    public var night: Int64 = 22 * 3_600_000
    /// Lden has periods of its own (Directive 2002/49/EC, annex I).
    public var ldenDay: Int64 = 7 * 3_600_000
    public var ldenEvening: Int64 = 19 * 3_600_000
    public var ldenNight: Int64 = 23 * 3_600_000

    public init() {}

    /// Whole minutes of one date, in the order of the day.
    public var areWell: Bool {
        [day, night, ldenDay, ldenEvening, ldenNight].allSatisfy { $0 % 60_000 == 0 && (0...86_400_000).contains($0) }
            && day < night && ldenDay < ldenEvening && ldenEvening < ldenNight
    }
}

/// The buckets coarser than a minute.
public enum NoiseSpan: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    case tenMinutes, twentyMinutes, hour, day

    /// Nil for days, whose length depends on the date.
    public var milliseconds: Int64? {
        switch self {
        case .tenMinutes: 600_000
        case .twentyMinutes: 1_200_000
        case .hour: 3_600_000
        case .day: nil
        }
    }
}

/// Parts of a day that have a level of their own. The night is the one that starts that evening.
enum NoisePeriod {
    static let day = 0, night = 1, ldenDay = 2, ldenEvening = 3, ldenNight = 4
    static let count = 5
}

/// A local date with its beginning, its end and its periods as moments. All are whole minutes: no zone has had an offset
/// with seconds since 2000.
struct NoiseDay: BitwiseCopyable, Sendable {
    let day: LocalDay
    let start: Timestamp
    let end: Timestamp
    let starts: InlineArray<5, Timestamp>
    let ends: InlineArray<5, Timestamp>

    init(_ day: LocalDay, zone: LocalZone, boundaries: NoiseBoundaries) {
        self.day = day
        start = zone.moment(day)
        end = zone.moment(day + 1)
        starts = [
            zone.moment(day, boundaries.day), zone.moment(day, boundaries.night), zone.moment(day, boundaries.ldenDay),
            zone.moment(day, boundaries.ldenEvening), zone.moment(day, boundaries.ldenNight),
        ]
        ends = [
            starts[1], zone.moment(day + 1, boundaries.day), starts[3], starts[4], zone.moment(day + 1, boundaries.ldenDay),
        ]
    }

    /// The periods that hold a moment, a bit each.
    @inline(__always)
    func periods(at moment: Timestamp) -> UInt8 {
        var mask: UInt8 = 0
        for period in 0..<NoisePeriod.count where starts[period] <= moment && moment < ends[period] { mask |= 1 << UInt8(period) }
        return mask
    }

    /// The earliest end of the periods in `mask`, at the latest `end`.
    @inline(__always)
    func firstEnd(of mask: UInt8, orAt end: Timestamp) -> Timestamp {
        var first = end
        for period in 0..<NoisePeriod.count where mask >> UInt8(period) & 1 == 1 { first = min(first, ends[period]) }
        return first
    }

    /// Whether the date or one of its periods begins or ends between the two; at them does not count.
    func hasBoundary(in start: Timestamp, _ end: Timestamp) -> Bool {
        func isWithin(_ moment: Timestamp) -> Bool { start < moment && moment < end }
        return isWithin(self.start) || isWithin(self.end)
            || (0..<NoisePeriod.count).contains { isWithin(starts[$0]) || isWithin(ends[$0]) }
    }

    var lastEnd: Timestamp { max(end, max(ends[NoisePeriod.night], ends[NoisePeriod.ldenNight])) }
}

/// Which buckets a minute belongs to. Hours and their parts are aligned to UTC, days to local midnight.
@safe
final class NoiseCalendar {
    private let zone: LocalZone
    let boundaries: NoiseBoundaries
    // The dates at hand, by their number modulo 16: two or three at a time in live data. Freed in deinit.
    private let days: UnsafeMutablePointer<NoiseDay>
    private var last = 0

    init(zone: LocalZone, boundaries: NoiseBoundaries) {
        self.zone = zone
        self.boundaries = boundaries
        unsafe days = .allocate(capacity: 16)
        unsafe days.initialize(
            repeating: NoiseDay(LocalDay(number: 0), zone: zone, boundaries: boundaries), count: 16)
    }

    deinit { unsafe days.deallocate() }

    @inline(__always)
    func day(_ day: LocalDay) -> NoiseDay {
        let place = Int(day.number & 15)
        if unsafe days[place].day != day {
            unsafe days[place] = NoiseDay(day, zone: zone, boundaries: boundaries)
        }
        return unsafe days[place]
    }

    @inline(__always)
    func day(containing moment: Timestamp) -> NoiseDay {
        if unsafe days[last].start <= moment && moment < days[last].end { return unsafe days[last] }
        var found = day(zone.day(moment))
        // Where the clock went back over midnight the date comes twice; the second time is the next day's.
        if moment >= found.end { found = day(found.day + 1) }
        last = Int(found.day.number & 15)
        return found
    }

    /// Start and end of the bucket that holds a moment.
    func bucket(_ span: NoiseSpan, containing moment: Timestamp) -> (start: Timestamp, end: Timestamp) {
        if let width = span.milliseconds {
            let start = moment.bucketStart(widthMilliseconds: width)
            return (start, start + width)
        }
        let day = day(containing: moment)
        return (day.start, day.end)
    }
}
