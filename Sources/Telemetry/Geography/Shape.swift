/// One closed line around an area, and holes in it.
public struct Polygon: Sendable, Equatable {
    /// The outer ring first, then the holes; which way round does not matter. A ring is closed without saying its first
    /// place again; it has at least three, no two neighbours alike.
    public let rings: [[FixedPosition]]
    public let box: FixedBox

    /// Checks that the rings make an area: see ``ShapeFault``.
    ///
    /// - Parameter rings: as GeoJSON has them (RFC 7946 §3.1.6): each may say its first place again at its end. Corners
    ///   that are the same in ten-millionths of a degree count once.
    /// - Complexity: about O(n log n) in the corners.
    public init(rings: [[Position]]) throws(ShapeFault) {
        var fixed: [[FixedPosition]] = []
        // Where each kept corner stands in its ring as given, so that a fault can be found in the file.
        var sources: [[Int]] = []
        for (index, ring) in rings.enumerated() {
            let (corners, source) = try Polygon.fixed(ring, index)
            fixed.append(corners)
            sources.append(source)
        }
        guard let outer = fixed.first, let box = FixedBox(around: outer) else { throw ShapeFault(.empty) }
        try RingCheck.check(fixed, sources)
        self.rings = fixed
        self.box = box
        for (index, hole) in fixed.enumerated().dropFirst() {
            let first = hole[0]
            guard hole.contains(where: { Polygon.isInside($0, outer) }) else {
                throw ShapeFault(.holeOutside, ring: index, corner: 0, at: first.position)
            }
        }
    }

    private static func fixed(_ ring: [Position], _ index: Int) throws(ShapeFault) -> (corners: [FixedPosition], sources: [Int]) {
        var corners: [FixedPosition] = []
        var sources: [Int] = []
        guard ring.count <= Limits.ringCorners else {
            throw ShapeFault(.tooManyCorners(ring.count), ring: index)
        }
        for (number, position) in ring.enumerated() {
            guard let place = FixedPosition(position) else {
                throw ShapeFault(.outOfRange, ring: index, corner: number, at: position)
            }
            if let last = corners.last {
                if last == place { continue }
                guard abs(Int64(place.x) - Int64(last.x)) <= 1_800_000_000 else {
                    throw ShapeFault(.antimeridian, ring: index, corner: number, at: position)
                }
            }
            corners.append(place)
            sources.append(number)
        }
        while let last = corners.last, corners.count > 1, last == corners[0] {
            corners.removeLast()
            sources.removeLast()
        }
        if let first = corners.first, let last = corners.last, abs(Int64(first.x) - Int64(last.x)) > 1_800_000_000 {
            throw ShapeFault(.antimeridian, ring: index, corner: sources.last ?? 0, at: last.position)
        }
        guard corners.count >= 3 else { throw ShapeFault(corners.isEmpty ? .empty : .tooFewCorners, ring: index) }
        return (corners, sources)
    }

    /// Whether the place is inside by the half-open rule: a line to the east crosses an odd number of edges, where an
    /// edge holds its southern end and not its northern one, and a place on the edge counts as east of it. Of two areas
    /// with a common edge exactly one holds each place of it.
    public func holds(_ place: FixedPosition) -> Bool {
        guard box.holds(place) else { return false }
        return rings.reduce(false) { $0 != Polygon.isInside(place, $1) }
    }

    static func isInside(_ place: FixedPosition, _ ring: [FixedPosition]) -> Bool {
        var isOdd = false
        var last = ring[ring.count - 1]
        for corner in ring {
            if Edge(last, corner).isCrossed(from: place) { isOdd.toggle() }
            last = corner
        }
        return isOdd
    }
}

/// A side of a ring, its southern end first: both areas beside it see the same numbers.
@frozen
@usableFromInline
struct Edge: BitwiseCopyable, Sendable {
    @usableFromInline var south: FixedPosition
    @usableFromInline var north: FixedPosition

    @inlinable
    init(_ a: FixedPosition, _ b: FixedPosition) {
        (south, north) = a.y <= b.y ? (a, b) : (b, a)
    }

    /// Whether the line to the east from the place crosses the edge.
    @inlinable
    func isCrossed(from place: FixedPosition) -> Bool {
        south.y <= place.y && place.y < north.y && place.side(of: south, north) > 0
    }
}

/// An area of one or more polygons, as a fence, a town or a site has it.
public struct Shape: Sendable, Equatable {
    public let polygons: [Polygon]
    public let box: FixedBox

    /// - Throws: ``ShapeFault/Kind/empty`` where there is no polygon.
    public init(polygons: [Polygon]) throws(ShapeFault) {
        guard let first = polygons.first else { throw ShapeFault(.empty) }
        self.polygons = polygons
        box = polygons.dropFirst().reduce(first.box) { $0.union($1.box) }
    }

    /// Whether one of the polygons holds the place. O(n) in the corners; for many shapes see ``ShapeIndex``.
    public func holds(_ place: FixedPosition) -> Bool { polygons.contains { $0.holds(place) } }

    public func holds(_ position: Position) -> Bool { FixedPosition(position).map { holds($0) } ?? false }
}

/// Why rings make no area, and where.
public struct ShapeFault: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        case empty, tooFewCorners, outOfRange, antimeridian, holeOutside
        case tooManyCorners(Int)
        /// The ring meets itself or another ring at its edge from the corner on; the other edge begins at `ring`, `corner`.
        case crosses(ring: Int, corner: Int)
        /// The ring turns back on itself: its edge before the corner and the one after it overlap.
        case spike
    }

    public var kind: Kind
    /// Number of the ring in its polygon and of the corner in its ring as given, both from 0.
    public var ring: Int
    public var corner: Int?
    public var at: Position?

    init(_ kind: Kind, ring: Int = 0, corner: Int? = nil, at: Position? = nil) {
        self.kind = kind
        self.ring = ring
        self.corner = corner
        self.at = at
    }

    public var description: String {
        let place = at.map { " at longitude \($0.longitude), latitude \($0.latitude)" } ?? ""
        return switch kind {
        case .empty: "the shape is empty: it has no corner, so that nothing is ever inside"
        case .tooFewCorners: "a ring has at least three different corners"
        case .outOfRange:
            if let at, abs(at.latitude) > 90, abs(at.latitude) <= 180, abs(at.longitude) <= 90 {
                "latitude \(at.latitude) is over 90: longitude stands first in GeoJSON"
            } else {
                "no such place\(place): longitudes go to 180, latitudes to 90"
            }
        case .antimeridian:
            "an edge\(place) crosses the antimeridian (180°): cut the shape in two there, a polygon each side (RFC 7946 §3.1.9)"
        case .holeOutside: "the hole\(place) lies outside of its polygon's outer ring"
        case .tooManyCorners(let count): "a ring of \(count) corners; at most \(Limits.ringCorners)"
        case .crosses(let otherRing, let otherCorner):
            if otherRing == ring {
                "the ring crosses or touches itself\(place): its edges from corner \((corner ?? 0) + 1) and from corner \(otherCorner + 1)"
            } else {
                "two rings of the polygon cross\(place)"
            }
        case .spike: "the ring turns back on itself\(place): a spike without area"
        }
    }
}
