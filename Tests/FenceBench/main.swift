// Which of many fences hold a point, timed: `fence-bench FILE ROUNDS`, as tools/bench calls it. Prints nanoseconds a point,
// and how many fences held points in one round, which the floor must find too.
//
// FILE is text, numbers parted by spaces and line ends: fences, corners of each, points; then x y of every corner, then of
// every point, in ten-millionths of a degree.
import Foundation
import Telemetry

func fail(_ message: String) -> Never {
    FileHandle.standardError.write(Data("fence-bench: \(message)\n".utf8))
    exit(2)
}

func measure(_ index: ShapeIndex, _ points: [FixedPosition], rounds: Int) -> (hits: Int, nanoseconds: Double) {
    var hits = 0
    let clock = ContinuousClock()
    let time = clock.measure {
        for _ in 0..<rounds {
            for point in points { index.forEach(at: point) { _ in hits += 1 } }
        }
    }
    let (seconds, attoseconds) = time.components
    return (hits / rounds, (Double(seconds) * 1e9 + Double(attoseconds) / 1e9) / Double(rounds * points.count))
}

guard CommandLine.arguments.count == 3, let rounds = Int(CommandLine.arguments[2]), rounds > 0 else {
    fail("fence-bench FILE ROUNDS")
}
guard let text = FileManager.default.contents(atPath: CommandLine.arguments[1]) else { fail("the file cannot be read") }
let numbers = text.split(whereSeparator: { $0 == 0x20 || $0 == 0x0A }).compactMap { Int32(String(decoding: $0, as: UTF8.self)) }
guard numbers.count >= 3, numbers.count == 3 + 2 * Int(numbers[0] * numbers[1] + numbers[2]) else { fail("the file is not whole") }
let places = stride(from: 3, to: numbers.count, by: 2).map { FixedPosition(x: numbers[$0], y: numbers[$0 + 1]) }
let (fences, corners) = (Int(numbers[0]), Int(numbers[1]))
let shapes = try (0..<fences).map { fence in
    try Shape(polygons: [Polygon(rings: [places[fence * corners..<(fence + 1) * corners].map(\.position)])])
}
let result = measure(ShapeIndex(shapes), Array(places[(fences * corners)...]), rounds: rounds)
print(result.nanoseconds, result.hits)
