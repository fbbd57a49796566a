import Foundation

/// A place on the earth in WGS-84, degrees.
@frozen
public struct Position: BitwiseCopyable, Sendable, Hashable {
    public var latitude: Double
    public var longitude: Double

    @inlinable
    public init(latitude: Double, longitude: Double) {
        self.latitude = latitude
        self.longitude = longitude
    }

    /// Whether latitude and longitude are numbers of the globe.
    @inlinable
    public var isOnEarth: Bool { abs(latitude) <= 90 && abs(longitude) <= 180 }

    /// `30.270000°N 119.990000°E`.
    public var text: String {
        func degrees(_ value: Double, _ positive: String, _ negative: String) -> String {
            String(format: "%.6f°", abs(value)) + (value < 0 ? negative : positive)
        }
        return degrees(latitude, "N", "S") + " " + degrees(longitude, "E", "W")
    }
}

/// A place in whole ten-millionths of a degree (11 mm or less): what shapes are made of and asked about, so that every
/// decision of side, crossing and shared edge is exact and the same on every machine.
@frozen
public struct FixedPosition: BitwiseCopyable, Sendable, Hashable {
    /// Longitude and latitude, 1e-7 degrees.
    public var x: Int32
    public var y: Int32

    public static let unitsPerDegree = 1e7

    @inlinable
    public init(x: Int32, y: Int32) {
        self.x = x
        self.y = y
    }

    /// The nearest fixed place, halves to even; nil where the position is none of the earth.
    @inlinable
    public init?(_ position: Position) {
        guard position.isOnEarth else { return nil }
        x = Int32((position.longitude * FixedPosition.unitsPerDegree).rounded(.toNearestOrEven))
        y = Int32((position.latitude * FixedPosition.unitsPerDegree).rounded(.toNearestOrEven))
    }

    public var position: Position {
        Position(latitude: Double(y) / FixedPosition.unitsPerDegree, longitude: Double(x) / FixedPosition.unitsPerDegree)
    }

    /// On which side of the line from `a` to `b` the place lies: 1 left, −1 right, 0 on it. Exact: differences have at most
    /// 33 bits, so that the products fit 64.
    @inlinable
    func side(of a: FixedPosition, _ b: FixedPosition) -> Int {
        let left = (Int64(b.x) - Int64(a.x)) &* (Int64(y) - Int64(a.y))
        let right = (Int64(b.y) - Int64(a.y)) &* (Int64(x) - Int64(a.x))
        return left > right ? 1 : left < right ? -1 : 0
    }
}

/// The smallest box of longitudes and latitudes around something; its edges belong to it.
@frozen
public struct FixedBox: BitwiseCopyable, Sendable, Hashable {
    public var minX: Int32, minY: Int32, maxX: Int32, maxY: Int32

    @inlinable
    public init(minX: Int32, minY: Int32, maxX: Int32, maxY: Int32) {
        self.minX = minX
        self.minY = minY
        self.maxX = maxX
        self.maxY = maxY
    }

    /// Nil around nothing.
    public init?(around places: some Sequence<FixedPosition>) {
        var box: FixedBox?
        for place in places {
            guard let old = box else {
                box = FixedBox(minX: place.x, minY: place.y, maxX: place.x, maxY: place.y)
                continue
            }
            box = FixedBox(
                minX: min(old.minX, place.x), minY: min(old.minY, place.y), maxX: max(old.maxX, place.x),
                maxY: max(old.maxY, place.y))
        }
        guard let box else { return nil }
        self = box
    }

    @inlinable
    public func holds(_ place: FixedPosition) -> Bool {
        place.x >= minX && place.x <= maxX && place.y >= minY && place.y <= maxY
    }

    @inlinable
    public func union(_ other: FixedBox) -> FixedBox {
        FixedBox(
            minX: min(minX, other.minX), minY: min(minY, other.minY), maxX: max(maxX, other.maxX),
            maxY: max(maxY, other.maxY))
    }
}
