// libFuzzer's entry for the message decoder; tools/fuzz builds and runs it.
//
// An input is: one byte of options, then the topic up to a line feed, then the payload. Where the first byte is even, a
// good topic of a kind stands in its place, so that the payloads are reached. Each message is decoded by a fresh decoder
// and read back; what is asserted holds for every input.
import Ingest
import Ring
import Telemetry

private func fail(_ what: String) -> Never { fatalError("invariant broken: \(what)") }

private func check(_ reading: Reading) {
    guard reading.ts >= Timestamp.firstAccepted && reading.ts <= Timestamp.lastAccepted else { fail("ts") }
    guard (1...86_400_000).contains(reading.periodMilliseconds) else { fail("period") }
    guard !reading.isBackfill else { fail("backfill") }
    var some = !reading.kind.description.needsAnyField || reading.officerBytes > 0 || reading.bootBytes > 0
    for field in reading.kind.description.fields {
        switch field.storage {
        case .number(let index, let range, let isInteger):
            guard let value = reading.value(index) else {
                if field.required { fail("required \(field.name)") }
                continue
            }
            some = true
            guard range.contains(value) else { fail("range of \(field.name): \(value)") }
            if isInteger && value != value.rounded() { fail("\(field.name) is not whole") }
        case .time(let index):
            guard let value = reading.value(index) else { continue }
            some = true
            guard value >= Double(Timestamp.firstAccepted.milliseconds) && value <= Double(Timestamp.lastAccepted.milliseconds)
            else { fail(field.name) }
        case .bool(let bit): if reading.bit(bit) != nil { some = true }
        case .flags, .text, .period: break
        }
    }
    // An empty text counts as given and leaves no trace.
    if !some && reading.kind != .bodycam { fail("nothing measured") }
    guard reading.officerBytes <= 64 && reading.bootBytes <= 64 else { fail("text length") }
    guard Int(reading.tail) == (Int(reading.officerBytes) + Int(reading.bootBytes) > 0 ? 1 : 0) else { fail("tail") }
}

private func isClean(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard String(validating: bytes, as: UTF8.self) != nil else { return false }
    return !bytes.contains { $0 < 0x20 || $0 == 0x7F }
}

/// Reads back what one message left; returns readings, rejections, dropped.
private func readBack(_ consumer: inout RingConsumer<Slot>, devices: inout UInt32) -> (Int, Int, Int) {
    var counts = (0, 0, 0)
    var next = consumer.firstSequence
    let limit = consumer.available()
    while next < limit {
        let slot = unsafe UnsafeMutableRawPointer(consumer.slot(next))
        let kind = unsafe slot.load(as: UInt8.self)
        guard let record = Record(rawValue: kind) else { fail("record \(kind)") }
        let tail = unsafe Int(slot.load(fromByteOffset: 1, as: UInt8.self))
        guard tail <= Limits.tailSlots && next + 1 + tail <= limit else { fail("tail of \(record)") }
        var bytes: [UInt8] = []
        for offset in 0..<tail {
            unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: consumer.slot(next + 1 + offset), count: Slot.bytes))
        }
        switch record {
        case .reading:
            let reading = unsafe slot.load(as: Reading.self)
            guard reading.device < devices else { fail("a reading before its device") }
            check(reading)
            guard isClean(bytes.prefix(Int(reading.officerBytes) + Int(reading.bootBytes))) else { fail("text") }
            counts.0 += 1
        case .external:
            let word = unsafe slot.load(as: ExternalRecord.self)
            let all = Int(word.gatewayBytes) + Int(word.payloadBytes)
            guard all <= bytes.count && bytes.count - all < Slot.bytes else { fail("lengths of another system's word") }
        case .rejection:
            let rejection = unsafe slot.load(as: Rejection.self)
            let names = Int(rejection.gatewayBytes) + Int(rejection.deviceBytes) + Int(rejection.fieldBytes)
            let all = names + Int(rejection.topicBytes) + Int(rejection.payloadBytes)
            guard all <= bytes.count && bytes.count - all < Slot.bytes else { fail("lengths of a rejection") }
            guard isClean(bytes.prefix(names)) else { fail("names of a rejection") }
            guard rejection.payloadBytes <= Limits.rejectExcerptBytes else { fail("excerpt") }
            counts.1 += 1
        case .newDevice:
            let device = unsafe slot.load(as: NewDevice.self)
            guard device.device == devices else { fail("device number") }
            guard isClean(bytes.prefix(Int(device.gatewayBytes) + Int(device.idBytes))) else { fail("id") }
            devices += 1
        case .dropped: counts.2 += unsafe Int(slot.load(as: Dropped.self).count)
        case .lead:
            let lead = unsafe slot.load(as: LeadRecord.self)
            var all = Int(lead.gatewayBytes)
            for text in LeadText.allCases {
                let count = Int(lead.textBytes[Int(text.rawValue)])
                guard count <= text.bytes else { fail("length of \(text)") }
                all += count
            }
            guard all <= bytes.count && bytes.count - all < Slot.bytes else { fail("lengths of a lead") }
            guard lead.textBytes[Int(LeadText.matter.rawValue)] > 0 else { fail("a lead without a matter") }
            guard String(validating: bytes.prefix(all), as: UTF8.self) != nil else { fail("text of a lead") }
            counts.0 += 1
        case .clockStep: fail("a step of the clock: the decoder knows no clock")
        }
        next += 1 + tail
    }
    consumer.release(upTo: limit)
    return counts
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let input = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    let options = input[0]
    var topic: [UInt8]
    var payload = input.dropFirst()
    if options & 1 == 0 {
        topic = Array("patrol/v1/in/gw/\(Kind.allCases[Int(options >> 1) % Kind.allCases.count].name)/m".utf8)
    } else {
        let end = payload.firstIndex(of: 0x0A) ?? payload.endIndex
        topic = Array(payload[..<end])
        payload = payload[end...].dropFirst()
    }
    let drops = options & 0x80 != 0
    let ring = Ring<Slot>(capacity: drops ? 32 : 256)
    let registry = DeviceRegistry(requiresKnown: options & 0x40 != 0)
    var decoder = MessageDecoder(producer: ring.makeProducer(), registry: registry)
    var consumer = ring.makeConsumer()
    // Memory of exactly the size, so that a read past the end is seen.
    let body = UnsafeMutableRawBufferPointer.allocate(byteCount: payload.count, alignment: 1)
    defer { unsafe body.deallocate() }
    unsafe body.copyBytes(from: payload)
    var devices: UInt32 = 0
    var decoded = 0
    var seen = (0, 0, 0)
    // Twice: the second time the device is known.
    for round in 0..<2 {
        decoded += unsafe topic.withUnsafeBytes {
            unsafe decoder.decode(
                topic: $0, payload: UnsafeRawBufferPointer(body), received: Timestamp(milliseconds: 1_717_768_800_000),
                onFull: drops ? .drop : .wait)
        }
        if drops && round == 0 { continue }
        for _ in 0..<2 {
            decoder.publish()
            let counts = readBack(&consumer, devices: &devices)
            seen = (seen.0 + counts.0, seen.1 + counts.1, seen.2 + counts.2)
        }
    }
    guard decoded == seen.0 + seen.1 + seen.2 else { fail("\(decoded) decoded, \(seen) seen") }
    guard drops || seen.2 == 0 else { fail("dropped without leave") }
    guard registry.count == Int(devices) else { fail("\(registry.count) devices, \(devices) announced") }
    return 0
}
