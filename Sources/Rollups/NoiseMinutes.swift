public import Telemetry

/// The minutes of all noise meters, built as readings come, in any order.
///
/// A minute is in memory while its rows in the raw table are not all committed; the newest minute of each meter stays.
/// A late reading for a minute that is not in memory loads that minute's readings again (`load`), so that a row is
/// always computed from all its samples: exact for any order and any split of the input. One thread owns it.
@safe
public final class NoiseMinutes {
    public static let widthMilliseconds: Int64 = 60_000

    @safe
    private struct Node {
        var device: UInt32
        var next: Int32
        var bucket: Timestamp
        var count: Int32
        var capacity: Int32
        var lmax: Double
        var lmin: Double
        var isDirty: Bool
        // Owned by this node; freed in deinit, reused through the free list.
        var samples: UnsafeMutablePointer<NoiseSample>
    }

    /// Calls back with each committed reading of a device that touches `from..<to`.
    public typealias Load = (_ device: UInt32, _ from: Timestamp, _ to: Timestamp, (borrowing Reading) -> Void) -> Void

    private let load: Load
    private var nodes: [Node] = []
    private var freeNode: Int32 = -1
    /// First of the device's nodes, newest bucket first.
    private var headOfDevice: [Int32] = []
    private var dirty: [Int32] = []
    /// The newest minute each device has ever had, in the store or in memory.
    private var newestBucket: [Timestamp] = []

    public init(load: @escaping Load) { self.load = load }

    deinit { for index in nodes.indices { unsafe nodes[index].samples.deallocate() } }

    /// Makes room for devices up to and including `device`; `newest` is the newest minute that the store may hold.
    public func reserve(device: UInt32, newest: Timestamp = .distantPast) {
        while headOfDevice.count <= Int(device) {
            headOfDevice.append(-1)
            newestBucket.append(.distantPast)
        }
        if newest > newestBucket[Int(device)] { newestBucket[Int(device)] = newest }
    }

    /// Adds an accepted reading. One longer than a minute enters no minute; one that crosses a boundary is divided.
    @inline(__always)
    public func add(_ reading: borrowing Reading) {
        guard reading.periodMilliseconds <= UInt32(NoiseMinutes.widthMilliseconds) else { return }
        let bucket = reading.ts.bucketStart(widthMilliseconds: NoiseMinutes.widthMilliseconds)
        add(reading, to: bucket)
        if reading.end > bucket + NoiseMinutes.widthMilliseconds { add(reading, to: bucket + NoiseMinutes.widthMilliseconds) }
    }

    @inline(__always)
    private func add(_ reading: borrowing Reading, to bucket: Timestamp) {
        let device = Int(reading.device)
        var slot = headOfDevice[device]
        if slot < 0 || nodes[Int(slot)].bucket != bucket { slot = open(device: reading.device, bucket: bucket) }
        append(reading, to: slot)
        if !nodes[Int(slot)].isDirty {
            nodes[Int(slot)].isDirty = true
            dirty.append(slot)
        }
    }

    /// Finds or makes the node of a minute, with the readings that the store already holds of it.
    @inline(never)
    private func open(device: UInt32, bucket: Timestamp) -> Int32 {
        var previous: Int32 = -1
        var slot = headOfDevice[Int(device)]
        while slot >= 0 && nodes[Int(slot)].bucket > bucket {
            previous = slot
            slot = nodes[Int(slot)].next
        }
        if slot >= 0 && nodes[Int(slot)].bucket == bucket { return slot }
        let fresh = takeNode(device: device, bucket: bucket, next: slot)
        if previous < 0 { headOfDevice[Int(device)] = fresh } else { nodes[Int(previous)].next = fresh }
        if bucket <= newestBucket[Int(device)] {
            load(device, bucket, bucket + NoiseMinutes.widthMilliseconds) { append($0, to: fresh) }
        } else {
            newestBucket[Int(device)] = bucket
        }
        return fresh
    }

    /// Rebuilds a minute from the store, so that the next flush writes it. For the start after a kill.
    public func rebuild(device: UInt32, bucket: Timestamp) {
        reserve(device: device, newest: bucket)
        let slot = open(device: device, bucket: bucket)
        if nodes[Int(slot)].count > 0 && !nodes[Int(slot)].isDirty {
            nodes[Int(slot)].isDirty = true
            dirty.append(slot)
        }
    }

    private func takeNode(device: UInt32, bucket: Timestamp, next: Int32) -> Int32 {
        let slot: Int32
        if freeNode >= 0 {
            slot = freeNode
            freeNode = nodes[Int(slot)].next
        } else {
            slot = Int32(nodes.count)
            let samples = UnsafeMutablePointer<NoiseSample>.allocate(capacity: 64)
            unsafe nodes.append(
                Node(
                    device: 0, next: -1, bucket: bucket, count: 0, capacity: 64, lmax: 0, lmin: 0, isDirty: false,
                    samples: samples))
        }
        nodes[Int(slot)].device = device
        nodes[Int(slot)].next = next
        nodes[Int(slot)].bucket = bucket
        nodes[Int(slot)].count = 0
        nodes[Int(slot)].lmax = -.infinity
        nodes[Int(slot)].lmin = .infinity
        nodes[Int(slot)].isDirty = false
        return slot
    }

    /// The part of a reading that lies in the node's minute; a reading that does not touch it is passed over.
    @inline(__always)
    private func append(_ reading: borrowing Reading, to slot: Int32) {
        let bucket = nodes[Int(slot)].bucket
        let start = max(0, reading.ts - bucket)
        let end = min(NoiseMinutes.widthMilliseconds, reading.end - bucket)
        guard end > start, reading.periodMilliseconds <= UInt32(NoiseMinutes.widthMilliseconds) else { return }
        if nodes[Int(slot)].count == nodes[Int(slot)].capacity { grow(slot) }
        let level = reading.values[NoiseValue.laeq]
        let count = nodes[Int(slot)].count
        unsafe nodes[Int(slot)].samples[Int(count)] = NoiseSample(
            startMilliseconds: UInt16(start), durationMilliseconds: UInt16(end - start),
            levelMillidecibels: Int32((level * 1000).rounded()))
        nodes[Int(slot)].count = count + 1
        nodes[Int(slot)].lmax = max(nodes[Int(slot)].lmax, reading.value(NoiseValue.lmax) ?? level)
        nodes[Int(slot)].lmin = min(nodes[Int(slot)].lmin, reading.value(NoiseValue.lmin) ?? level)
    }

    private func grow(_ slot: Int32) {
        let capacity = Int(nodes[Int(slot)].capacity)
        let larger = UnsafeMutablePointer<NoiseSample>.allocate(capacity: capacity * 2)
        unsafe larger.update(from: nodes[Int(slot)].samples, count: capacity)
        unsafe nodes[Int(slot)].samples.deallocate()
        unsafe nodes[Int(slot)].samples = larger
        nodes[Int(slot)].capacity = Int32(capacity * 2)
    }

    /// Whether a flush of everything would write a row.
    public var hasUnflushed: Bool { !dirty.isEmpty }

    /// Hands over the rows that changed: minutes that a newer one has followed, and with `includingNewest` the open
    /// ones too. What is handed over is clean; minutes other than the newest leave memory at ``committed()``.
    public func flush(includingNewest: Bool, _ take: (NoiseMinuteRow) throws -> Void) rethrows {
        var kept = 0
        for position in dirty.indices {
            let slot = dirty[position]
            let isNewest = headOfDevice[Int(nodes[Int(slot)].device)] == slot
            if isNewest && !includingNewest {
                dirty[kept] = slot
                kept += 1
                continue
            }
            let samples = unsafe UnsafeMutableBufferPointer(
                start: nodes[Int(slot)].samples, count: Int(nodes[Int(slot)].count))
            try take(
                unsafe NoiseMinuteRow.compute(
                    device: nodes[Int(slot)].device, bucket: nodes[Int(slot)].bucket, samples: samples,
                    lmax: nodes[Int(slot)].lmax, lmin: nodes[Int(slot)].lmin))
            nodes[Int(slot)].isDirty = false
            if !isNewest { leaving.append(slot) }
        }
        dirty.removeLast(dirty.count - kept)
    }

    private var leaving: [Int32] = []

    /// The transaction that holds everything flushed and every reading added is committed.
    public func committed() {
        for slot in leaving {
            let device = Int(nodes[Int(slot)].device)
            var previous = headOfDevice[device]
            while previous >= 0 && nodes[Int(previous)].next != slot { previous = nodes[Int(previous)].next }
            if previous >= 0 { nodes[Int(previous)].next = nodes[Int(slot)].next }
            if nodes[Int(slot)].capacity > 64 { shrink(slot) }
            nodes[Int(slot)].next = freeNode
            freeNode = slot
        }
        leaving.removeAll(keepingCapacity: true)
    }

    private func shrink(_ slot: Int32) {
        unsafe nodes[Int(slot)].samples.deallocate()
        unsafe nodes[Int(slot)].samples = .allocate(capacity: 64)
        nodes[Int(slot)].capacity = 64
    }
}
