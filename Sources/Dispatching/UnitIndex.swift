import Glibc
import Telemetry

/// Which units are near a place: cubes of an earth-centred grid, searched outward from the one that holds it.
///
/// A straight line through the earth is never longer than the way over it, so that everything outside of the cubes looked at
/// is at least as far as their nearest face: exact at the edges of cubes, at the poles and across the 180th meridian.
struct UnitIndex {
    /// Metres.
    static let side = 2000.0
    /// Rings of cubes searched before all units are looked at instead.
    static let rings = 5
    /// What the distance's formula may be short of the straight line by.
    static let slack = 0.99

    private var cubes: [UInt64: [Int32]] = [:]
    private var cubeOf: [UInt64]
    private(set) var count = 0

    init(count: Int) { cubeOf = Array(repeating: .max, count: count) }

    /// O(1) but for the cube's other units.
    mutating func move(_ number: Int, to position: Position) {
        let key = UnitIndex.key(UnitIndex.cube(position))
        let old = cubeOf[number]
        if old == key { return }
        if old == .max { count += 1 } else { cubes[old]?.removeAll { $0 == Int32(number) } }
        cubeOf[number] = key
        cubes[key, default: []].append(Int32(number))
    }

    /// Calls `visit` with the units of each ring of cubes around the place, then asks whether everything that matters lies
    /// within so many metres. False where it never was: then look at all.
    func search(around position: Position, _ visit: (Int) -> Void, isEnough: (_ metres: Double) -> Bool) -> Bool {
        let middle = UnitIndex.cube(position)
        var seen = 0
        for ring in 0...UnitIndex.rings {
            for x in -ring...ring {
                for y in -ring...ring {
                    let isFace = abs(x) == ring || abs(y) == ring
                    for z in stride(from: -ring, through: ring, by: isFace || ring == 0 ? 1 : 2 * ring) {
                        guard let units = cubes[UnitIndex.key((middle.0 + x, middle.1 + y, middle.2 + z))] else { continue }
                        seen += units.count
                        for unit in units { visit(Int(unit)) }
                    }
                }
            }
            if seen == count || isEnough(Double(ring) * UnitIndex.side * UnitIndex.slack) { return true }
        }
        return false
    }

    private static func key(_ cube: (Int, Int, Int)) -> UInt64 {
        UInt64(cube.0 + 4096) << 40 | UInt64(cube.1 + 4096) << 20 | UInt64(cube.2 + 4096)
    }

    /// The cube of a place on the ellipsoid of WGS-84.
    private static func cube(_ position: Position) -> (Int, Int, Int) {
        let radian = Double.pi / 180
        let squash = 0.99330562000986  // 1 − e²
        let (sine, cosine) = (sin(position.latitude * radian), cos(position.latitude * radian))
        let radius = 6_378_137 / (1 - (1 - squash) * sine * sine).squareRoot()
        func part(_ metres: Double) -> Int { Int((metres / side).rounded(.down)) }
        return (
            part(radius * cosine * cos(position.longitude * radian)), part(radius * cosine * sin(position.longitude * radian)),
            part(radius * squash * sine)
        )
    }
}
