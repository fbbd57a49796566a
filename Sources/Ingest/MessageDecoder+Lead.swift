import Glibc
import Telemetry

/// A lead of a person or another system: `{root}/in/{gateway}/lead`, one JSON object. Rare, so that it may allocate.
extension MessageDecoder {
    /// What is taken of it; other members are passed over.
    private struct LeadReader {
        /// In the order of ``LeadText``, nil where absent.
        var texts: [[UInt8]?] = Array(repeating: nil, count: LeadText.allCases.count)
        var lat: Double?, lon: Double?
        var seen: Set<String> = []
        /// The first member that is wrong.
        var problem: (reason: RejectReason, field: String)?

        mutating func refuse(_ reason: RejectReason, _ field: String) { if problem == nil { problem = (reason, field) } }

        subscript(_ text: LeadText) -> [UInt8]? { texts[Int(text.rawValue)] }
    }

    /// Decodes a lead into a claimed record. Returns 1: a lead is one message.
    mutating func decodeLead(
        topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, received: Timestamp, gateway: String
    ) -> Int {
        let mark = writer.mark
        var reader = LeadReader()
        if payload.count > Limits.payloadBytes {
            reader.refuse(.tooLarge, "payload")
        } else if unsafe !read(payload, &reader) {
            reader.problem = (.malformed, "payload")
        } else {
            MessageDecoder.check(&reader)
        }
        if let problem = reader.problem {
            unsafe writer.rejection(
                problem.reason, kind: nil, isLead: true, gateway: gateway, device: "", field: problem.field, topic: topic,
                payload: payload, received: received)
        } else {
            writer.lead(gateway: gateway, texts: reader.texts.map { $0 ?? [] }, lat: reader.lat, lon: reader.lon, received: received)
        }
        if writer.isFull { giveUp(to: mark, kind: nil, count: 1) }
        return 1
    }

    /// False where the payload is damaged.
    private func read(_ payload: UnsafeRawBufferPointer, _ reader: inout LeadReader) -> Bool {
        guard payload.count > 0 else { return false }
        unsafe memcpy(buffer, payload.baseAddress!, payload.count)
        unsafe (UnsafeMutableRawPointer(buffer) + payload.count).initializeMemory(as: UInt8.self, repeating: 0, count: JSONScanner.padding)
        guard unsafe UTF8Check.isValid(buffer, count: payload.count) else { return false }
        var scanner = unsafe JSONScanner(position: UnsafePointer(buffer))
        scanner.skipSpace()
        if scanner.byte == 0x7B {
            guard object(&scanner, &reader) else { return false }
        } else {
            reader.refuse(.type, "payload")
            guard scanner.skipValue(depth: Limits.nesting) else { return false }
        }
        scanner.skipSpace()
        return unsafe scanner.position == UnsafePointer(buffer) + payload.count
    }

    private func object(_ scanner: inout JSONScanner, _ reader: inout LeadReader) -> Bool {
        unsafe scanner.position += 1
        if scanner.take(0x7D) { return true }
        repeat {
            guard scanner.take(0x22), let key = scanner.string(), scanner.take(0x3A) else { return false }
            let name = MessageDecoder.bytes(of: key, limit: Limits.idBytes).map { String(decoding: $0, as: UTF8.self) } ?? ""
            scanner.skipSpace()
            let start = unsafe scanner.position
            guard scanner.skipValue(depth: Limits.nesting - 1) else { return false }
            let isKnown = name == "lat" || name == "lon" || LeadText(name: name) != nil
            if isKnown && !reader.seen.insert(name).inserted { return false }
            if isKnown { unsafe member(name, JSONScanner(position: start), end: scanner.position, &reader) }
        } while scanner.take(0x2C)
        return scanner.take(0x7D)
    }

    /// A known member whose value is sound JSON.
    private func member(_ name: String, _ value: JSONScanner, end: UnsafePointer<UInt8>, _ reader: inout LeadReader) {
        var value = value
        let isNumber = value.byte == 0x2D || value.byte &- 0x30 < 10
        if value.byte == 0x6E { return }  // null: as if it were not there
        guard let text = LeadText(name: name) else {
            guard isNumber, let number = value.number() else { return reader.refuse(.type, name) }
            guard abs(number.value) <= (name == "lat" ? 90 : 180) else { return reader.refuse(.range, name) }
            if name == "lat" { reader.lat = number.value } else { reader.lon = number.value }
            return
        }
        if isNumber && text.mayBeNumber {
            let written = unsafe Array(UnsafeBufferPointer(start: value.position, count: end - value.position))
            guard written.allSatisfy({ $0 &- 0x30 < 10 }) else { return reader.refuse(.type, name) }
            guard written.count <= text.bytes else { return reader.refuse(.range, name) }
            reader.texts[Int(text.rawValue)] = written
            return
        }
        guard value.byte == 0x22 else { return reader.refuse(.type, name) }
        unsafe value.position += 1
        guard let string = value.string() else { return reader.refuse(.type, name) }
        guard let decoded = MessageDecoder.bytes(of: string, limit: text.bytes) else { return reader.refuse(.range, name) }
        let hasControl = unsafe decoded.withUnsafeBufferPointer { bytes in
            unsafe bytes.baseAddress.map { unsafe JSONScanner.hasControl($0, count: bytes.count) } ?? false
        }
        // Words may have lines.
        let isBroken = hasControl && (text != .text || decoded.contains { $0 < 0x20 && $0 != 0x0A && $0 != 0x09 && $0 != 0x0D || $0 == 0x7F })
        if isBroken { return reader.refuse(.range, name) }
        if !decoded.isEmpty { reader.texts[Int(text.rawValue)] = decoded }
    }

    /// What must be there, and together.
    private static func check(_ reader: inout LeadReader) {
        if reader[.matter] == nil { reader.refuse(.missing, "matter") }
        if let severity = reader[.severity], !["info", "warning", "critical"].contains(String(decoding: severity, as: UTF8.self)) {
            reader.refuse(.range, "severity")
        }
        if (reader.lat == nil) != (reader.lon == nil) { reader.refuse(.missing, reader.lat == nil ? "lat" : "lon") }
        if reader[.site] == nil && reader[.area] == nil && reader.lat == nil { reader.refuse(.missing, "site") }
    }

    /// A string's bytes with its escapes decoded; nil where they are more than `limit`.
    private static func bytes(of text: JSONScanner.Text, limit: Int) -> [UInt8]? {
        var result: [UInt8]?
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: limit + 1) { bytes in
            guard let count = unsafe JSONScanner.decode(text, into: bytes.baseAddress!, limit: limit) else { return }
            result = unsafe Array(UnsafeBufferPointer(start: bytes.baseAddress!, count: count))
        }
        return result
    }
}
