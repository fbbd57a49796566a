import Telemetry
import Testing

@testable import Ingest

struct TopicCacheTests {
    /// Names as people give them: numbered, so that topics differ in a few digits at one place.
    @Test(arguments: [
        "patrol/v1/in/gw/noise/m%", "patrol/v1/in/gw-%/noise/m", "patrol/v1/in/gateway-1/vehicle/%-浙A", "p/in/g/noise/meter-%-a",
    ])
    func numberedDevicesAreFoundAtOnce(pattern: String) {
        var cache = TopicCache()
        let topics = (0..<20_000).map { number in
            Array(pattern.replacing("%", with: "\(100_000 + number)").utf8)
        }
        for (number, topic) in topics.enumerated() {
            topic.withUnsafeBytes { unsafe cache.insert($0, kind: .noise, number: UInt32(number)) }
        }
        var steps = 0
        for (number, topic) in topics.enumerated() {
            topic.withUnsafeBytes {
                #expect(unsafe cache.find($0)?.number == UInt32(number))
                steps += unsafe cache.probes($0)
            }
        }
        // Linear probing at a load of at most one half takes half a step on average.
        #expect(Double(steps) / Double(topics.count) < 1)
    }
}
