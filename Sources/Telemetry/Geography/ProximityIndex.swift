/// Which of many places lie within a distance: "within 500 m of a site of kind exam". Neither allocates nor counts
/// references; distances as ``Place/metres(from:)`` has them.
public final class ProximityIndex: Sendable {
    public let metres: Double
    public let count: Int
    private let grid: BoxGrid
    private let boxes: FlatTable<FixedBox>
    private let areas: ShapeIndex
    /// Number in `areas` of place `i`, -1 for a point.
    private let areaOfPlace: FlatTable<Int32>
    /// The edges of place `i` are `edgeStarts[i]..<edgeStarts[i + 1]`; a point is an edge without length.
    private let edgeStarts: FlatTable<Int32>
    private let edgeEnds: FlatTable<InlineArray<2, Position>>

    public init(_ places: [Place], metres: Double) {
        var shapes: [Shape] = []
        var areaOfPlace: [Int32] = []
        var edgeStarts: [Int32] = [0]
        var ends: [InlineArray<2, Position>] = []
        for place in places {
            switch place {
            case .point(let position):
                areaOfPlace.append(-1)
                ends.append([position, position])
            case .area(let shape):
                areaOfPlace.append(Int32(shapes.count))
                shapes.append(shape)
                for ring in shape.polygons.flatMap(\.rings) {
                    for corner in ring.indices {
                        ends.append([ring[corner].position, ring[(corner + 1) % ring.count].position])
                    }
                }
            }
            edgeStarts.append(Int32(ends.count))
        }
        let boxes = places.map { ProximityIndex.widened($0.box, by: metres) }
        self.metres = metres
        count = places.count
        grid = BoxGrid(boxes)
        self.boxes = FlatTable(boxes)
        areas = ShapeIndex(shapes)
        self.areaOfPlace = FlatTable(areaOfPlace)
        self.edgeStarts = FlatTable(edgeStarts)
        edgeEnds = FlatTable(ends)
    }

    /// Calls `body` with the number of each place within the distance, in ascending order.
    @inline(__always)
    public func forEach(at position: Position, _ body: (Int) -> Void) {
        guard let fixed = FixedPosition(position) else { return }
        for entry in grid.entries(at: fixed) {
            let place = grid.item(entry)
            if boxes[place].holds(fixed), isNear(place, position, fixed) { body(place) }
        }
    }

    /// The smallest number of a place within the distance, -1 where there is none.
    public func first(at position: Position) -> Int {
        guard let fixed = FixedPosition(position) else { return -1 }
        for entry in grid.entries(at: fixed) {
            let place = grid.item(entry)
            if boxes[place].holds(fixed), isNear(place, position, fixed) { return place }
        }
        return -1
    }

    private func isNear(_ place: Int, _ position: Position, _ fixed: FixedPosition) -> Bool {
        let area = Int(areaOfPlace[place])
        if area >= 0 && areas.holds(area, fixed) { return true }
        for index in Int(edgeStarts[place])..<Int(edgeStarts[place + 1]) {
            let ends = edgeEnds[index]
            if position.metres(toEdge: ends[0], ends[1]) <= metres { return true }
        }
        return false
    }

    /// A box that holds every place within the distance. No degree of latitude is shorter than 110,574 m.
    private static func widened(_ box: FixedBox, by metres: Double) -> FixedBox {
        let units = FixedPosition.unitsPerDegree
        let north = (metres / 110_574 + 1e-6) * units
        func clamped(_ value: Double, _ limit: Double) -> Int32 { Int32(max(-limit * units, min(limit * units, value))) }
        let minY = clamped(Double(box.minY) - north, 90)
        let maxY = clamped(Double(box.maxY) + north, 90)
        let farthest = Double(max(abs(Int64(minY)), abs(Int64(maxY)))) / units
        let perDegree = LocalScale(latitude: min(farthest, 90)).metresPerDegreeEast
        let east = perDegree > 1 ? (metres / perDegree * 1.001 + 1e-6) * units : 360 * units
        return FixedBox(
            minX: clamped(Double(box.minX) - east, 180), minY: minY, maxX: clamped(Double(box.maxX) + east, 180), maxY: maxY)
    }
}
