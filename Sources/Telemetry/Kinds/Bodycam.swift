extension KindDescription {
    /// A body-worn camera's heartbeat. Its period is the keepalive interval of GB/T 28181-2016 §9.6.1, 60 s.
    static let bodycam = KindDescription(
        name: "bodycam",
        fields: [
            .number("battery", BodycamValue.battery, 0...100, unit: "%"),
            Field("charging", .bool(bit: 0)),
            .number("storage_free_mb", BodycamValue.storageFree, 0...1e9, unit: "MB"),
            Field("recording", .bool(bit: BodycamBit.recording)),
            .number("rssi", BodycamValue.rssi, -200...50, unit: "dBm"),
            Field("sos", .bool(bit: 2)),
            Field("officer", .text(.officer)),
            Field("boot", .text(.boot)),
            .number("lat", BodycamValue.lat, -90...90, unit: "°"),
            .number("lon", BodycamValue.lon, -180...180, unit: "°"),
            .number("acc_m", BodycamValue.accuracy, 0...100_000, unit: "m"),
            Field("fix_ts", .time(index: BodycamValue.fixTime)),
        ],
        defaultPeriodMilliseconds: 60_000,
        needsAnyField: true)
}

/// Where a heartbeat keeps its values in `Reading.values`.
public enum BodycamValue {
    public static let battery = 0, storageFree = 1, rssi = 2, lat = 3, lon = 4, accuracy = 5, fixTime = 6
}

/// Where a heartbeat keeps its booleans in `Reading.bits`.
public enum BodycamBit {
    public static let recording = 1
}
