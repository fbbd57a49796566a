import Delivery
import Store
import Telemetry

/// Keeps what each gateway is told of itself (``GatewayStatus``). Nothing of it is an input or a result of the engine:
/// it begins afresh with each start. The processor's thread only.
@safe
final class GatewayBook {
    /// A gateway is told at most so often, and so many are told in one go.
    static let intervalMilliseconds: Int64 = 10_000
    static let atOnce = 200
    /// More gateways than this are not told of.
    static let limit = 10_000
    /// A sequence number that falls back by more than this has begun anew.
    private static let restartGap: Int64 = 1000
    /// One that jumps by more than this, too: nobody loses a million readings in a row.
    private static let largestGap: Int64 = 1_000_000
    private static let offsetWindowMilliseconds: Int64 = 60_000

    private struct Entry {
        var stored: Int64 = 0, duplicate: Int64 = 0, missing: Int64 = 0
        var lastDevice: UInt32 = 0
        var lastTs = Timestamp.distantPast, lastReceived = Timestamp.distantPast
        var gapDevice: UInt32 = 0
        var gapAfter: Int64 = 0, gapBefore: Int64 = 0
        /// The least of this window and of the one before.
        var offset = Int64.max, offsetBefore = Int64.max
        var offsetSince = Timestamp.distantPast
        var isChanged = false
        var toldAt = Int64.min / 2
    }

    private let since: Timestamp
    private var numbers: [String: Int32] = [:]
    private var names: [String] = []
    private var entries: [Entry] = []
    private var rejected: [[Int64]] = []
    /// By device number: the gateway's, −1 before the device's first reading here; and its last sequence number.
    private var gatewayOfDevice: [Int32] = []
    private var lastSeq: [Int64] = []
    private var changed: [Int32] = []
    private var askedAt = Int64.min / 2

    init(since: Timestamp) { self.since = since }

    private func number(of gateway: String) -> Int32? {
        if let known = numbers[gateway] { return known }
        guard !gateway.isEmpty, entries.count < GatewayBook.limit else { return nil }
        let number = Int32(entries.count)
        numbers[gateway] = number
        names.append(gateway)
        entries.append(Entry())
        rejected.append(Array(repeating: 0, count: RejectReason.allCases.count))
        return number
    }

    /// Takes a device in, or its new gateway.
    func add(device: UInt32, gateway: String) {
        while gatewayOfDevice.count <= Int(device) {
            gatewayOfDevice.append(-1)
            lastSeq.append(Reading.noSeq)
        }
        gatewayOfDevice[Int(device)] = number(of: gateway) ?? -1
    }

    /// A reading that is stored.
    @inline(__always)
    func stored(_ reading: borrowing Reading) {
        let device = Int(reading.device)
        let index = Int(gatewayOfDevice[device])
        guard index >= 0 else { return }
        entries[index].stored += 1
        entries[index].lastDevice = reading.device
        entries[index].lastTs = reading.ts
        entries[index].lastReceived = reading.received
        entries[index].offset = min(entries[index].offset, reading.received - reading.end)
        let seq = reading.seq
        if seq != Reading.noSeq && seq != lastSeq[device] &+ 1 { jumped(to: seq, reading.device, index) }
        if seq > lastSeq[device] { lastSeq[device] = seq }
        if !entries[index].isChanged { change(index) }
    }

    @inline(never)
    private func jumped(to seq: Int64, _ device: UInt32, _ index: Int) {
        let last = lastSeq[Int(device)]
        if last == Reading.noSeq { return }
        if seq > last {
            let (gap, isHuge) = seq.subtractingReportingOverflow(last + 1)
            if isHuge || gap > GatewayBook.largestGap { return }
            entries[index].missing += gap
            entries[index].gapDevice = device
            entries[index].gapAfter = last
            entries[index].gapBefore = seq
        } else if last.subtractingReportingOverflow(seq).partialValue > GatewayBook.restartGap || seq <= 1 {
            lastSeq[Int(device)] = seq
        } else {
            // Stored and not there before: one of the missing.
            entries[index].missing = max(0, entries[index].missing - 1)
        }
    }

    func duplicate(device: UInt32) {
        let index = Int(gatewayOfDevice[Int(device)])
        guard index >= 0 else { return }
        entries[index].duplicate += 1
        change(index)
    }

    func rejected(gateway: String, reason: RejectReason) {
        guard let number = number(of: gateway) else { return }
        rejected[Int(number)][Int(reason.rawValue)] += 1
        change(Int(number))
    }

    private func change(_ index: Int) {
        guard !entries[index].isChanged else { return }
        entries[index].isChanged = true
        changed.append(Int32(index))
    }

    /// Those to be told now, at most ``atOnce``; asked once a second it costs nothing worth naming.
    func due(table: DeviceTable, now: Timestamp, monotonicMilliseconds: Int64) -> [GatewayStatus] {
        guard !changed.isEmpty, monotonicMilliseconds - askedAt >= 1000 else { return [] }
        askedAt = monotonicMilliseconds
        var told: [GatewayStatus] = []
        var kept = 0
        for position in changed.indices {
            let index = Int(changed[position])
            let isDue = monotonicMilliseconds - entries[index].toldAt >= GatewayBook.intervalMilliseconds
            guard isDue, told.count < GatewayBook.atOnce else {
                changed[kept] = Int32(index)
                kept += 1
                continue
            }
            entries[index].isChanged = false
            entries[index].toldAt = monotonicMilliseconds
            told.append(status(index, table: table, now: now))
        }
        changed.removeLast(changed.count - kept)
        return told
    }

    private func status(_ index: Int, table: DeviceTable, now: Timestamp) -> GatewayStatus {
        var status = GatewayStatus(gateway: names[index], since: since, at: now)
        let entry = entries[index]
        (status.stored, status.duplicate, status.missing) = (entry.stored, entry.duplicate, entry.missing)
        status.rejected = rejected[index]
        if entry.stored > 0 {
            let device = table.devices[Int(entry.lastDevice)]
            status.last = .init(kind: device.kind, device: device.id, ts: entry.lastTs, received: entry.lastReceived)
        }
        if entry.gapAfter != entry.gapBefore {
            status.lastGap = .init(
                device: table.devices[Int(entry.gapDevice)].id, after: entry.gapAfter, before: entry.gapBefore)
        }
        let least = min(entry.offset, entry.offsetBefore)
        if least != .max { status.clockOffsetMilliseconds = least }
        if now - entry.offsetSince >= GatewayBook.offsetWindowMilliseconds {
            entries[index].offsetBefore = entry.offset
            entries[index].offset = .max
            entries[index].offsetSince = now
        }
        return status
    }
}
