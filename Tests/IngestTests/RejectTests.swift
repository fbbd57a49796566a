import Telemetry
import Testing

@testable import Ingest

@Suite struct Rejects {
    static let id64 = String(repeating: "x", count: 64)
    static let id65 = String(repeating: "x", count: 65)

    @Test(arguments: [
        ("patrol/v1/in/gw/noise", "malformed topic"), ("patrol/v1/in/gw/noise/m/extra", "malformed topic"),
        ("patrol/v1/in/gw", "malformed topic"), ("patrol/v1/out/gw/noise/m", "malformed topic"),
        ("other/in/gw/noise/m", "malformed topic"), ("", "malformed topic"), ("/", "malformed topic"),
        ("patrol/v1/in/gw/drone/m", "unsupported kind"), ("patrol/v1/in/gw/Noise/m", "unsupported kind"),
        ("patrol/v1/in/gw/pack", "unsupported topic"), ("patrol/v1/in/gw/lead", "missing matter"),
        ("patrol/v1/in//noise/m", "range gateway"), ("patrol/v1/in/gw/noise/", "range device"),
        ("patrol/v1/in/g\u{1}w/noise/m", "range gateway"), ("patrol/v1/in/gw/noise/a\nb", "range device"),
        ("patrol/v1/in/gw/noise/a\"b", "range device"), ("patrol/v1/in/gw/noise/a+b", "range device"),
        ("patrol/v1/in/g#w/noise/m", "range gateway"), ("patrol/v1/in/gw/noise/a\u{7F}", "range device"),
        ("patrol/v1/in/gw/noise/a\u{85}", "range device"), ("patrol/v1/in/gw/noise/a\0b", "range device"),
        ("patrol/v1/in/\(id65)/noise/m", "range gateway"), ("patrol/v1/in/gw/noise/\(id65)", "range device"),
        ("patrol/v1/in/\(id64)/noise/\(id64)", "ok"), ("patrol/v1/in/gw/noise/设备一", "ok"),
        ("patrol/v1/in/gw/noise/" + String(repeating: "y", count: 300), "too_large topic"),
    ])
    func topics(topic: String, verdict: String) {
        let records = decode(#"{"ts":1717768800000,"laeq":62.4}"#, topic)
        #expect(verdicts(records) == [verdict])
        if let refused = records.last?.refused {
            #expect(refused.gateway.utf8.count <= 64 && refused.device.utf8.count <= 64 && refused.topic.utf8.count <= 256)
            #expect(refused.received == Harness.received)
        }
    }

    @Test func topicThatIsNotUTF8() {
        var harness = Harness(slots: 1 << 12)
        _ = harness.feed(Array("{}".utf8), topic: Array("patrol/v1/in/gw/noise/".utf8) + [0xFF])
        let verdicts = verdicts(harness.drain())
        #expect(verdicts.count == 1 && verdicts[0] != "ok")
    }

    @Test(arguments: [
        "", " ", "{", "}", "{}}", "{]", "[", "[}", "[{}", "{\"ts\":1717768800000,\"laeq\":62.4", "nul", "nulll", "tru",
        "{\"ts\":1717768800000,\"laeq\":62.4} x", "{\"ts\":1717768800000,\"laeq\":62.4}{}", "{\"ts\":1,}", "{,}",
        "{\"ts\" 1}", "{ts:1}", "{'ts':1}", "{\"ts\":}", "{\"ts\":1 \"laeq\":2}", "[1,]", "[,1]", "[1 2]",
        "{\"a\":01}", "{\"a\":-}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":+1}", "{\"a\":1e}", "{\"a\":1e+}", "{\"a\":0x1F}",
        "{\"laeq\":NaN}", "{\"laeq\":Infinity}", "{\"laeq\":-Infinity}", "{\"a\":--1}", "{\"a\":1.2.3}", "{\"laeq\":062}",
        "{\"a\":\"\u{1}\"}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\u0041\"}", "{\"a\":\"open}", "{\"a\":\"\t\"}", "{\"a\\q\":1}", "{\"a\":\"\n\"}", "\u{FEFF}{}",
        "{\"ts\":1717768800000,\"laeq\":62.4}\0", "\0", "{\"a\":\"\0\"}", "{\"a\":tRue}", "{\"a\":[1,2}", "{\"a\":{\"b\":1]}",
    ])
    func damaged(payload: String) {
        let records = decode(payload)
        #expect(verdicts(records) == ["malformed payload"], "\(payload)")
        #expect(records.count == 1, "no device is made of a damaged message")
        #expect(records[0].refused?.payload == Array(payload.utf8))
    }

    @Test(arguments: [
        [0x80], [0xC0, 0xAF], [0xC3], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
        [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xE2, 0x82], [0xF0, 0x8F, 0xBF, 0xBF],
    ] as [[UInt8]])
    func notUTF8(bytes: [UInt8]) {
        for filler in 0..<9 {
            var harness = Harness(slots: 1 << 12)
            let text = Array("{\"ts\":1717768800000,\"laeq\":62.4,\"a\":\"\(String(repeating: "x", count: filler))".utf8)
            _ = harness.feed(text + bytes + Array("\"}".utf8))
            #expect(verdicts(harness.drain()) == ["malformed payload"])
        }
    }

    @Test(arguments: [
        ("1", "type payload"), ("\"x\"", "type payload"), ("null", "type payload"), ("true", "type payload"),
        ("[]", "missing payload"), (" [ ] ", "missing payload"), ("{}", "missing ts"),
        (#"{"laeq":62}"#, "missing ts"), (#"{"ts":null,"laeq":62}"#, "missing ts"),
        (#"{"ts":1717768800000}"#, "missing laeq"), (#"{"ts":1717768800000,"laeq":null}"#, "missing laeq"),
        (#"{"ts":1717768800000,"laeq":62,"laeq":62}"#, "malformed laeq"),
        (#"{"ts":1717768800000,"laeq":62,"ts":1717768800000}"#, "malformed ts"),
        (#"{"ts":1717768800000,"la\u0065q":62,"laeq":62}"#, "malformed laeq"),
        (#"{"ts":1717768800000,"laeq":62,"x":1,"x":2}"#, "ok"),
        (#"{"ts":1717768800000,"laeq":62,"seq":null,"lmax":null}"#, "ok"),
        (#" { "ts" : 1717768800000 , "laeq" : 62 } "#, "ok"), (#"{"t\u0073":1717768800000,"laeq":62}"#, "ok"),
    ])
    func documents(payload: String, verdict: String) { #expect(verdicts(decode(payload)) == [verdict]) }

    @Test func arraysRefuseElementsOnly() {
        let good = #"{"ts":1717768800000,"laeq":62.4}"#
        let records = decode(#"[\#(good), 7 ,{"ts":1717768801000},[\#(good)],\#(good),{"ts":1717768800000,"laeq":"x"}, "s"]"#)
        #expect(verdicts(records) == ["ok", "type payload", "missing laeq", "type payload", "ok", "type laeq", "type payload"])
        let excerpts = records.compactMap { $0.refused.map { String(decoding: $0.payload, as: UTF8.self) } }
        #expect(excerpts == ["7", #"{"ts":1717768801000}"#, "[\(good)]", #"{"ts":1717768800000,"laeq":"x"}"#, "\"s\""])
    }

    @Test func damageAnywhereRefusesTheWholeMessage() {
        let good = #"{"ts":1717768800000,"laeq":62.4}"#
        for bad in ["[\(good),\(good),{]", "[\(good)", "[\(good),\(good)]]", "[\(good),{\"a\":\"\\ud800\"}]", "[\(good),]"] {
            let records = decode(bad)
            #expect(verdicts(records) == ["malformed payload"] && records.count == 1)
        }
    }

    @Test func readingsPerMessage() {
        let good = #"{"ts":1717768800000,"laeq":62.4}"#
        func array(_ count: Int) -> String { "[" + Array(repeating: good, count: count).joined(separator: ",") + "]" }
        var harness = Harness()
        let most = harness.send(array(Limits.readingsPerMessage))
        #expect(verdicts(most).count == Limits.readingsPerMessage && verdicts(most).allSatisfy { $0 == "ok" })
        #expect(verdicts(harness.send(array(Limits.readingsPerMessage + 1))) == ["limit payload"])
    }

    @Test func manyBadElementsFitIntoTheRing() {
        #expect(RecordWriter.relationsHold)
        let filler = String(repeating: "z", count: 60)
        let bad = "[" + Array(repeating: #"{"laeq":"\#(filler)"}"#, count: 10_000).joined(separator: ",") + "]"
        let topic = "patrol/v1/in/\(Rejects.id64)/noise/\(Rejects.id64)"
        var harness = Harness()
        // Without a consumer that makes room: the message and what lies before it must fit.
        for _ in 0..<100 { _ = harness.feed(Array(#"{"ts":1717768800000,"laeq":62.4}"#.utf8)) }
        let count = harness.feed(Array(bad.utf8), topic: Array(topic.utf8))
        let records = harness.drain()
        #expect(count == 10_000 && verdicts(records).count == 10_100)
        #expect(records.last?.refused?.device == Rejects.id64 && records.last?.refused?.field == "laeq")
    }

    @Test func nesting() {
        func nested(_ depth: Int, _ open: String, _ close: String) -> String {
            String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
        }
        for (prefix, suffix, levels) in [("", "", 1), ("[", "]", 2)] {
            for (open, close) in [("[", "]"), ("{\"k\":", "}")] {
                func document(_ depth: Int) -> String {
                    "\(prefix){\"ts\":1717768800000,\"laeq\":62,\"x\":\(nested(depth - levels, open, close))}\(suffix)"
                }
                #expect(verdicts(decode(document(Limits.nesting))) == ["ok"])
                #expect(verdicts(decode(document(Limits.nesting + 1))) == ["malformed payload"])
            }
        }
        #expect(verdicts(decode(nested(500_000, "[", "]"))) == ["malformed payload"])
        #expect(verdicts(decode(String(repeating: "{\"a\":", count: 200_000))) == ["malformed payload"])
    }

    @Test func size() {
        let start = #"{"ts":1717768800000,"laeq":62.4,"note":""#
        let filling = Limits.payloadBytes - start.utf8.count - 2
        #expect(verdicts(decode(start + String(repeating: "a", count: filling) + "\"}")) == ["ok"])
        let records = decode(start + String(repeating: "a", count: filling + 1) + "\"}")
        #expect(verdicts(records) == ["too_large payload"])
        #expect(records[0].refused?.payload.count == Limits.rejectExcerptBytes)
    }

    @Test func excerptsEndBetweenCharacters() {
        for shift in 0..<4 {
            let text = String(repeating: "a", count: shift) + String(repeating: "噪", count: 600)
            let payload = decode("\"\(text)\" x")[0].refused?.payload ?? []
            #expect(payload.count > 1020 && payload.count <= 1024 && String(validating: payload, as: UTF8.self) != nil)
        }
    }
}
