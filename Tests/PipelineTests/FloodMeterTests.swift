import Testing

@testable import Pipeline

struct FloodMeterTests {
    /// Adds `count` messages each `step` microseconds, `times` times; whether it ends as a flood.
    private func ends(_ meter: inout FloodMeter, from start: Int64 = 0, count: Int, step: Int64, times: Int64) -> Bool {
        for index in 1...times { meter.add(messages: count, at: start + index * step * 1000) }
        return meter.isOn
    }

    @Test func aFloodIsKnownWithinTwoMilliseconds() {
        var meter = FloodMeter()
        meter.add(messages: 1, at: 1_000_000_000)
        #expect(ends(&meter, from: 1_000_000_000, count: 1, step: 10, times: 200))
    }

    @Test func twoThousandASecondAreNone() {
        var meter = FloodMeter()
        #expect(!ends(&meter, count: 1, step: 500, times: 1000))
    }

    @Test func aBurstAfterAPauseIsNone() {
        var meter = FloodMeter()
        #expect(!ends(&meter, count: 1, step: 1_000_000, times: 3))
        meter.add(messages: 500, at: 4_000_000_000)
        #expect(!meter.isOn)
    }

    @Test func itEnds() {
        var meter = FloodMeter()
        #expect(ends(&meter, count: 100, step: 100, times: 100))
        meter.add(messages: 1, at: 20_000_000)
        #expect(!meter.isOn)
    }
}
