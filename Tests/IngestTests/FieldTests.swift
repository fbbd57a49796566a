import Telemetry
import Testing

@testable import Ingest

/// Every field of every kind: right, of the wrong type, beyond its range.
@Suite struct Fields {
    static let required: [Kind: [String: String]] = [
        .noise: ["ts": "1717768800000", "laeq": "62.4"], .vehicle: ["ts": "1717768800000", "lat": "30.27", "lon": "119.99"],
        .bodycam: ["ts": "1717768800000", "battery": "80"],
    ]

    func decoded(_ kind: Kind, _ members: [String: String]) -> [Decoded] {
        let text = members.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
        return decode("{\(text)}", "patrol/v1/in/gw/\(kind.name)/d")
    }

    func check(_ kind: Kind, _ field: String, _ value: String, _ verdict: String) {
        var members = Fields.required[kind]!
        members[field] = value
        #expect(verdicts(decoded(kind, members)) == [verdict], "\(kind) \(field) \(value)")
    }

    /// One value of each JSON type.
    static let types = ["number": "1", "text": "\"x\"", "bool": "true", "array": "[1]", "object": "{\"a\":[]}"]

    @Test(arguments: Kind.allCases)
    func wrongTypes(kind: Kind) {
        for field in kind.description.fields {
            let accepted: [String]
            switch field.storage {
            case .number, .period: accepted = ["number"]
            case .bool: accepted = ["bool"]
            case .flags: accepted = []
            case .time: accepted = ["number"]
            case .text(.officer): accepted = ["text"]
            case .text(.boot): accepted = ["text", "number"]
            }
            for (type, value) in Fields.types where !accepted.contains(type) { check(kind, field.name, value, "type \(field.name)") }
        }
        for (type, value) in Fields.types where type != "number" {
            check(kind, "ts", value, "type ts")
            check(kind, "seq", value, "type seq")
        }
        for value in ["1.0", "1e3", "1.5", "1E0"] { check(kind, "seq", value, "type seq") }
        check(kind, "ts", "1717768800000.0", "type ts")
        check(kind, "ts", "1717768800000.5", "type ts")
    }

    @Test(arguments: Kind.allCases)
    func ranges(kind: Kind) {
        for field in kind.description.fields {
            guard case .number(let index, let range, let isInteger) = field.storage else { continue }
            for value in [range.lowerBound, range.upperBound] {
                let text = isInteger ? String(Int(value)) : String(value)
                var members = Fields.required[kind]!
                members[field.name] = text
                #expect(decoded(kind, members).last?.reading?.value(index) == value, "\(field.name) \(text)")
            }
            for beyond in [range.lowerBound.nextDown - 1, range.upperBound.nextUp + 1] {
                check(kind, field.name, isInteger ? String(Int(beyond)) : String(beyond), "range \(field.name)")
            }
            for beyond in ["1e999", "-1e999", "1" + String(repeating: "0", count: 400)] {
                check(kind, field.name, beyond, "range \(field.name)")
            }
            if isInteger { check(kind, field.name, "5.5", "type \(field.name)") }
        }
    }

    @Test(arguments: [
        ("946684800000", "ok"), ("946684799999", "range ts"), ("4102444800000", "ok"), ("4102444800001", "range ts"),
        ("-1", "range ts"), ("0", "range ts"), ("9223372036854775807", "range ts"), ("9223372036854775808", "range ts"),
        ("99999999999999999999999999", "range ts"), ("1e999", "range ts"), ("\"2024-06-07T22:00:00+08:00\"", "ok"),
        ("\"2024-06-07T22:00:00\"", "type ts"), ("\"1999-12-31T23:59:59Z\"", "range ts"), ("\"\"", "type ts"),
        ("\"2024-06-07T14:00:00\\u005a\"", "ok"), ("\"2024-13-07T14:00:00Z\"", "type ts"), ("\"1717768800000\"", "type ts"),
    ])
    func times(value: String, verdict: String) {
        check(.noise, "ts", value, verdict)
        check(.bodycam, "fix_ts", value, verdict.replacing("ts", with: "fix_ts"))
    }

    @Test func rfc3339EqualsMilliseconds() {
        let records = decode(#"{"ts":"2024-06-07T22:00:00.250+08:00","laeq":1}"#)
        #expect(records.last?.reading?.ts.milliseconds == 1_717_768_800_250)
    }

    @Test(arguments: [
        ("0", 0), ("-0", 0), ("-7", -7), ("9223372036854775807", Int64.max), ("-9223372036854775807", -Int64.max),
        ("123456789012345678", 123_456_789_012_345_678), ("9007199254740993", 9_007_199_254_740_993),
    ] as [(String, Int64)])
    func sequences(text: String, value: Int64) {
        #expect(decode(#"{"ts":1717768800000,"laeq":1,"seq":\#(text)}"#).last?.reading?.seq == value)
    }

    @Test func sequencesOutOfRange() {
        for text in ["9223372036854775808", "-9223372036854775808", "-9223372036854775809", "123456789012345678901"] {
            check(.noise, "seq", text, "range seq")
        }
    }

    @Test(arguments: [
        ("1", 1000), ("0.125", 125), ("0.001", 1), ("86400", 86_400_000), ("0.0015", 2), ("1.0004", 1000), ("6e1", 60_000),
    ] as [(String, UInt32)])
    func periods(text: String, milliseconds: UInt32) {
        let records = decode(#"{"ts":1717768800000,"laeq":1,"period_s":\#(text)}"#)
        #expect(records.last?.reading?.periodMilliseconds == milliseconds)
    }

    @Test func periodsOutOfRange() {
        for text in ["0", "-1", "86400.001", "86401", "1e999", "0.0001"] { check(.noise, "period_s", text, "range period_s") }
        #expect(decode(#"{"ts":1717768800000,"laeq":1}"#).last?.reading?.periodMilliseconds == 1000)
    }

    @Test func flags() {
        func bits(_ value: String) -> UInt16? {
            decode(#"{"ts":1717768800000,"laeq":1,"flags":\#(value)}"#).last?.reading?.bits
        }
        #expect(bits("[]") == 0 && bits("null") == 0)
        #expect(bits("[\"rain\"]") == 1 && bits("[\"wind\",\"fault\"]") == 10 && bits(" [ \"calibration\" ] ") == 4)
        #expect(bits("[\"r\\u0061in\",\"rain\"]") == 1)
        for value in ["[\"snow\"]", "[\"\"]", "[\"rain\",\"rainy\"]", "[\"calibrations\"]"] { check(.noise, "flags", value, "range flags") }
        for value in ["[\"rain\",1]", "[null]", "{}", "\"rain\"", "[[\"rain\"]]"] { check(.noise, "flags", value, "type flags") }
    }

    @Test func booleans() {
        let reading = decode(
            #"{"ts":1717768800000,"lat":1,"lon":2,"ignition":false,"sos":true}"#, "patrol/v1/in/gw/vehicle/v"
        ).last?.reading
        #expect(reading?.bit(0) == false && reading?.bit(1) == true)
        #expect(verdicts(decode(#"{"ts":1717768800000,"lat":1,"lon":2,"sos":truest}"#, "patrol/v1/in/gw/vehicle/v")) == ["malformed payload"])
    }

    /// `officer` and `boot` as they come back.
    func texts(_ members: String) -> [String] {
        guard case .reading(_, let officer, let boot) = decode(
            "{\"ts\":1717768800000,\"battery\":1,\(members)}", "patrol/v1/in/gw/bodycam/b").last
        else { return [] }
        return [officer, boot]
    }

    @Test func text() {
        let long = String(repeating: "o", count: 64)
        #expect(texts(#""officer":"张三""#) == ["张三", ""])
        #expect(texts(#""boot":"b1","officer":"o1""#) == ["o1", "b1"])
        #expect(texts(#""officer":"\#(long)","boot":"\#(long)""#) == [long, long])
        #expect(texts(#""boot":"\#(long)","officer":"\#(long.dropLast())x""#) == [long.dropLast() + "x", long])
        #expect(texts(#""boot":17"#) == ["", "17"] && texts(#""boot":-0"#) == ["", "-0"])
        #expect(texts(#""officer":"a\"\\\/\u00e9\ud83d\ude00","boot":null"#) == ["a\"\\/é😀", ""])
        #expect(texts(#""officer":"""#) == ["", ""])
        for bad in ["\"\(long)o\"", #""\u0000""#, #""a\nb""#, #""\u007f""#, #""\u0085""#, "\"a\u{9F}\""] {
            check(.bodycam, "officer", bad, "range officer")
            check(.bodycam, "boot", bad, "range boot")
        }
        check(.bodycam, "boot", "1.5", "type boot")
        check(.bodycam, "boot", "1e3", "type boot")
        check(.bodycam, "boot", String(repeating: "9", count: 65), "range boot")
        check(.bodycam, "boot", String(repeating: "9", count: 10_000), "range boot")
    }

    @Test func heartbeatNeedsOneField() {
        let topic = "patrol/v1/in/gw/bodycam/b"
        #expect(verdicts(decode(#"{"ts":1717768800000,"seq":1,"other":2}"#, topic)) == ["missing payload"])
        #expect(verdicts(decode(#"{"ts":1717768800000,"battery":null}"#, topic)) == ["missing payload"])
        #expect(verdicts(decode(#"{"ts":1717768800000,"sos":false}"#, topic)) == ["ok"])
    }
}
