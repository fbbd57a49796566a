import Foundation
import Telemetry
import Testing

@testable import Ingest

/// Generated documents against Foundation's parser, which shares no code with ours.
///
/// Where the two differ on purpose, and what the generator therefore leaves out: an object with the same key twice
/// (Foundation takes one of them, we refuse the reading where the key is one of ours); nesting beyond 32 (Foundation
/// goes to 512); a byte order mark (Foundation skips it, RFC 8259 §8.1 lets a parser do so; we refuse it); NUL behind
/// the document (Foundation stops there). Two more are passed over where they occur: a number beyond `Double` (Foundation
/// refuses the document, we the reading, as `range`, and only where the key is ours) and a comma before `]` or `}`
/// (Foundation takes it). Foundation's numbers of more than 15 digits go through its decimal type and
/// may be some units in the last place off; ``numbersAreExact()`` compares with the standard library's.
@Suite struct Documents {
    static let seed: UInt64 = {
        if let text = ProcessInfo.processInfo.environment["PATROL_SEED"], let seed = UInt64(text) { return seed }
        return UInt64.random(in: 0 ... .max)
    }()

    /// Writes random documents. Values of our fields are kept for the comparison.
    struct Writer {
        var random: Seeded

        mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

        mutating func space() -> String { pick(4) == 0 ? String([" ", "\t", "\n", "\r"][pick(4)]) + (pick(3) == 0 ? "  " : "") : "" }

        mutating func string() -> String {
            var text = "\""
            for _ in 0..<pick(12) {
                switch pick(8) {
                case 0: text += ["\\n", "\\\"", "\\\\", "\\/", "\\t", "\\b", "\\f", "\\r"][pick(8)]
                case 1: text += "\\u" + String(format: "%04x", 0x20 + pick(0xD7E0))
                case 2: text += "\\uD83D\\uDE0" + String(pick(10))
                case 3: text += ["é", "噪声", "😀", "\u{7FF}", "\u{800}", "\u{FFFD}", "\u{10FFFF}"][pick(7)]
                default: text += String(UnicodeScalar(UInt8(0x30 + pick(10))))
                }
            }
            return text + "\""
        }

        mutating func number() -> String {
            var text = pick(4) == 0 ? "-" : ""
            text += pick(5) == 0 ? "0" : String(1 + pick(9)) + digits(pick(pick(8) == 0 ? 25 : 6))
            if pick(2) == 0 { text += "." + digits(1 + pick(pick(8) == 0 ? 30 : 4)) }
            if pick(5) == 0 { text += ["e", "E", "e+", "E-", "e-"][pick(5)] + digits(1 + pick(2)) }
            return text
        }

        mutating func digits(_ count: Int) -> String { (0..<count).map { _ in String(pick(10)) }.joined() }

        mutating func value(_ depth: Int) -> String {
            switch pick(depth > 4 ? 4 : 7) {
            case 0: return number()
            case 1: return string()
            case 2: return ["true", "false"][pick(2)]
            case 3: return "null"
            case 4, 5:
                let members = (0..<pick(4)).map { "\"k\($0)\"" + space() + ":" + space() + value(depth + 1) }
                return "{" + space() + members.joined(separator: space() + "," + space()) + space() + "}"
            default:
                return "[" + space() + (0..<pick(4)).map { _ in value(depth + 1) }.joined(separator: "," + space()) + space() + "]"
            }
        }

        /// A reading of a kind with some unknown members; mostly good.
        mutating func reading(_ kind: Kind) -> String {
            var members = ["\"ts\":" + space() + String(946_684_800_000 + pick(3_155_760_000_000))]
            if pick(2) == 0 { members.append("\"seq\":" + (pick(2) == 0 ? "-" : "") + String(pick(Int.max))) }
            for field in kind.description.fields
            where field.required || (kind.description.needsAnyField && field.name == "battery") || pick(2) == 0 {
                let text: String
                switch field.storage {
                case .number(_, let range, let isInteger):
                    if isInteger {
                        text = String(Int(range.lowerBound) + pick(Int(range.upperBound - range.lowerBound) + 1))
                    } else if pick(3) == 0 {
                        text = String(Double.random(in: range, using: &random))
                    } else {
                        text = String(format: "%.\(pick(5))f", Double.random(in: range, using: &random))
                    }
                case .bool: text = pick(2) == 0 ? "true" : "false"
                case .flags(_, let names): text = "[" + names.filter { _ in pick(2) == 0 }.map { "\"\($0)\"" }.joined(separator: ",") + "]"
                case .time: text = String(946_684_800_000 + pick(3_155_760_000_000))
                case .text: text = "\"" + ["a", "é\\u00e9", "\\ud83d\\ude00", "警员 7", "\\\"q\\\\"][pick(5)] + "\""
                case .period: text = String(format: "%.3f", 0.001 + Double(pick(86_400_000 - 1)) / 1000)
                }
                members.append("\"\(field.name)\"" + space() + ":" + space() + text)
            }
            for index in 0..<pick(3) { members.append("\"u\(index)\":" + value(0)) }
            members.shuffle(using: &random)
            return "{" + space() + members.joined(separator: space() + "," + space()) + space() + "}"
        }

        /// Takes a byte away, adds one, changes one, or cuts the end.
        mutating func damage(_ bytes: inout [UInt8]) {
            let alphabet = Array("{}[]\",:0123456789.-+eEtrufalsn\\ \u{1}\u{7F}".utf8) + [0x80, 0xC3, 0xE5, 0xFF]
            guard !bytes.isEmpty else { return }
            let place = pick(bytes.count)
            switch pick(4) {
            case 0: bytes.remove(at: place)
            case 1: bytes.insert(alphabet[pick(alphabet.count)], at: place)
            case 2: bytes[place] = alphabet[pick(alphabet.count)]
            default: bytes.removeSubrange(place...)
            }
        }
    }

    func parse(_ bytes: [UInt8]) -> Any? {
        try? JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed])
    }

    @Test func validDocumentsGiveEqualValues() {
        var writer = Writer(random: Seeded(Documents.seed))
        for round in 0..<4000 {
            let kind = Kind.allCases[writer.pick(3)]
            let document = writer.reading(kind)
            let note = Comment(rawValue: "PATROL_SEED=\(Documents.seed) round \(round): \(document)")
            guard let object = parse(Array(document.utf8)) as? [String: Any] else {
                #expect(Bool(false), note)
                continue
            }
            guard case .reading(let reading, let officer, let boot) = decode(document, "patrol/v1/in/gw/\(kind.name)/d").last else {
                #expect(Bool(false), note)
                continue
            }
            #expect(reading.kind == kind && reading.received == Harness.received && !reading.isBackfill, note)
            #expect(reading.ts.milliseconds == (object["ts"] as? NSNumber)?.int64Value, note)
            #expect(reading.seq == (object["seq"] as? NSNumber)?.int64Value ?? Reading.noSeq, note)
            for field in kind.description.fields {
                let expected = object[field.name]
                switch field.storage {
                case .number(let index, _, _), .time(let index):
                    let ours = reading.value(index)
                    let theirs = (expected as? NSNumber)?.doubleValue
                    #expect((ours == nil) == (theirs == nil), note)
                    if let ours, let theirs { #expect(abs(ours - theirs) <= 32 * theirs.ulp, note) }
                case .bool(let bit): #expect(reading.bit(bit) == (expected as? NSNumber)?.boolValue, note)
                case .flags(let first, let names):
                    let given = expected as? [String] ?? []
                    for (offset, name) in names.enumerated() {
                        #expect((reading.bits >> UInt16(first + offset) & 1 == 1) == given.contains(name), note)
                    }
                case .text(let text):
                    #expect((text == .officer ? officer : boot) == expected as? String ?? "", note)
                case .period:
                    let seconds = (expected as? NSNumber)?.doubleValue
                    #expect(
                        reading.periodMilliseconds
                            == seconds.map { UInt32(($0 * 1000).rounded()) } ?? kind.description.defaultPeriodMilliseconds,
                        note)
                }
            }
        }
    }

    @Test func damagedDocumentsAreRefusedByBoth() {
        var writer = Writer(random: Seeded(Documents.seed &+ 1))
        var refused = 0
        for round in 0..<20_000 {
            var bytes: [UInt8]
            switch writer.pick(3) {
            case 0: bytes = Array(writer.reading(Kind.allCases[writer.pick(3)]).utf8)
            case 1: bytes = Array("[\(writer.reading(.noise)),\(writer.value(0))]".utf8)
            default: bytes = Array(writer.value(0).utf8)
            }
            for _ in 0..<writer.pick(3) { writer.damage(&bytes) }
            var harness = Harness(slots: 1 << 10)
            _ = harness.feed(bytes)
            let whole = harness.drain()
            let ours = whole.count == 1 && whole[0].refused.map { $0.reason == .malformed && $0.field == "payload" } == true
            let theirs = parse(bytes) == nil
            if ours { refused += 1 }
            let text = String(decoding: bytes, as: UTF8.self)
            if !ours && theirs && text.contains(/[0-9][eE]\+?[0-9]{3}/) { continue }
            if ours && !theirs && text.contains(/,\s*[\]}]/) { continue }
            #expect(
                ours == theirs,
                "PATROL_SEED=\(Documents.seed) round \(round) ours \(ours): \(String(decoding: bytes, as: UTF8.self)) \(bytes)")
        }
        #expect(refused > 2000)
    }

    /// Numbers of all lengths and exponents are the nearest `Double`.
    @Test func numbersAreExact() {
        var writer = Writer(random: Seeded(Documents.seed &+ 2))
        for round in 0..<20_000 {
            let text = writer.number()
            let value = Double(text)!
            guard value >= 0 && value <= 1e9 else { continue }
            let records = decode(#"{"ts":1717768800000,"storage_free_mb":\#(text)}"#, "patrol/v1/in/gw/bodycam/b")
            #expect(
                records.last?.reading?.value(BodycamValue.storageFree) == value, "PATROL_SEED=\(Documents.seed) round \(round): \(text)")
        }
    }
}
