import Glibc
import Telemetry

/// One JSON object to one reading.
extension MessageDecoder {
    /// Decodes the object at the scanner into a claimed slot, or into a rejection. False where the JSON is damaged.
    @inline(__always)
    mutating func element(_ message: Message, _ table: KindTable, _ scanner: inout JSONScanner) -> Bool {
        let start = unsafe scanner.position
        let offset = writer.claim(tail: 0)
        guard offset >= 0 else { return scanner.skipValue(depth: Limits.nesting) }
        let reading = unsafe writer.slot(offset).assumingMemoryBound(to: Reading.self)
        unsafe reading.initialize(
            to: Reading(kind: message.kind, periodMilliseconds: table.defaultPeriodMilliseconds))
        unsafe reading.pointee.device = message.number
        unsafe reading.pointee.received = message.received
        var fault: Fault?
        var seen: UInt32 = 0
        guard unsafe members(reading, offset, table, &scanner, &seen, &fault) else { return false }
        if fault == nil && (seen & table.required != table.required || (table.anyOf != 0 && seen & table.anyOf == 0)) {
            let missing = table.required & ~seen
            fault = Fault(.missing, entry: missing == 0 ? Fault.wholePayload : missing.trailingZeroBitCount)
        }
        if let fault {
            writer.rewind(to: offset)
            let field = fault.entry == Fault.wholePayload ? "payload" : table.names[fault.entry]
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
        _ reading: UnsafeMutablePointer<Reading>, _ offset: Int, _ table: KindTable, _ scanner: inout JSONScanner,
        _ seen: inout UInt32, _ fault: inout Fault?
    ) -> Bool {
        unsafe scanner.position += 1
        var given: UInt32 = 0
        var next = 0
        if scanner.take(0x7D) { return true }
        repeat {
            guard scanner.take(0x22), let key = scanner.string(), scanner.take(0x3A) else { return false }
            let index = unsafe key.hasEscapes ? escapedKey(key, table) : table.find(key.start, count: key.count, hint: next)
            if index < 0 || fault != nil {
                guard scanner.skipValue(depth: Limits.nesting - 1) else { return false }
                continue
            }
            next = index + 1
            let bit: UInt32 = 1 << UInt32(index)
            if given & bit != 0 {
                fault = Fault(.malformed, entry: index)
                guard scanner.skipValue(depth: Limits.nesting - 1) else { return false }
                continue
            }
            given |= bit
            scanner.skipSpace()
            let entry = unsafe table.entries[index]
            if scanner.byte == 0x6E {
                guard scanner.literal("null") else { return false }
                continue
            }
            let start = unsafe scanner.position
            switch unsafe value(entry, reading, offset, table, &scanner) {
            case .good: seen |= bit
            case .range: fault = Fault(.range, entry: index)
            case .wrongType:
                fault = Fault(.type, entry: index)
                unsafe scanner.position = start
                guard scanner.skipValue(depth: Limits.nesting - 1) else { return false }
            case .damaged: return false
            }
        } while scanner.take(0x2C)
        return scanner.take(0x7D)
    }

    @inline(never)
    private func escapedKey(_ key: JSONScanner.Text, _ table: KindTable) -> Int {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { bytes in
            guard let count = unsafe JSONScanner.decode(key, into: bytes.baseAddress!, limit: 16) else { return -1 }
            return unsafe table.find(bytes.baseAddress!, count: count, hint: 0)
        }
    }

    private enum Outcome { case good, range, wrongType, damaged }

    @inline(__always)
    private mutating func value(
        _ entry: KindTable.Entry, _ reading: UnsafeMutablePointer<Reading>, _ offset: Int, _ table: KindTable,
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
        case .flags: return unsafe flags(entry, reading, table, &scanner)
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
            guard let read = unsafe Timestamp(rfc3339: UnsafeRawBufferPointer(start: text.start, count: text.count)) else {
                // Back before the quote: the caller passes over the whole value again.
                return .wrongType
            }
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
        _ entry: KindTable.Entry, _ reading: UnsafeMutablePointer<Reading>, _ table: KindTable,
        _ scanner: inout JSONScanner
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
            let name = unsafe String(decoding: UnsafeBufferPointer(start: text.start, count: text.count), as: UTF8.self)
            if let bit = table.flagNames.firstIndex(of: name) {
                unsafe reading.pointee.setBit(Int(entry.index) + bit, true)
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
                    unsafe !bytes[..<decoded].contains(where: { $0 < 0x20 || $0 == 0x7F })
                else { return outcome = .range }
                count = decoded
            } else if entry.action == .boot, scanner.byte == 0x2D || scanner.byte &- 0x30 < 10 {
                let start = unsafe scanner.position
                guard let number = scanner.number() else { return outcome = .damaged }
                guard number.isInteger else { return outcome = .wrongType }
                count = unsafe scanner.position - start
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
