/// Where a site is: a point or an area.
public enum Place: Sendable, Equatable {
    case point(Position)
    case area(Shape)

    /// Metres to the place: 0 inside an area, else to its nearest edge. As exact as ``Position/metresNearby(to:)``, with
    /// straight edges on the plane that touches the earth at `position`. O(n) in the corners.
    public func metres(from position: Position) -> Double {
        switch self {
        case .point(let point): return position.metresNearby(to: point)
        case .area(let shape):
            if shape.holds(position) { return 0 }
            var nearest = Double.infinity
            for polygon in shape.polygons {
                for ring in polygon.rings {
                    var last = ring[ring.count - 1].position
                    for corner in ring {
                        let next = corner.position
                        nearest = min(nearest, position.metres(toEdge: last, next))
                        last = next
                    }
                }
            }
            return nearest
        }
    }

    /// The point, or the middle of the area's box.
    public var middle: Position {
        switch self {
        case .point(let position): return position
        case .area(let shape):
            let box = shape.box
            return Position(
                latitude: (Double(box.minY) + Double(box.maxY)) / 2 / FixedPosition.unitsPerDegree,
                longitude: (Double(box.minX) + Double(box.maxX)) / 2 / FixedPosition.unitsPerDegree)
        }
    }

    var box: FixedBox {
        switch self {
        case .point(let position):
            // Checked when it was loaded.
            let place = FixedPosition(position) ?? FixedPosition(x: 0, y: 0)
            return FixedBox(minX: place.x, minY: place.y, maxX: place.x, maxY: place.y)
        case .area(let shape): return shape.box
        }
    }
}

extension Position {
    /// Metres to the nearest place of a straight edge.
    func metres(toEdge a: Position, _ b: Position) -> Double {
        let scale = LocalScale(latitude: (latitude + (a.latitude + b.latitude) / 2) / 2)
        func plane(_ place: Position) -> (x: Double, y: Double) {
            ((place.longitude - longitude) * scale.metresPerDegreeEast, (place.latitude - latitude) * scale.metresPerDegreeNorth)
        }
        let (from, to) = (plane(a), plane(b))
        let (dx, dy) = (to.x - from.x, to.y - from.y)
        let length = dx * dx + dy * dy
        let part = length == 0 ? 0 : max(0, min(1, -(from.x * dx + from.y * dy) / length))
        let (x, y) = (from.x + part * dx, from.y + part * dy)
        return (x * x + y * y).squareRoot()
    }
}
