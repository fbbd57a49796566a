import Rules
import Store
import Telemetry

/// What the engine remembers of each device, flat and by number.
@safe
final class DeviceTable {
    struct Entry: BitwiseCopyable {
        /// The newest accepted `ts`, `distantPast` before the first.
        var newestTs = Timestamp.distantPast
        /// The newest reading that the rules have judged.
        var evaluated = Evaluated()
        /// Index of the device's last row in the batch at hand, where `batch` is the batch's number.
        var lastRow: Int32 = -1
        var batch: UInt32 = 0
    }

    // Grown by doubling on the processor's thread, which alone reads it; freed in deinit.
    private(set) var entries: UnsafeMutablePointer<Entry>
    private var capacity = 1024
    private(set) var count = 0
    private(set) var devices: [Device] = []
    /// Which pages of devices (`DeviceStatePage`) are not as the store has them.
    private var changedPages: [Bool] = []

    init() { unsafe entries = .allocate(capacity: 1024) }

    deinit { unsafe entries.deallocate() }

    func append(_ device: Device) {
        if count == capacity {
            let larger = UnsafeMutablePointer<Entry>.allocate(capacity: capacity * 2)
            unsafe larger.update(from: entries, count: count)
            unsafe entries.deallocate()
            unsafe entries = larger
            capacity *= 2
        }
        unsafe (entries + count).initialize(to: Entry())
        if count % DeviceStatePage.devices == 0 { changedPages.append(false) }
        count += 1
        devices.append(device)
    }

    func update(_ number: UInt32, _ device: Device) { devices[Int(number)] = device }

    @inline(__always)
    func markChanged(_ number: UInt32) { changedPages[Int(number) / DeviceStatePage.devices] = true }

    func writeChanged(to store: StoreWriter) throws(StoreError) {
        for page in changedPages.indices where changedPages[page] {
            let first = page * DeviceStatePage.devices
            let states = (first..<min(count, first + DeviceStatePage.devices)).map { number in
                let entry = unsafe entries[number]
                return DeviceState(
                    newestTs: entry.newestTs, evaluatedTs: entry.evaluated.ts, evaluatedEnd: entry.evaluated.end)
            }
            try store.write(states: states, page: page)
            changedPages[page] = false
        }
    }
}
