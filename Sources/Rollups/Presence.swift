public import Telemetry

/// What a device said at a moment, as far as presence needs it.
public struct PresenceFix: Sendable {
    public var ts: Timestamp
    /// Nil where none was sent.
    public var place: Position?
    /// Metres; 30 where none was sent.
    public var accuracy: Double
    public var isRecording: Bool
    /// What its place lies in, by numbers of the caller's own; sorted.
    public var places: [Int]

    public init(_ reading: borrowing Reading, places: (Position) -> [Int]) {
        let fix = reading.fix
        ts = reading.ts
        place = fix?.position
        accuracy = fix?.accuracyMetres ?? VehicleHour.accuracyMetres
        let recording = reading.bit(1)
        let kind = reading.kind
        isRecording = kind == .bodycam && recording == true
        self.places = place.map(places) ?? []
    }
}

/// What was counted in a window of time.
public struct PresenceSums: Sendable, Equatable {
    /// Between readings no further apart than allowed; and of that, recording.
    public var onlineMilliseconds: Int64 = 0, recordingMilliseconds: Int64 = 0
    public var distanceMetres = 0.0
    /// By the numbers of places: time in them, distance driven up to fixes in them, times entered.
    public var inside: [Int: Int64] = [:]
    public var metresInside: [Int: Double] = [:]
    public var visits: [Int: Int] = [:]

    public init() {}
}

/// The presence of one device in windows of time, from its readings in order of time. Between two readings what the first
/// one said holds, for as long as a device of its kind may be silent; a step over a window's edge is divided there.
/// Distance is counted as in ``VehicleHour``: from an anchor, beyond the accuracy of either fix.
public struct PresenceFold: Sendable {
    /// From inclusive, until exclusive; sorted; may meet, not overlap.
    public let windows: [(from: Timestamp, until: Timestamp)]
    public private(set) var sums: [PresenceSums]
    private let silence: Int64
    private var last: PresenceFix?
    private var anchor: PresenceFix?
    private var current = 0

    public init(kind: Kind, windows: [(from: Timestamp, until: Timestamp)]) {
        self.windows = windows
        sums = Array(repeating: PresenceSums(), count: windows.count)
        silence = kind == .bodycam ? BodycamHour.offlineMilliseconds : Track.gapMilliseconds
    }

    public mutating func add(_ fix: PresenceFix) {
        defer { last = fix }
        while current < windows.count && windows[current].until <= (last?.ts ?? fix.ts) { current += 1 }
        if let last, fix.ts - last.ts <= silence { pass(last, fix) } else { enter(fix, from: []) }
        guard let place = fix.place else { return }
        guard let anchor, let before = anchor.place, fix.ts - anchor.ts <= Track.carryMilliseconds else { return self.anchor = fix }
        let metres = before.metres(to: place)
        guard metres > max(anchor.accuracy, fix.accuracy) else { return }
        // Nothing on wheels is that fast: the next fix says which of the two was wrong.
        if metres / Double(max(1, fix.ts - anchor.ts)) * 3600 <= VehicleHour.spikeKilometresPerHour, let window = window(at: fix.ts) {
            sums[window].distanceMetres += metres
            for number in fix.places { sums[window].metresInside[number, default: 0] += metres }
        }
        self.anchor = fix
    }

    private func window(at moment: Timestamp) -> Int? {
        var index = current
        while index < windows.count, windows[index].until <= moment { index += 1 }
        return index < windows.count && windows[index].from <= moment ? index : nil
    }

    private mutating func pass(_ last: PresenceFix, _ fix: PresenceFix) {
        var index = current
        while index < windows.count, windows[index].from < fix.ts {
            let time = max(0, min(fix.ts, windows[index].until) - max(last.ts, windows[index].from))
            sums[index].onlineMilliseconds += time
            if last.isRecording { sums[index].recordingMilliseconds += time }
            if time > 0 { for number in last.places { sums[index].inside[number, default: 0] += time } }
            index += 1
        }
        enter(fix, from: last.places)
    }

    private mutating func enter(_ fix: PresenceFix, from before: [Int]) {
        guard let window = window(at: fix.ts) else { return }
        for number in fix.places where !before.contains(number) { sums[window].visits[number, default: 0] += 1 }
    }
}
