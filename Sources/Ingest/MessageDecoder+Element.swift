import Glibc
import Telemetry

/// One JSON object to one reading.
extension MessageDecoder {
    /// Decodes the object at the scanner into a claimed slot, or into a rejection. False where the JSON is damaged.
    @inline(__always)
    mutating func element(
        _ message: Message, _ plan: KindTable.Plan, _ scanner: inout JSONScanner, depth: Int
    ) -> Bool {
        let start = unsafe scanner.position
        let offset = writer.claim(tail: 0)
        guard offset >= 0 else { return scanner.skipValue(depth: Limits.nesting + 1 - depth) }
        let reading = unsafe writer.slot(offset).assumingMemoryBound(to: Reading.self)
        unsafe reading.initialize(
            to: Reading(kind: message.kind, periodMilliseconds: plan.defaultPeriodMilliseconds))
        unsafe reading.pointee.device = message.number
        unsafe reading.pointee.received = message.received
        var fault: Fault?
        var seen: UInt32 = 0
        guard unsafe members(reading, offset, plan, &scanner, Limits.nesting - depth, &seen, &fault) else { return false }
        if fault == nil && (seen & plan.required != plan.required || (plan.anyOf != 0 && seen & plan.anyOf == 0)) {
            let missing = plan.required & ~seen
            fault = Fault(.missing, entry: missing == 0 ? Fault.wholePayload : missing.trailingZeroBitCount)
        }
        if let fault {
            writer.rewind(to: offset)
            let field = fault.entry == Fault.wholePayload ? "payload" : name(message.kind, fault.entry)
            unsafe refuse(message, fault.reason, field: field, from: start, to: scanner.position)
        }
        return true
    }

    /// The first thing wrong with a reading.
    struct Fault {
        static let wholePayload = -1
        let reason: RejectReason
        /// Index of the entry at fault.
        let entry: Int

        init(_ reason: RejectReason, entry: Int) {
            self.reason = reason
            self.entry = entry
        }
    }

    /// The members of an object. After a fault the rest is still checked to be JSON.
    @inline(__always)
    private mutating func members(
        _ reading: UnsafeMutablePointer<Reading>, _ offset: Int, _ plan: KindTable.Plan, _ scanner: inout JSONScanner,
        _ depth: Int, _ seen: inout UInt32, _ fault: inout Fault?
    ) -> Bool {
        unsafe scanner.position += 1
        var given: UInt32 = 0
        var previous = plan.count
        if scanner.take(0x7D) { return true }
        repeat {
            guard scanner.take(0x22) else { return false }
            var index = unsafe Int(plan.next[previous])
            if unsafe plan.isPredicted(scanner.position, index) {
                unsafe scanner.position += plan.entries[index].bytes + 1
            } else {
                guard let key = scanner.string() else { return false }
                index = unsafe key.hasEscapes ? escapedKey(key, plan) : plan.find(key.start, count: key.count, hint: index)
                if index >= 0 { unsafe plan.next[previous] = UInt8(index) }
            }
            guard scanner.take(0x3A) else { return false }
            if index < 0 || fault != nil {
                guard scanner.skipValue(depth: depth) else { return false }
                continue
            }
            previous = index
            let bit: UInt32 = 1 << UInt32(index)
            if given & bit != 0 {
                fault = Fault(.malformed, entry: index)
                guard scanner.skipValue(depth: depth) else { return false }
                continue
            }
            given |= bit
            scanner.skipSpace()
            let entry = unsafe plan.entries[index]
            if scanner.byte == 0x6E {
                guard scanner.literal("null") else { return false }
                continue
            }
            let start = unsafe scanner.position
            switch unsafe value(entry, reading, offset, plan, &scanner) {
            case .good: seen |= bit
            case .range: fault = Fault(.range, entry: index)
            case .wrongType:
                fault = Fault(.type, entry: index)
                unsafe scanner.position = start
                guard scanner.skipValue(depth: depth) else { return false }
            case .damaged: return false
            }
        } while scanner.take(0x2C)
        return scanner.take(0x7D)
    }

    @inline(never)
    private func escapedKey(_ key: JSONScanner.Text, _ plan: KindTable.Plan) -> Int {
        unsafe withDecoded(key) { unsafe $0.map { unsafe plan.find($0.baseAddress!.assumingMemoryBound(to: UInt8.self), count: $0.count, hint: 0) } ?? -1 }
    }

    /// A text with its escapes decoded, nil where it is longer than 64 bytes. 16 bytes can be read from its start on.
    @inline(__always)
    private func withDecoded<Result>(_ text: JSONScanner.Text, _ body: (UnsafeRawBufferPointer?) -> Result) -> Result {
        if !text.hasEscapes { return unsafe body(UnsafeRawBufferPointer(start: text.start, count: text.count)) }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 80) { bytes in
            unsafe bytes.initialize(repeating: 0)
            let count = unsafe JSONScanner.decode(text, into: bytes.baseAddress!, limit: 64)
            return unsafe body(count.map { unsafe UnsafeRawBufferPointer(start: bytes.baseAddress!, count: $0) })
        }
    }

    private enum Outcome { case good, range, wrongType, damaged }

    @inline(__always)
    private mutating func value(
        _ entry: KindTable.Entry, _ reading: UnsafeMutablePointer<Reading>, _ offset: Int, _ plan: KindTable.Plan,
        _ scanner: inout JSONScanner
    ) -> Outcome {
        switch entry.action {
        case .number, .integer:
            guard scanner.byte == 0x2D || scanner.byte &- 0x30 < 10 else { return .wrongType }
            guard let number = scanner.number() else { return .damaged }
            guard number.value >= entry.low && number.value <= entry.high else { return .range }
            if entry.action == .integer && !number.isInteger { return .wrongType }
            unsafe reading.pointee.set(Int(entry.index), number.value == 0 ? 0 : number.value)
            return .good
        case .ts:
            return moment(&scanner) { unsafe reading.pointee.ts = $0 }
        case .seq:
            guard scanner.byte == 0x2D || scanner.byte &- 0x30 < 10 else { return .wrongType }
            guard let number = scanner.number() else { return .damaged }
            guard number.isInteger else { return number.value.magnitude >= 9.2e18 ? .range : .wrongType }
            unsafe reading.pointee.seq = number.integer
            return .good
        case .bool:
            if scanner.byte == 0x74 {
                guard scanner.literal("true") else { return .damaged }
                unsafe reading.pointee.setBit(Int(entry.index), true)
                return .good
            }
            if scanner.byte == 0x66 {
                guard scanner.literal("false") else { return .damaged }
                unsafe reading.pointee.setBit(Int(entry.index), false)
                return .good
            }
            return .wrongType
        case .period:
            guard scanner.byte == 0x2D || scanner.byte &- 0x30 < 10 else { return .wrongType }
            guard let number = scanner.number() else { return .damaged }
            let milliseconds = (number.value * 1000).rounded()
            guard milliseconds >= 1 && milliseconds <= 86_400_000 else { return .range }
            unsafe reading.pointee.periodMilliseconds = UInt32(milliseconds)
            return .good
        case .time:
            return moment(&scanner) { unsafe reading.pointee.set(Int(entry.index), Double($0.milliseconds)) }
        case .flags: return unsafe flags(reading, plan, &scanner)
        case .officer, .boot: return unsafe text(entry, reading, offset, &scanner)
        }
    }

    /// Milliseconds since 1970 or RFC 3339 with an offset.
    @inline(__always)
    private func moment(_ scanner: inout JSONScanner, _ take: (Timestamp) -> Void) -> Outcome {
        let moment: Timestamp
        if scanner.byte == 0x22 {
            unsafe scanner.position += 1
            guard let text = scanner.string() else { return .damaged }
            // Where it is no time, the caller goes back and passes over the whole value.
            let parsed = unsafe withDecoded(text) { unsafe $0.flatMap { unsafe Timestamp(rfc3339: $0) } }
            guard let read = parsed else { return .wrongType }
            moment = read
        } else {
            guard scanner.byte == 0x2D || scanner.byte &- 0x30 < 10 else { return .wrongType }
            guard let number = scanner.number() else { return .damaged }
            guard number.isInteger else { return number.value.magnitude > 1e18 ? .range : .wrongType }
            moment = Timestamp(milliseconds: number.integer)
        }
        guard moment >= Timestamp.firstAccepted && moment <= Timestamp.lastAccepted else { return .range }
        take(moment)
        return .good
    }

    @inline(never)
    private func flags(
        _ reading: UnsafeMutablePointer<Reading>, _ plan: KindTable.Plan, _ scanner: inout JSONScanner
    ) -> Outcome {
        guard scanner.byte == 0x5B else { return .wrongType }
        unsafe scanner.position += 1
        if scanner.take(0x5D) { return .good }
        var isKnown = true
        repeat {
            scanner.skipSpace()
            guard scanner.byte == 0x22 else { return .wrongType }
            unsafe scanner.position += 1
            guard let text = scanner.string() else { return .damaged }
            let bit = unsafe withDecoded(text) { unsafe $0.map { unsafe plan.flagBit($0.baseAddress!.assumingMemoryBound(to: UInt8.self), count: $0.count) } ?? -1 }
            if bit >= 0 {
                unsafe reading.pointee.setBit(bit, true)
            } else {
                isKnown = false
            }
        } while scanner.take(0x2C)
        guard scanner.take(0x5D) else { return .damaged }
        return isKnown ? .good : .range
    }

    /// `officer` or `boot` into the reading's tail slot: officer first, whichever comes first in the payload.
    @inline(never)
    private mutating func text(
        _ entry: KindTable.Entry, _ reading: UnsafeMutablePointer<Reading>, _ offset: Int, _ scanner: inout JSONScanner
    ) -> Outcome {
        var outcome = Outcome.good
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Limits.textBytes) { bytes in
            var count = 0
            if scanner.byte == 0x22 {
                unsafe scanner.position += 1
                guard let text = scanner.string() else { return outcome = .damaged }
                guard let decoded = unsafe JSONScanner.decode(text, into: bytes.baseAddress!, limit: Limits.textBytes),
                    unsafe !JSONScanner.hasControl(bytes.baseAddress!, count: decoded)
                else { return outcome = .range }
                count = decoded
            } else if entry.action == .boot, scanner.byte == 0x2D || scanner.byte &- 0x30 < 10 {
                let start = unsafe scanner.position
                guard scanner.number() != nil else { return outcome = .damaged }
                count = unsafe scanner.position - start
                let written = unsafe UnsafeBufferPointer(start: start, count: count)
                guard unsafe !written.contains(where: { $0 == 0x2E || $0 | 0x20 == 0x65 }) else { return outcome = .wrongType }
                guard count <= Limits.textBytes else { return outcome = .range }
                unsafe memcpy(bytes.baseAddress!, start, count)
            } else {
                return outcome = .wrongType
            }
            if count == 0 { return }
            if unsafe reading.pointee.tail == 0 {
                guard writer.claim(tail: 0) >= 0 else { return outcome = .good }
                unsafe reading.pointee.tail = 1
            }
            let tail = unsafe writer.slot(offset + 1)
            if entry.action == .officer {
                let boot = unsafe Int(reading.pointee.bootBytes)
                unsafe memmove(tail + count, tail, boot)
                unsafe memcpy(tail, bytes.baseAddress!, count)
                unsafe reading.pointee.officerBytes = UInt8(count)
            } else {
                unsafe memcpy(tail + Int(reading.pointee.officerBytes), bytes.baseAddress!, count)
                unsafe reading.pointee.bootBytes = UInt8(count)
            }
        }
        return outcome
    }
}
