import Foundation

/// The ellipsoid of WGS-84 (NIMA TR8350.2 §3).
enum Ellipsoid {
    static let semiMajorMetres = 6_378_137.0
    static let flattening = 1 / 298.257223563
    static let eccentricitySquared = flattening * (2 - flattening)
}

extension Position {
    /// Metres along the shortest way on the ellipsoid, by Lambert's formula for long lines (first order in the
    /// flattening).
    ///
    /// Within 0.05 m a kilometre of the geodesic up to 15,000 km; beyond that within 6 m a kilometre, because the first
    /// order says nothing of places that nearly face each other through the earth.
    public func metres(to other: Position) -> Double {
        let radian = Double.pi / 180
        let squash = 1 - Ellipsoid.flattening
        let a = atan(squash * tan(latitude * radian))
        let b = atan(squash * tan(other.latitude * radian))
        let halfLatitude = sin((b - a) / 2)
        let halfLongitude = sin((other.longitude - longitude) * radian / 2)
        let h = min(1, halfLatitude * halfLatitude + cos(a) * cos(b) * halfLongitude * halfLongitude)
        let angle = 2 * asin(h.squareRoot())
        if angle == 0 { return 0 }
        let (sine, cosine) = (sin(angle / 2), cos(angle / 2))
        let (p, q) = ((a + b) / 2, (b - a) / 2)
        let x = (angle - sin(angle)) * pow(sin(p) * cos(q) / max(cosine, 1e-9), 2)
        let y = (angle + sin(angle)) * pow(cos(p) * sin(q) / sine, 2)
        return Ellipsoid.semiMajorMetres * (angle - Ellipsoid.flattening / 2 * (x + y))
    }

    /// Metres, fast: for places within 100 km of each other and 70° of the equator, within 0.5 m a kilometre of the
    /// geodesic (within 0.01 m a kilometre up to 10 km). One cosine and three roots; what the hot path uses.
    public func metresNearby(to other: Position) -> Double {
        let scale = LocalScale(latitude: (latitude + other.latitude) / 2)
        var eastDegrees = other.longitude - longitude
        if eastDegrees > 180 { eastDegrees -= 360 } else if eastDegrees < -180 { eastDegrees += 360 }
        let east = eastDegrees * scale.metresPerDegreeEast
        let north = (other.latitude - latitude) * scale.metresPerDegreeNorth
        return (east * east + north * north).squareRoot()
    }
}

/// What a degree measures at a latitude: the ellipsoid's radii of curvature in the meridian and in the prime vertical
/// (Torge, Geodesy, §4.1.3).
struct LocalScale: BitwiseCopyable, Sendable {
    var metresPerDegreeNorth: Double
    var metresPerDegreeEast: Double

    init(latitude: Double) {
        let radian = Double.pi / 180
        let cosine = cos(latitude * radian)
        let w = 1 - Ellipsoid.eccentricitySquared * (1 - cosine * cosine)
        let primeVertical = Ellipsoid.semiMajorMetres / w.squareRoot()
        metresPerDegreeNorth = primeVertical * (1 - Ellipsoid.eccentricitySquared) / w * radian
        metresPerDegreeEast = primeVertical * cosine * radian
    }
}
