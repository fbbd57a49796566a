import Foundation

/// GCJ-02, the shifted datum of Chinese base maps: for reading files that are in it and for drawing on such maps. What is
/// stored is WGS-84.
///
/// The shift is the published series on the Krasovsky ellipsoid; outside of the box around China there is none.
public enum ChinaDatum {
    private static let semiMajorMetres = 6_378_245.0
    private static let eccentricitySquared = 0.00669342162296594323
    private static let latitudes = 0.8293...55.8271
    private static let longitudes = 72.004...137.8347

    public static func gcj02(fromWGS84 position: Position) -> Position {
        guard latitudes.contains(position.latitude), longitudes.contains(position.longitude) else { return position }
        let shift = shift(at: position)
        return Position(latitude: position.latitude + shift.latitude, longitude: position.longitude + shift.longitude)
    }

    /// The place whose shifted one is given, to 1e-9 degrees (0.1 mm), by repeated correction: the shift changes by less
    /// than a thousandth of the way, so that each round gains three digits.
    public static func wgs84(fromGCJ02 position: Position) -> Position {
        var guess = position
        for _ in 0..<8 {
            let shown = gcj02(fromWGS84: guess)
            let (north, east) = (position.latitude - shown.latitude, position.longitude - shown.longitude)
            guess.latitude += north
            guess.longitude += east
            if abs(north) < 1e-10 && abs(east) < 1e-10 { break }
        }
        return guess
    }

    private static func shift(at position: Position) -> (latitude: Double, longitude: Double) {
        let (x, y) = (position.longitude - 105, position.latitude - 35)
        let common = (20 * sin(6 * x * .pi) + 20 * sin(2 * x * .pi)) * 2 / 3
        let root = abs(x).squareRoot()
        var north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + common
        north += (20 * sin(y * .pi) + 40 * sin(y / 3 * .pi)) * 2 / 3
        north += (160 * sin(y / 12 * .pi) + 320 * sin(y / 30 * .pi)) * 2 / 3
        var east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + common
        east += (20 * sin(x * .pi) + 40 * sin(x / 3 * .pi)) * 2 / 3
        east += (150 * sin(x / 12 * .pi) + 300 * sin(x / 30 * .pi)) * 2 / 3
        let latitude = position.latitude * .pi / 180
        let m = 1 - eccentricitySquared * sin(latitude) * sin(latitude)
        let meridian = semiMajorMetres * (1 - eccentricitySquared) / (m * m.squareRoot())
        let parallel = semiMajorMetres / m.squareRoot() * cos(latitude)
        return (north * 180 / (meridian * .pi), east * 180 / (parallel * .pi))
    }
}
