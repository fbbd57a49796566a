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
        let (a, b) = (ReducedLatitude(latitude), ReducedLatitude(other.latitude))
        let between = b.sine * a.cosine - b.cosine * a.sine
        let beside = b.cosine * a.cosine + b.sine * a.sine
        // sin² of half the difference; the first way keeps the digits of places that are near.
        let halfLatitudeSquared = beside > 0 ? between * between / (2 * (1 + beside)) : (1 - beside) / 2
        let halfLongitude = sin((other.longitude - longitude) * (Double.pi / 180) / 2)
        let h = min(1, halfLatitudeSquared + a.cosine * b.cosine * halfLongitude * halfLongitude)
        if h == 0 { return 0 }
        // Sine and cosine of half the angle.
        let (sine, cosine) = (h.squareRoot(), (1 - h).squareRoot())
        let angle = 2 * asin(sine)
        let both = (a.sine + b.sine) / 2 / max(cosine, 1e-9)
        let apart = (b.sine - a.sine) / 2 / sine
        let x = (angle - 2 * sine * cosine) * both * both
        let y = (angle + 2 * sine * cosine) * apart * apart
        return Ellipsoid.semiMajorMetres * (angle - Ellipsoid.flattening / 2 * (x + y))
    }

    /// The reduced latitude: that of the same place on the sphere around the ellipsoid.
    private struct ReducedLatitude {
        var sine: Double, cosine: Double

        init(_ degrees: Double) {
            let tangent = (1 - Ellipsoid.flattening) * tan(degrees * (Double.pi / 180))
            cosine = 1 / (1 + tangent * tangent).squareRoot()
            sine = tangent * cosine
        }
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
