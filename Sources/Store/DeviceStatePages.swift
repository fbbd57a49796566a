import Foundation
import GRDB
import GRDBSQLite
public import Telemetry

/// What the engine must know of a device across a restart.
@frozen
public struct DeviceState: BitwiseCopyable, Sendable, Equatable {
    public var newestTs: Timestamp
    public var evaluatedTs: Timestamp
    public var evaluatedEnd: Timestamp

    public init(
        newestTs: Timestamp = .distantPast, evaluatedTs: Timestamp = .distantPast, evaluatedEnd: Timestamp = .distantPast
    ) {
        self.newestTs = newestTs
        self.evaluatedTs = evaluatedTs
        self.evaluatedEnd = evaluatedEnd
    }
}

/// The states of devices as the table `device_page` holds them: 128 devices a row, by number, 24 bytes each (three
/// little-endian integers in the order of ``DeviceState``). A hundred thousand devices are 800 rows at a checkpoint.
public enum DeviceStatePage {
    public static let devices = 128
    static let table = "CREATE TABLE device_page (page INTEGER PRIMARY KEY, states BLOB NOT NULL);"

    static func bytes(_ states: [DeviceState]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(devices * MemoryLayout<DeviceState>.stride)
        for state in states {
            for time in [state.newestTs, state.evaluatedTs, state.evaluatedEnd] {
                unsafe withUnsafeBytes(of: time.milliseconds.littleEndian) { unsafe bytes.append(contentsOf: $0) }
            }
        }
        return bytes
    }

    static func states(_ bytes: [UInt8]) -> [DeviceState] {
        func time(_ offset: Int) -> Timestamp {
            Timestamp(
                milliseconds: Int64(
                    littleEndian: unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: Int64.self) }))
        }
        return stride(from: 0, to: bytes.count / 24 * 24, by: 24).map {
            DeviceState(newestTs: time($0), evaluatedTs: time($0 + 8), evaluatedEnd: time($0 + 16))
        }
    }

    static let newestFunction = "newest_ts_of"
    /// SQL's `newest_ts_of(states, number)`: a device's newest `ts` as of the last checkpoint, NULL before its first.
    static let newest = DatabaseFunction(newestFunction, argumentCount: 2, pure: true) { values in
        guard let states = Data.fromDatabaseValue(values[0]).map({ DeviceStatePage.states(Array($0)) }),
            let place = Int.fromDatabaseValue(values[1]).map({ $0 % devices }), states.indices.contains(place),
            states[place].newestTs != .distantPast
        else { return nil }
        return states[place].newestTs.milliseconds
    }

    /// The states of a store that kept a row a device.
    static func migrate(_ db: Database) throws {
        try db.execute(sql: table)
        var page: [DeviceState] = []
        var number: Int64 = 0
        func write() throws {
            guard !page.isEmpty else { return }
            try db.execute(
                sql: "INSERT INTO device_page VALUES (?, ?)",
                arguments: [(number - 1) / Int64(devices), Data(bytes(page))])
            page.removeAll(keepingCapacity: true)
        }
        let rows = try Row.fetchCursor(
            db, sql: "SELECT d.number, s.newest_ts, s.evaluated_ts, s.evaluated_end FROM device d LEFT JOIN device_state s ON s.device = d.number ORDER BY 1")
        while let row = try rows.next() {
            func time(_ index: Int) -> Timestamp { (row[index] as Int64?).map { Timestamp(milliseconds: $0) } ?? .distantPast }
            page.append(DeviceState(newestTs: time(1), evaluatedTs: time(2), evaluatedEnd: time(3)))
            number += 1
            if page.count == devices { try write() }
        }
        try write()
        try db.execute(sql: "DROP TABLE device_state")
    }
}

extension StoreWriter {
    /// The states of all devices as of the last checkpoint, by number.
    public func deviceStates(_ body: (UInt32, DeviceState) -> Void) throws(StoreError) {
        let select = try connection.prepare("SELECT page, states FROM device_page ORDER BY page")
        while try select.step() {
            let first = select.integer(0) * Int64(DeviceStatePage.devices)
            for (offset, state) in DeviceStatePage.states(select.bytes(1)).enumerated() {
                body(UInt32(truncatingIfNeeded: first + Int64(offset)), state)
            }
        }
    }

    /// Writes the states of up to 128 devices, of whom the first has the number `page` × 128.
    public func write(states: [DeviceState], page: Int) throws(StoreError) {
        statements.devicePage.bind(1, Int64(page))
        statements.devicePage.bindBlob(2, DeviceStatePage.bytes(states))
        try statements.devicePage.run()
    }
}
