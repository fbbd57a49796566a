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
        /// Stands in `changed`.
        var isChanged = false
    }

    // Grown by doubling on the processor's thread, which alone reads it; freed in deinit.
    private(set) var entries: UnsafeMutablePointer<Entry>
    private var capacity = 1024
    private(set) var count = 0
    private(set) var devices: [Device] = []
    /// Devices whose state is not as the store has it.
    private(set) var changed: [UInt32] = []

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
        count += 1
        devices.append(device)
    }

    func update(_ number: UInt32, _ device: Device) { devices[Int(number)] = device }

    @inline(__always)
    func markChanged(_ number: UInt32) {
        if unsafe !entries[Int(number)].isChanged {
            unsafe entries[Int(number)].isChanged = true
            changed.append(number)
        }
    }

    func writeChanged(to store: StoreWriter) throws(StoreError) {
        changed.sort()
        for number in changed {
            let entry = unsafe entries[Int(number)]
            try store.write(
                state: DeviceState(
                    newestTs: entry.newestTs, evaluatedTs: entry.evaluated.ts, evaluatedEnd: entry.evaluated.end),
                of: number)
            unsafe entries[Int(number)].isChanged = false
        }
        changed.removeAll(keepingCapacity: true)
    }
}
