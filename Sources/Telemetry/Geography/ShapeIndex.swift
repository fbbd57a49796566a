/// Which of many shapes hold a place: a grid over all of them leads to the few that may, and bands of latitude within each
/// to the few edges that decide. Exact, like ``Polygon/holds(_:)``; neither allocates nor counts references.
///
/// Complexity: O(candidates of the cell), each O(edges of its band); under 1 µs among 1,000 fences of 50 corners, four of
/// which hold the place.
public final class ShapeIndex: Sendable {
    /// A polygon of a shape.
    @usableFromInline
    struct Part: BitwiseCopyable, Sendable {
        var box: FixedBox
        var shape: Int32
        /// Bands of 2^`bandShift` units of latitude from the box's south on; the first is `firstBand`.
        var bandShift: Int32
        var firstBand: Int32
    }

    public let count: Int
    private let grid: BoxGrid
    private let parts: FlatTable<Part>
    /// The parts of shape `i` are `partStarts[i]..<partStarts[i + 1]`.
    private let partStarts: FlatTable<Int32>
    /// The edges of band `i` are `bandStarts[i]..<bandStarts[i + 1]`.
    private let bandStarts: FlatTable<Int32>
    private let edges: FlatTable<Edge>

    public init(_ shapes: [Shape]) {
        var parts: [Part] = []
        var partStarts: [Int32] = [0]
        var bandStarts: [Int32] = [0]
        var edges: [Edge] = []
        for (number, shape) in shapes.enumerated() {
            for polygon in shape.polygons {
                let bands = Bands(polygon)
                parts.append(
                    Part(
                        box: polygon.box, shape: Int32(number), bandShift: bands.shift, firstBand: Int32(bandStarts.count - 1)))
                for band in bands.edges {
                    edges += band
                    bandStarts.append(Int32(edges.count))
                }
            }
            partStarts.append(Int32(parts.count))
        }
        count = shapes.count
        grid = BoxGrid(parts.map(\.box))
        self.parts = FlatTable(parts)
        self.partStarts = FlatTable(partStarts)
        self.bandStarts = FlatTable(bandStarts)
        self.edges = FlatTable(edges)
    }

    /// Calls `body` with the number of each shape that holds the place, once and in ascending order.
    @inline(__always)
    public func forEach(at place: FixedPosition, _ body: (Int) -> Void) {
        var last: Int32 = -1
        for entry in grid.entries(at: place) {
            let part = parts[grid.item(entry)]
            if part.shape != last, part.box.holds(place), isInside(part, place) {
                last = part.shape
                body(Int(last))
            }
        }
    }

    /// The smallest number of a shape that holds the place, -1 where none does.
    public func first(at place: FixedPosition) -> Int {
        for entry in grid.entries(at: place) {
            let part = parts[grid.item(entry)]
            if part.box.holds(place), isInside(part, place) { return Int(part.shape) }
        }
        return -1
    }

    /// Whether one shape holds the place.
    public func holds(_ shape: Int, _ place: FixedPosition) -> Bool {
        for index in Int(partStarts[shape])..<Int(partStarts[shape + 1]) {
            let part = parts[index]
            if part.box.holds(place), isInside(part, place) { return true }
        }
        return false
    }

    @inline(__always)
    private func isInside(_ part: Part, _ place: FixedPosition) -> Bool {
        let band = Int(part.firstBand) + Int((Int64(place.y) - Int64(part.box.minY)) >> Int64(part.bandShift))
        var isOdd = false
        for index in Int(bandStarts[band])..<Int(bandStarts[band + 1]) where edges[index].isCrossed(from: place) {
            isOdd.toggle()
        }
        return isOdd
    }
}

/// A polygon's edges by bands of latitude: an edge stands in each band that it passes through.
private struct Bands {
    let shift: Int32
    var edges: [[Edge]]

    init(_ polygon: Polygon) {
        var all: [Edge] = []
        for ring in polygon.rings {
            for corner in ring.indices {
                let edge = Edge(ring[corner], ring[(corner + 1) % ring.count])
                // A level edge is never crossed.
                if edge.south.y != edge.north.y { all.append(edge) }
            }
        }
        let south = Int64(polygon.box.minY)
        let height = Int64(polygon.box.maxY) - south
        func bands(_ edge: Edge, _ shift: Int64) -> ClosedRange<Int> {
            Int((Int64(edge.south.y) - south) >> shift)...Int((Int64(edge.north.y) - 1 - south) >> shift)
        }
        // Some two edges to a band; where edges are long beside the bands, fewer bands, so that memory goes with the edges.
        var shift: Int64 = 0
        while height >> shift >= Int64(max(1, all.count / 2)) { shift += 1 }
        while all.reduce(0, { $0 + bands($1, shift).count }) > 8 * all.count + 64 { shift += 1 }
        edges = Array(repeating: [], count: Int(height >> shift) + 1)
        for edge in all {
            for band in bands(edge, shift) { edges[band].append(edge) }
        }
        self.shift = Int32(shift)
    }
}
