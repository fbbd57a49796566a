extension KindDescription {
    /// A vehicle's position, WGS-84.
    static let vehicle = KindDescription(
        name: "vehicle",
        fields: [
            .number("lat", VehicleValue.lat, -90...90, unit: "°", required: true),
            .number("lon", VehicleValue.lon, -180...180, unit: "°", required: true),
            .number("speed_kmh", VehicleValue.speed, 0...500, unit: "km/h"),
            .number("heading", VehicleValue.heading, 0...360, unit: "°"),
            .number("alt_m", VehicleValue.altitude, -500...10_000, unit: "m"),
            .number("acc_m", VehicleValue.accuracy, 0...100_000, unit: "m"),
            .number("sat", VehicleValue.satellites, 0...100, integer: true),
            .number("hdop", VehicleValue.hdop, 0...1000),
            Field("ignition", .bool(bit: 0)),
            .number("mileage_km", VehicleValue.mileage, 0...10_000_000, unit: "km"),
            Field("sos", .bool(bit: 1)),
        ],
        defaultPeriodMilliseconds: 10_000,
        needsAnyField: false)
}

/// Where a vehicle's reading keeps its values in `Reading.values`.
public enum VehicleValue {
    public static let lat = 0, lon = 1, speed = 2, heading = 3, altitude = 4, accuracy = 5, satellites = 6
    public static let hdop = 7, mileage = 8
}
