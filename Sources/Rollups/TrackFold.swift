public import Telemetry

/// What the readings of one device in one hour come to, taken in order of time: a function of the last reading before the
/// hour, those in it, and the first one behind it. Nothing else of the past is in it, so that an hour can be computed
/// again from its readings alone.
protocol TrackFold: Sendable {
    associatedtype Fix: TrackFix
    /// - Parameter carry: the last reading before the hour, where it is not too old.
    init(start: Timestamp, carry: Fix?)
    mutating func add(_ fix: Fix)
    /// The hour is over: `next` is the first reading behind it, nil where none followed soon.
    mutating func end(with next: Fix?)
    /// Its rows are written as they stand.
    mutating func markWritten()
    var start: Timestamp { get }
    var hasReadings: Bool { get }
}

protocol TrackFix: Sendable {
    var ts: Timestamp { get }
    /// An order in which no two different readings are equal.
    static func isOrdered(_ a: Self, _ b: Self) -> Bool
}

enum Track {
    static let hour: Int64 = 3_600_000
    /// A reading before the hour counts as its beginning when it is no older, one behind it as its end.
    static let carryMilliseconds: Int64 = 3_600_000
    static let gapMilliseconds: Int64 = 600_000
}

/// How an hour comes to be written.
public enum TrackState: Sendable, Equatable {
    /// It goes on.
    case open
    /// A reading of the next hour has come.
    case over
    /// Computed from all its readings, which may have left minutes out that have rows; with the clock of a late reading.
    case again(late: Timestamp?)
}

/// The open hour of each device, built as readings come; hours that a late reading changes are computed again from all
/// their readings (`load`). One thread owns it.
final class Tracks<Fold: TrackFold> {
    /// Calls back with each stored reading of a device with `from <= ts < to`.
    typealias Load = (_ device: UInt32, _ from: Timestamp, _ to: Timestamp, (Fold.Fix) -> Void) -> Void

    private struct Open {
        var fold: Fold
        var last: Fold.Fix
        var isDirty: Bool
    }

    private struct Late: Hashable {
        let device: UInt32
        let hour: Timestamp
    }

    let zone: LocalZone
    private let load: Load
    private var open: [Open?] = []
    /// The newest stored `ts` of devices whose hour is not in memory.
    private var newest: [Timestamp] = []
    private var closed: [(device: UInt32, fold: Fold)] = []
    private var late: [Late: Timestamp] = [:]
    private var dirty: [UInt32] = []

    init(zone: LocalZone, load: @escaping Load) {
        self.zone = zone
        self.load = load
    }

    func reserve(device: UInt32, newest ts: Timestamp) {
        while open.count <= Int(device) {
            open.append(nil)
            newest.append(.distantPast)
        }
        if ts > newest[Int(device)] { newest[Int(device)] = ts }
    }

    /// The start of the hour that a clock on the wall shows.
    func hour(_ moment: Timestamp) -> Timestamp { moment + -(zone.local(moment).milliseconds % Track.hour) }

    var hasUnflushed: Bool { !dirty.isEmpty || !closed.isEmpty || !late.isEmpty }

    /// - Parameter clock: of a reading that is late, nil otherwise.
    func add(device: UInt32, _ fix: Fold.Fix, clock: Timestamp?) {
        let index = Int(device)
        guard open[index] != nil else {
            // Without a reading shortly before it, an hour begins with this one; else what is stored must be looked at.
            if fix.ts - newest[index] > Track.carryMilliseconds + Track.hour {
                begin(device, Fold(start: hour(fix.ts), carry: nil), fix)
            } else {
                note(device, fix.ts, clock)
            }
            return
        }
        guard fix.ts > open[index]!.last.ts else { return note(device, fix.ts, clock) }
        if fix.ts < open[index]!.fold.start + Track.hour {
            open[index]!.fold.add(fix)
            open[index]!.last = fix
            markDirty(device)
            return
        }
        let last = open[index]!.last
        open[index]!.fold.end(with: fix.ts - last.ts <= Track.gapMilliseconds ? fix : nil)
        closed.append((device, open[index]!.fold))
        let start = hour(fix.ts)
        begin(device, Fold(start: start, carry: start - last.ts <= Track.carryMilliseconds ? last : nil), fix)
    }

    private func begin(_ device: UInt32, _ fold: Fold, _ fix: Fold.Fix) {
        var fold = fold
        fold.add(fix)
        let wasDirty = open[Int(device)]?.isDirty ?? false
        open[Int(device)] = Open(fold: fold, last: fix, isDirty: wasDirty)
        markDirty(device)
    }

    private func markDirty(_ device: UInt32) {
        if !open[Int(device)]!.isDirty {
            open[Int(device)]!.isDirty = true
            dirty.append(device)
        }
    }

    /// An hour whose readings must be looked at again.
    func note(_ device: UInt32, _ ts: Timestamp, _ clock: Timestamp?) {
        reserve(device: device, newest: ts)
        let key = Late(device: device, hour: hour(ts))
        late[key] = max(late[key] ?? .distantPast, clock ?? .distantPast)
    }

    typealias Take = (_ device: UInt32, _ fold: Fold, _ state: TrackState) throws -> Void

    /// Hands over hours that changed. All readings that were added must be in the store.
    func flush(_ take: Take) rethrows {
        for (device, fold) in closed { try take(device, fold, .over) }
        closed.removeAll(keepingCapacity: true)
        for (key, clock) in late {
            for step in -1...1 {
                try recompute(key.device, key.hour + Int64(step) * Track.hour, clock == .distantPast ? nil : clock, take)
            }
        }
        late.removeAll(keepingCapacity: true)
        for device in dirty {
            guard var fold = open[Int(device)]?.fold else { continue }
            fold.end(with: nil)
            try take(device, fold, .open)
            open[Int(device)]!.fold.markWritten()
            open[Int(device)]!.isDirty = false
        }
        dirty.removeAll(keepingCapacity: true)
    }

    private func recompute(
        _ device: UInt32, _ start: Timestamp, _ clock: Timestamp?, _ take: Take
    ) rethrows {
        var fixes: [Fold.Fix] = []
        load(device, start + -Track.carryMilliseconds, start + Track.hour + Track.gapMilliseconds) { fixes.append($0) }
        fixes.sort(by: Fold.Fix.isOrdered)
        var fold = Fold(start: start, carry: fixes.last { $0.ts < start })
        for fix in fixes where fix.ts >= start && fix.ts < start + Track.hour { fold.add(fix) }
        guard fold.hasReadings, let last = fixes.last(where: { $0.ts < start + Track.hour }) else { return }
        let isNewest = last.ts >= newest[Int(device)] && (open[Int(device)].map { $0.fold.start <= start } ?? true)
        if isNewest {
            open[Int(device)] = Open(fold: fold, last: last, isDirty: open[Int(device)]?.isDirty ?? false)
        }
        let next = fixes.first { $0.ts >= start + Track.hour }
        fold.end(with: next.flatMap { $0.ts - last.ts <= Track.gapMilliseconds ? $0 : nil })
        try take(device, fold, .again(late: clock))
    }
}
