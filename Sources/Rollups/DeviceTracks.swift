public import Telemetry

/// The hours of all vehicles (``VehicleHour``).
public final class VehicleTracks {
    public typealias Load = (_ device: UInt32, _ from: Timestamp, _ to: Timestamp, (VehicleFix) -> Void) -> Void
    private let tracks: Tracks<VehicleHour>

    public init(zone: LocalZone, load: @escaping Load) { tracks = Tracks(zone: zone, load: load) }

    public func reserve(device: UInt32, newest: Timestamp = .distantPast) { tracks.reserve(device: device, newest: newest) }

    /// Adds an accepted reading, at the engine's clock.
    public func add(_ reading: borrowing Reading, clock: Timestamp) {
        tracks.add(device: reading.device, VehicleFix(reading), clock: reading.isBackfill ? clock : nil)
    }

    /// An hour whose rows may not hold all its readings: it is computed again with the next flush.
    public func note(device: UInt32, ts: Timestamp) { tracks.note(device, ts, nil) }

    /// The start of the hour that a clock on the wall shows.
    public func hour(_ moment: Timestamp) -> Timestamp { tracks.hour(moment) }

    public var hasUnflushed: Bool { tracks.hasUnflushed }

    /// Hands over the hours that changed; all readings that were added must be in the store.
    public func flush(_ take: (_ device: UInt32, _ hour: VehicleHour, _ state: TrackState) throws -> Void) rethrows {
        try tracks.flush(take)
    }
}

/// The hours of all cameras (``BodycamHour``).
public final class BodycamTracks {
    public typealias Load = (_ device: UInt32, _ from: Timestamp, _ to: Timestamp, (Heartbeat) -> Void) -> Void
    private let tracks: Tracks<BodycamHour>

    public init(zone: LocalZone, load: @escaping Load) { tracks = Tracks(zone: zone, load: load) }

    public func reserve(device: UInt32, newest: Timestamp = .distantPast) { tracks.reserve(device: device, newest: newest) }

    /// Adds an accepted reading, at the engine's clock.
    public func add(_ reading: borrowing Reading, boot: UnsafeBufferPointer<UInt8>, clock: Timestamp) {
        tracks.add(device: reading.device, unsafe Heartbeat(reading, boot: boot), clock: reading.isBackfill ? clock : nil)
    }

    public func note(device: UInt32, ts: Timestamp) { tracks.note(device, ts, nil) }

    /// The start of the hour that a clock on the wall shows.
    public func hour(_ moment: Timestamp) -> Timestamp { tracks.hour(moment) }

    public var hasUnflushed: Bool { tracks.hasUnflushed }

    public func flush(_ take: (_ device: UInt32, _ hour: BodycamHour, _ state: TrackState) throws -> Void) rethrows {
        try tracks.flush(take)
    }
}
