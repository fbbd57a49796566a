/// Whether the rings of a polygon are simple lines that do not cross each other, decided exactly.
///
/// A sweep from west to east: each edge is compared with those that began before it and have not ended; a map's outline has
/// few of them at any longitude.
enum RingCheck {
    private struct Side {
        var ring: Int, corner: Int
        var a: FixedPosition, b: FixedPosition
        var minX: Int32 { min(a.x, b.x) }
        var maxX: Int32 { max(a.x, b.x) }
    }

    static func check(_ rings: [[FixedPosition]], _ sources: [[Int]]) throws(ShapeFault) {
        var sides: [Side] = []
        for (number, ring) in rings.enumerated() {
            for corner in ring.indices {
                sides.append(Side(ring: number, corner: corner, a: ring[corner], b: ring[(corner + 1) % ring.count]))
            }
        }
        try findSpikes(sides, sources)
        // Ties in an order of their own, so that the same file gives the same fault.
        sides.sort { ($0.minX, $0.ring, $0.corner) < ($1.minX, $1.ring, $1.corner) }
        var open: [Side] = []
        for side in sides {
            var kept = 0
            for index in open.indices {
                let other = open[index]
                guard other.maxX >= side.minX else { continue }
                open[kept] = other
                kept += 1
                guard max(side.a.y, side.b.y) >= min(other.a.y, other.b.y), max(other.a.y, other.b.y) >= min(side.a.y, side.b.y)
                else { continue }
                try compare(side, other, rings, sources)
            }
            open.removeLast(open.count - kept)
            open.append(side)
        }
    }

    /// A spike touches other edges as well: it is told by its own name first.
    private static func findSpikes(_ sides: [Side], _ sources: [[Int]]) throws(ShapeFault) {
        for index in sides.indices {
            let one = sides[index]
            // The ring's next side; behind its last one stands its first.
            let next = index + 1 < sides.count && sides[index + 1].ring == one.ring ? sides[index + 1] : sides[index - one.corner]
            if case .overlap = meeting(one, next) {
                throw ShapeFault(.spike, ring: next.ring, corner: sources[next.ring][next.corner], at: next.a.position)
            }
        }
    }

    private static func compare(_ one: Side, _ other: Side, _ rings: [[FixedPosition]], _ sources: [[Int]]) throws(ShapeFault) {
        let count = rings[one.ring].count
        let areNeighbours =
            one.ring == other.ring && ((one.corner + 1) % count == other.corner || (other.corner + 1) % count == one.corner)
        let meeting = meeting(one, other)
        func fault(_ kind: ShapeFault.Kind, _ side: Side, _ place: Position) -> ShapeFault {
            ShapeFault(kind, ring: side.ring, corner: sources[side.ring][side.corner], at: place)
        }
        switch meeting {
        case .none: return
        case .touch(let place):
            // Neighbours share a corner; a hole may touch its outer ring at a place.
            if areNeighbours || one.ring != other.ring { return }
            let (first, second) = one.corner < other.corner ? (one, other) : (other, one)
            throw fault(.crosses(ring: second.ring, corner: sources[second.ring][second.corner]), first, place)
        case .crossing(let place), .overlap(let place):
            if areNeighbours { return }
            let (first, second) = (one.ring, one.corner) < (other.ring, other.corner) ? (one, other) : (other, one)
            throw fault(.crosses(ring: second.ring, corner: sources[second.ring][second.corner]), first, place)
        }
    }

    private enum Meeting { case none, touch(Position), crossing(Position), overlap(Position) }

    private static func meeting(_ s: Side, _ t: Side) -> Meeting {
        let (a, b) = (t.a.side(of: s.a, s.b), t.b.side(of: s.a, s.b))
        let (c, d) = (s.a.side(of: t.a, t.b), s.b.side(of: t.a, t.b))
        if a == 0 && b == 0 { return alongOneLine(s, t) }
        guard a * b <= 0, c * d <= 0 else { return .none }
        if a == 0 { return .touch(t.a.position) }
        if b == 0 { return .touch(t.b.position) }
        if c == 0 { return .touch(s.a.position) }
        if d == 0 { return .touch(s.b.position) }
        let (p, q) = (s.a.position, s.b.position)
        let (u, v) = (t.a.position, t.b.position)
        let (sx, sy) = (q.longitude - p.longitude, q.latitude - p.latitude)
        let (tx, ty) = (v.longitude - u.longitude, v.latitude - u.latitude)
        let part = ((u.longitude - p.longitude) * ty - (u.latitude - p.latitude) * tx) / (sx * ty - sy * tx)
        let middle = FixedPosition(
            Position(latitude: p.latitude + part * sy, longitude: p.longitude + part * sx))
        return .crossing(middle?.position ?? p)
    }

    /// Of two sides on one line: how the stretches they cover meet.
    private static func alongOneLine(_ s: Side, _ t: Side) -> Meeting {
        func isBefore(_ p: FixedPosition, _ q: FixedPosition) -> Bool { (p.x, p.y) < (q.x, q.y) }
        func ordered(_ side: Side) -> (FixedPosition, FixedPosition) {
            isBefore(side.a, side.b) ? (side.a, side.b) : (side.b, side.a)
        }
        let (first, second) = (ordered(s), ordered(t))
        let low = isBefore(first.0, second.0) ? second.0 : first.0
        let high = isBefore(first.1, second.1) ? first.1 : second.1
        if low == high { return .touch(low.position) }
        return isBefore(low, high) ? .overlap(low.position) : .none
    }
}
