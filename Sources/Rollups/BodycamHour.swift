public import Telemetry

/// A camera's heartbeat as the tracks need it.
public struct Heartbeat: BitwiseCopyable, Sendable {
    public var ts: Timestamp
    /// Hundredths of a percent, −1 where it was not sent.
    var battery: Int32
    var isCharging: Bool
    var isRecording: Bool
    var isSOS: Bool
    /// Megabytes, −1 where it was not sent.
    var storageFree: Int64
    /// Of the boot id, 0 where it was not sent.
    var boot: UInt64

    /// - Parameter boot: the boot id's UTF-8, empty where it was not sent.
    public init(_ reading: borrowing Reading, boot: UnsafeBufferPointer<UInt8>) {
        ts = reading.ts
        battery = reading.value(BodycamValue.battery).map { Int32(($0 * 100).rounded()) } ?? -1
        isCharging = reading.bit(0) == true
        isRecording = reading.bit(1) == true
        isSOS = reading.bit(2) == true
        storageFree = reading.value(BodycamValue.storageFree).map { Int64($0.rounded()) } ?? -1
        // Never 0. By the text alone: a reading read back from the store has its texts beside it.
        self.boot = boot.isEmpty ? 0 : unsafe Identifier.fnv1a(boot) | 1
    }
}

extension Heartbeat: TrackFix {
    private var bits: Int { (isCharging ? 1 : 0) + (isRecording ? 2 : 0) + (isSOS ? 4 : 0) }

    static func isOrdered(_ a: Heartbeat, _ b: Heartbeat) -> Bool {
        (a.ts.milliseconds, a.battery, a.bits, a.storageFree, a.boot)
            < (b.ts.milliseconds, b.battery, b.bits, b.storageFree, b.boot)
    }
}

/// What is counted of a camera in a stretch of time.
public struct BodycamSums: BitwiseCopyable, Sendable, Equatable {
    /// Between heartbeats no further apart than allowed (GB/T 28181-2016 §9.6.1: three of 60 s); and of that, recording.
    public var onlineMilliseconds: Int64 = 0
    public var recordingMilliseconds: Int64 = 0
    /// The first and the last sent, in hundredths of a percent.
    public var batteryStart: Int64?, batteryEnd: Int64?
    /// What the battery lost while it was not charged, in hundredths of a percent, and for how long it was not.
    public var drain: Int64 = 0, dischargingMilliseconds: Int64 = 0
    public var reboots: Int64 = 0
    /// Times that SOS went on.
    public var sos: Int64 = 0
    /// The last sent, in MB.
    public var storageFree: Int64?
    public var heartbeats: Int64 = 0

    public init() {}

    /// Adds what followed.
    public mutating func append(_ later: BodycamSums) {
        onlineMilliseconds += later.onlineMilliseconds
        recordingMilliseconds += later.recordingMilliseconds
        batteryStart = batteryStart ?? later.batteryStart
        batteryEnd = later.batteryEnd ?? batteryEnd
        drain += later.drain
        dischargingMilliseconds += later.dischargingMilliseconds
        reboots += later.reboots
        sos += later.sos
        storageFree = later.storageFree ?? storageFree
        heartbeats += later.heartbeats
    }
}

/// An hour of a camera: time between two heartbeats goes by what the first of them said, a step across the hour's end to
/// both hours by duration; what changed between them (battery, boot, SOS) to the second one's hour.
public struct BodycamHour: TrackFold, Equatable {
    typealias Fix = Heartbeat
    /// Longer without a heartbeat is offline.
    static let offlineMilliseconds: Int64 = 180_000

    public let start: Timestamp
    public private(set) var sums = BodycamSums()
    private var last: Heartbeat?

    init(start: Timestamp, carry: Heartbeat?) {
        self.start = start
        last = carry
    }

    public static func == (a: BodycamHour, b: BodycamHour) -> Bool { a.start == b.start && a.sums == b.sums }

    var hasReadings: Bool { sums.heartbeats > 0 }

    mutating func add(_ fix: Heartbeat) {
        sums.heartbeats += 1
        if fix.battery >= 0 {
            sums.batteryStart = sums.batteryStart ?? Int64(fix.battery)
            sums.batteryEnd = Int64(fix.battery)
        }
        if fix.storageFree >= 0 { sums.storageFree = fix.storageFree }
        if fix.isSOS && last?.isSOS != true { sums.sos += 1 }
        if let last {
            if fix.boot != 0 && last.boot != 0 && fix.boot != last.boot { sums.reboots += 1 }
            pass(last, to: fix)
            if fix.ts - last.ts <= BodycamHour.offlineMilliseconds, !last.isCharging, last.battery >= 0, fix.battery >= 0 {
                sums.drain += Int64(max(0, last.battery - fix.battery))
                sums.dischargingMilliseconds += fix.ts - last.ts
            }
        }
        last = fix
    }

    private mutating func pass(_ last: Heartbeat, to next: Heartbeat) {
        guard next.ts - last.ts <= BodycamHour.offlineMilliseconds else { return }
        let time = max(0, min(next.ts, start + Track.hour) - max(last.ts, start))
        sums.onlineMilliseconds += time
        if last.isRecording { sums.recordingMilliseconds += time }
    }

    mutating func markWritten() {}

    mutating func end(with next: Heartbeat?) {
        if let next, let last { pass(last, to: next) }
        last = nil
    }
}
