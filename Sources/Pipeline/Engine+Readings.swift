import Rules
import Store
import Telemetry

extension Engine {
    /// One reading through all stages. `text` points to its texts in the ring (`officer`, then `boot`), nil where it
    /// has none. Allocates nothing and takes no lock for an accepted reading in steady state.
    @inline(__always)
    func take(_ reading: UnsafeMutablePointer<Reading>, text: UnsafePointer<UInt8>?) {
        let kind = unsafe reading.pointee.kind
        let ts = unsafe reading.pointee.ts

        // Age, and what time alone brings until then.
        if let reason = unsafe judgeAge(reading) {
            if reason != .future { unsafe letTimePass(to: reading.pointee.received, isJudged: false) }
            return unsafe refuse(reading, text, reason, field: "ts")
        }
        let hasFired = unsafe letTimePass(to: reading.pointee.received, isJudged: true)

        // Identity.
        let number = unsafe reading.pointee.device
        let entry = unsafe table.entries + Int(number)
        if unsafe ts <= entry.pointee.newestTs {
            let identity = unsafe identity(reading, text)
            if hasFired && identity != .new { noteTimers() }
            switch identity {
            case .new: break
            case .duplicate:
                gateways.duplicate(device: number)
                return counts[Int(kind.rawValue)].duplicate += 1
            case .conflict: return unsafe refuse(reading, text, .seqConflict, field: "seq")
            }
        }

        // A start judges it at the same moment, and the timers fire before it; of backfill it judges nothing.
        if unsafe hasFired && reading.pointee.isBackfill { noteTimers() }

        // Store.
        state.input += 1
        let previous = unsafe entry.pointee.batch == batchNumber ? entry.pointee.lastRow : -1
        unsafe entry.pointee.batch = batchNumber
        unsafe entry.pointee.lastRow = Int32(batchCount(kind))
        unsafe append(BatchRow(reading: reading, text: text, id: state.input, previous: previous), kind)

        unsafe gateways.stored(reading.pointee)

        // Rules.
        unsafe judge(reading, text: text, before: entry.pointee.evaluated)
        if alerts.transitionCount != dispatchJournal.seenTransitions { dispatchTransitions() }
        unsafe advance(reading.pointee)

        // Rollups.
        if !options.rollsUp { return }
        switch kind {
        case .noise: unsafe minutes.add(reading.pointee, clock: state.clock)
        case .vehicle: unsafe tracks.vehicles.add(reading.pointee, clock: state.clock)
        case .bodycam:
            let boot = unsafe UnsafeBufferPointer(
                start: text.map { unsafe $0 + Int(reading.pointee.officerBytes) }, count: text == nil ? 0 : Int(reading.pointee.bootBytes))
            unsafe tracks.cameras.add(reading.pointee, boot: boot, clock: state.clock)
        }
    }

    /// Moves the clock, marks backfill; a reason where the reading is refused for its time.
    @inline(__always)
    private func judgeAge(_ reading: UnsafeMutablePointer<Reading>) -> RejectReason? {
        let ts = unsafe reading.pointee.ts
        let received = unsafe reading.pointee.received
        if let allowance = options.futureAllowanceMilliseconds, ts - received > allowance { return .future }
        switch options.clock {
        case .wall:
            if isCatchingUp {
                state.clock = max(state.clock, min(ts, received))
                if received - state.clock < 5_000 { isCatchingUp = false }
            } else {
                state.clock = received
            }
        case .recorded:
            if received == Timestamp.distantPast {
                state.clock = max(state.clock, ts)
                unsafe reading.pointee.received = state.clock
            } else {
                state.clock = max(state.clock, received)
            }
        case .readings: state.clock = max(state.clock, ts)
        }
        let age = state.clock - ts
        let kind = unsafe reading.pointee.kind
        if let retention = options.retention[kind].rawMilliseconds, age > retention { return .tooOld }
        if ts <= historyEdges[Int(kind.rawValue)] { return .tooOld }
        unsafe reading.pointee.isBackfill = age > options.backfillAllowanceMilliseconds
        return nil
    }

    enum Identity { case new, duplicate, conflict }

    /// Whether a reading not newer than its device's newest is there already: in the batch at hand, then in the store.
    @inline(never)
    private func identity(_ reading: UnsafeMutablePointer<Reading>, _ text: UnsafePointer<UInt8>?) -> Identity {
        let kind = unsafe reading.pointee.kind
        let ts = unsafe reading.pointee.ts
        let seq = unsafe reading.pointee.seq
        let entry = unsafe table.entries[Int(reading.pointee.device)]
        let batch = batch(kind)
        var index = entry.batch == batchNumber ? entry.lastRow : -1
        while index >= 0 {
            let row = batch[Int(index)]
            if unsafe row.reading.pointee.ts == ts && row.reading.pointee.seq == seq {
                let isEqual = unsafe reading.pointee.hasSameValues(as: row.reading.pointee)
                    && haveSameText(reading, text, row.reading, row.text)
                if isEqual { return .duplicate }
                if seq != Reading.noSeq { return .conflict }
            }
            index = row.previous
        }
        var result = Identity.new
        do throws(StoreError) {
            try unsafe stored.find(kind: kind, device: reading.pointee.device, ts: ts) { found in
                guard found.reading.seq == seq else { return true }
                let isEqual = unsafe reading.pointee.hasSameValues(as: found.reading)
                    && hasText(reading, text, officer: found.officer, boot: found.boot)
                result = isEqual ? .duplicate : seq != Reading.noSeq ? .conflict : result
                return result == .new
            }
        } catch {
            failure.error = error
        }
        return result
    }

    private func haveSameText(
        _ a: UnsafeMutablePointer<Reading>, _ aText: UnsafePointer<UInt8>?, _ b: UnsafePointer<Reading>,
        _ bText: UnsafePointer<UInt8>?
    ) -> Bool {
        guard unsafe a.pointee.officerBytes == b.pointee.officerBytes && a.pointee.bootBytes == b.pointee.bootBytes
        else { return false }
        let count = unsafe Int(a.pointee.officerBytes) + Int(a.pointee.bootBytes)
        guard count > 0, let aText = unsafe aText, let bText = unsafe bText else { return count == 0 }
        return unsafe UnsafeBufferPointer(start: aText, count: count).elementsEqual(
            UnsafeBufferPointer(start: bText, count: count))
    }

    private func hasText(
        _ reading: UnsafeMutablePointer<Reading>, _ text: UnsafePointer<UInt8>?, officer: String, boot: String
    ) -> Bool {
        let bytes = unsafe Int(reading.pointee.officerBytes) + Int(reading.pointee.bootBytes)
        guard unsafe Int(reading.pointee.officerBytes) == officer.utf8.count,
            unsafe Int(reading.pointee.bootBytes) == boot.utf8.count
        else { return false }
        guard bytes > 0, let text = unsafe text else { return true }
        return unsafe UnsafeBufferPointer(start: text, count: bytes).elementsEqual([officer.utf8, boot.utf8].joined())
    }

    /// Refuses a decoded reading: for its time, its identity, or because the store will not take it.
    @inline(never)
    func refuse(
        _ reading: UnsafeMutablePointer<Reading>, _ text: UnsafePointer<UInt8>?, _ reason: RejectReason, field: String
    ) {
        let device = unsafe table.devices[Int(reading.pointee.device)]
        let kind = unsafe reading.pointee.kind
        let position = position
        counts[Int(kind.rawValue)].rejected += 1
        gateways.rejected(gateway: device.gateway, reason: reason)
        unsafe rejects.append(
            RejectRow(
                received: reading.pointee.received, gateway: device.gateway,
                topic: "\(options.topicRoot)/in/\(device.gateway)/\(kind.name)/\(device.id)", device: device.id,
                field: field, reason: reason, payload: Array(ReadingJSON.text(of: reading.pointee).utf8)))
        rejects[rejects.count - 1].position = position
    }

    /// Readings and refusals that came before the one at hand since the engine was made.
    var position: Int64 {
        var sum = settledCount
        for kind in Kind.allCases { sum += Int64(batchCount(kind)) }
        for count in counts { sum += count.duplicate + count.rejected + count.dropped }
        return sum
    }
}

/// A reading as its native payload, for the record of a refused one.
enum ReadingJSON {
    static func text(of reading: borrowing Reading) -> String {
        var members = ["\"ts\":\(reading.ts.milliseconds)"]
        if reading.seq != Reading.noSeq { members.append("\"seq\":\(reading.seq)") }
        for field in reading.kind.description.fields {
            switch field.storage {
            case .number(let index, _, let isInteger):
                if let value = reading.value(index) {
                    members.append(isInteger ? "\"\(field.name)\":\(Int64(value))" : "\"\(field.name)\":\(value)")
                }
            case .time(let index):
                if let value = reading.value(index) { members.append("\"\(field.name)\":\(Int64(value))") }
            case .bool(let bit): if let on = reading.bit(bit) { members.append("\"\(field.name)\":\(on)") }
            case .period: members.append("\"\(field.name)\":\(Double(reading.periodMilliseconds) / 1000)")
            case .flags, .text: break
            }
        }
        return "{\(members.joined(separator: ","))}"
    }
}
