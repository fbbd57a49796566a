import Telemetry
import Testing

@testable import Store

/// The rows of one device out of full segments: the same as looking at all rows.
@Suite struct SegmentDevicesTests {
    @Test func numbersGoThere() {
        var devices = SegmentDevices()
        devices.begin(first: 7)
        let rows: [(id: Int64, device: UInt32)] = [
            (7, 0), (8, 63), (9, 64), (10, 0), (12, 0), (13, 199_999), (20_000, 199_999), (20_001, 63), (1 << 40, .max), (1 << 40 + 1, 0),
        ]
        for row in rows { devices.append(id: row.id, device: row.device) }
        for device: UInt32 in [0, 1, 63, 64, 199_999, .max] {
            let ids = SegmentDevices.ids(of: device, in: devices.bytes, first: 7, last: 1 << 40 + 1)
            #expect(ids == rows.filter { $0.device == device }.map(\.id))
        }
        // What does not tell of all rows is not relied on.
        for count in 0..<devices.bytes.count {
            #expect(SegmentDevices.ids(of: 0, in: Array(devices.bytes.prefix(count)), first: 7, last: 1 << 40 + 1) == nil)
        }
        devices.begin(first: 100)
        devices.append(id: 100, device: 5)
        #expect(SegmentDevices.ids(of: 5, in: devices.bytes, first: 100, last: 100) == [100])
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func aQuestionFindsWhatAFullLookFinds(seed: UInt64) throws {
        var random = Seeded(state: seed)
        let fixture = try StoreFixture()
        let start: Int64 = 1_717_768_800_000
        for device in 0..<5 { try fixture.addDevice(UInt32(device), .noise, "meter-\(device)") }
        // Mostly in the order of time, now and then late; numbers with gaps, as other kinds make them. A restart amid a
        // segment.
        var all: [(number: Int64, reading: Reading)] = []
        var number: Int64 = 0
        let total = 56_000
        var stored = try fixture.writer.storedReadings()
        var restarts = [20_000, 41_000]
        while all.count < total {
            let batch = (0..<Int.random(in: 1...3000, using: &random)).map { index in
                var reading = Reading(kind: .noise, periodMilliseconds: 1000)
                reading.device = UInt32(min(Int.random(in: 0..<5, using: &random), Int.random(in: 0..<5, using: &random)))
                let late = Int.random(in: 0..<500, using: &random) == 0 ? Int64.random(in: 0..<20_000_000, using: &random) : 0
                reading.ts = Timestamp(milliseconds: start + Int64(all.count + index) * 1000 - late)
                reading.received = reading.ts + late
                reading.set(NoiseValue.laeq, 50)
                return reading
            }
            let numbers = batch.map { _ in
                number += Int.random(in: 0..<20, using: &random) == 0 ? Int64.random(in: 1...400, using: &random) : 1
                return number
            }
            try fixture.add(noise: batch, to: stored, numbers: numbers)
            all += zip(numbers, batch).map { ($0, $1) }
            if let restart = restarts.first, all.count >= restart {
                restarts.removeFirst()
                stored = try fixture.writer.storedReadings()
            }
        }
        let reader = try StoreReader(path: fixture.path)
        let known = try reader.rows("SELECT (SELECT count(*) FROM raw_segment), (SELECT count(*) FROM segment_devices)").rows[0].map(\.integer)
        #expect(known[0] >= 3 && known[1] >= 1 && known[1] < known[0])
        #expect(try reader.segmentDamage() == [])
        // One device's number is not that of the row; one segment ends too early.
        try fixture.commit {
            _ = try $0.rows(
                """
                UPDATE segment_devices SET devices = CAST(x'0A' || substr(devices, 2) AS BLOB)
                  WHERE first_id = (SELECT min(first_id) FROM segment_devices)
                """)
            _ = try $0.rows(
                """
                UPDATE raw_segment SET max_ts = max_ts - 1
                  WHERE first_id = (SELECT max(first_id) FROM raw_segment WHERE first_id NOT IN (SELECT first_id FROM segment_devices))
                """)
        }
        #expect(try reader.segmentDamage().count == 2)
        try fixture.writer.mendSegments()
        #expect(try reader.segmentDamage() == [])
        // One of the meters was elsewhere in the first half.
        let moved = Timestamp(milliseconds: start + Int64(total) * 500)
        try fixture.commit {
            _ = try $0.rows("UPDATE device SET site = 's' || (number % 2), area = '33011' || number")
            try $0.write(placeBefore: Device(number: 1, kind: .noise, id: "meter-1", gateway: "gw", area: "44", site: "old"), until: moved)
        }
        func place(_ reading: Reading) -> (site: String, area: String) {
            reading.device == 1 && reading.ts < moved ? ("old", "44") : ("s\(reading.device % 2)", "33011\(reading.device)")
        }
        for number in 0..<90 {
            // As an older Patrol left it.
            if number == 75 { try fixture.commit { _ = try $0.rows("DROP TABLE segment_devices") } }
            let moments = (0..<2).map { _ in start + Int64.random(in: -1000...Int64(total) * 1000, using: &random) }.sorted()
            var query = PageQuery(.readings, limit: Int.random(in: 1...3000, using: &random))
            if Int.random(in: 0..<4, using: &random) > 0 { query.device = "meter-\(Int.random(in: 0..<5, using: &random))" }
            if Int.random(in: 0..<3, using: &random) == 0 { query.site = ["s0", "s1", "old", "none"].randomElement(using: &random)! }
            if Int.random(in: 0..<3, using: &random) == 0 { query.area = ["33011", "330112", "44", "4", "5"].randomElement(using: &random)! }
            if Bool.random(using: &random) { query.since = Timestamp(milliseconds: moments[0]) }
            if Bool.random(using: &random) { query.until = Timestamp(milliseconds: moments[1]) }
            let wanted = all.reversed().filter { row in
                query.device.map { $0 == "meter-\(row.reading.device)" } ?? true
                    && query.site.map { $0 == place(row.reading).site } ?? true
                    && query.area.map { place(row.reading).area.hasPrefix($0) } ?? true
                    && query.since.map { row.reading.ts >= $0 } ?? true && query.until.map { row.reading.ts < $0 } ?? true
            }.map(\.number)
            var found: [Int64] = []
            repeat {
                let page = try reader.page(query)
                #expect(page.rows.count == min(query.limit, wanted.count - found.count))
                found += page.rows.map { $0.last!.integer }
                query.cursor = page.next
            } while query.cursor != nil
            #expect(found == wanted)
        }
    }
}
