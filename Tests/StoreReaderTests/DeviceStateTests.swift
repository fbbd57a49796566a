import Foundation
import GRDB
import Telemetry
import Testing

@testable import Store

@Suite struct DeviceStates {
    private func state(_ number: Int64) -> DeviceState {
        DeviceState(
            newestTs: Timestamp(milliseconds: 1_717_768_800_000 + number), evaluatedTs: Timestamp(milliseconds: -number),
            evaluatedEnd: .distantPast)
    }

    @Test(arguments: [1, 127, 128, 129, 1000]) func comeBackAsWritten(count: Int) throws {
        let store = try StoreFixture()
        let states = (0..<count).map { state(Int64($0)) }
        try store.commit { writer in
            for first in stride(from: 0, to: count, by: DeviceStatePage.devices) {
                try writer.write(
                    states: Array(states[first..<min(count, first + DeviceStatePage.devices)]), page: first / DeviceStatePage.devices)
            }
        }
        var found: [DeviceState] = []
        try store.writer.deviceStates { number, state in
            #expect(Int(number) == found.count)
            found.append(state)
        }
        #expect(found == states)
    }

    @Test func theReaderShowsTheNewest() throws {
        let store = try StoreFixture()
        for number in 0..<3 { try store.addDevice(UInt32(number), .noise, "d\(number)") }
        try store.commit { try $0.write(states: [state(0), DeviceState()], page: 0) }
        let page = try StoreReader(path: store.path).page(PageQuery(.devices, kind: nil))
        let column = try #require(page.columns.firstIndex(of: "newest_ts"))
        #expect(page.rows.map { $0[column] } == [.integer(1_717_768_800_000), .null, .null])
    }

    /// A store of the first version kept a row a device.
    @Test func rowsOfTheFirstVersionBecomePages() throws {
        let path = NSTemporaryDirectory() + "patrol-states-" + UUID().uuidString + ".db"
        defer { for end in ["", "-wal", "-shm", ".lock"] { try? FileManager.default.removeItem(atPath: path + end) } }
        let queue = try DatabaseQueue(path: path)
        try Schema.migrator.migrate(queue, upTo: "1 main path")
        try queue.write { db in
            for number in 0..<200 {
                try db.execute(
                    sql: "INSERT INTO device (number, kind, id, gateway, registered_at) VALUES (?, 'noise', ?, 'gw', 0)",
                    arguments: [number, "d\(number)"])
                // The last devices have sent nothing since the last checkpoint.
                if number >= 190 { continue }
                let state = state(Int64(number))
                try db.execute(
                    sql: "INSERT INTO device_state VALUES (?, ?, ?, ?)",
                    arguments: [
                        number, state.newestTs.milliseconds, state.evaluatedTs.milliseconds, state.evaluatedEnd.milliseconds,
                    ])
            }
        }
        try queue.close()
        let writer = try StoreWriter(path: path)
        var found: [DeviceState] = []
        try writer.deviceStates { _, state in found.append(state) }
        #expect(found == (0..<200).map { $0 < 190 ? state(Int64($0)) : DeviceState() })
    }
}
