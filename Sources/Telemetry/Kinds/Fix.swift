/// Where a device says it is.
extension Reading {
    /// The place, its moment and its accuracy in metres; nil for kinds without one and where it was not sent. Allocates
    /// nothing.
    @inlinable
    public var fix: (position: Position, at: Timestamp, accuracyMetres: Double?)? {
        switch kind {
        case .noise: return nil
        case .vehicle:
            guard let lat = value(VehicleValue.lat), let lon = value(VehicleValue.lon) else { return nil }
            return (Position(latitude: lat, longitude: lon), ts, value(VehicleValue.accuracy))
        case .bodycam:
            guard let lat = value(BodycamValue.lat), let lon = value(BodycamValue.lon) else { return nil }
            // The camera may repeat an old fix with each heartbeat.
            let at = value(BodycamValue.fixTime).map { Timestamp(milliseconds: Int64($0)) } ?? ts
            return (Position(latitude: lat, longitude: lon), at, value(BodycamValue.accuracy))
        }
    }
}
