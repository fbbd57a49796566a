import Foundation
import Settings
import Telemetry
import Testing

@testable import Pipeline
@testable import Store

/// A device that is moved keeps what it measured where it was.
@Suite struct PlaceOfDeviceTests {
    @Test func aBucketHasThePlaceOfItsTime() throws {
        let rig = try Rig(deviceCount: 1, rules: [])
        let start: Int64 = 1_717_768_800_000
        let hour: Int64 = 3_600_000
        func place(_ site: String, _ zone: String, area: String, at hours: Int64) throws {
            let store = try StoreWriter(path: rig.path)
            try LivePipeline.take(
                devices: [DeviceRecord(kind: .noise, id: "d0", gateway: "g", name: "x", area: area, site: site, zone: zone)], into: store,
                at: Timestamp(milliseconds: start + hours * hour))
            store.close()
        }
        func readings(_ hours: Range<Int64>) -> [Script] { hours.map { Script(ts: start + $0 * hour, level: 50) } }
        try rig.run(readings(0..<1))
        try place("school", "1", area: "330110005", at: 0)
        try rig.run(readings(1..<3))
        try place("site-9", "3", area: "330110010", at: 3)
        try rig.run(readings(3..<5))
        // The same once more is no move.
        try place("site-9", "3", area: "330110010", at: 4)
        try place("exam", "1", area: "330110005", at: 5)
        try rig.run(readings(5..<6))

        let reader = try StoreReader(path: rig.path)
        func hours(site: String? = nil, area: String? = nil, device: String? = nil) throws -> [[StoreValue]] {
            var query = RollupQuery(
                .noise, step: .hour, from: Timestamp(milliseconds: start), to: Timestamp(milliseconds: start + 24 * hour), limit: 100)
            (query.site, query.area, query.device, query.includesPlace) = (site, area, device, true)
            return try reader.rollup(query).rows
        }
        let all = try hours().map { row in "\((row[1].integer - start) / hour) \(row[row.count - 2].text) \(row[row.count - 1].text)" }
        #expect(all == ["0 school 1", "1 school 1", "2 school 1", "3 site-9 3", "4 site-9 3", "5 exam 1"])
        #expect(try hours(device: "d0").count == 6)
        #expect(try hours(site: "site-9").map { ($0[1].integer - start) / hour } == [3, 4])
        #expect(try hours(site: "exam", device: "d0").map { ($0[1].integer - start) / hour } == [5])
        #expect(try hours(area: "330110005").count == 4)
        #expect(try rig.lines("SELECT site FROM device") == ["exam"])
    }
}
