import Testing

@testable import Ingest

@Suite struct LeadTests {
    private static let topic = "patrol/v1/in/gw-12345/lead"

    @Test func aLeadIsOneRecordWithItsTextsDecoded() throws {
        let records = decode(
            #" {"matter":"noise-check","text":"夜间施工\n\u0041","lat":30.2741,"lon":120.0151,"source":42,"area":330110012,"picture":"p/1.jpg","severity":"critical","other":{"a":[1]},"site":null} "#,
            Self.topic)
        guard case .lead(let gateway, let fields, let place)? = records.first, records.count == 1 else {
            Issue.record("\(records)")
            return
        }
        #expect(gateway == "gw-12345" && place == [30.2741, 120.0151])
        #expect(fields == [
            "matter": "noise-check", "text": "夜间施工\nA", "source": "42", "area": "330110012", "picture": "p/1.jpg", "severity": "critical",
        ])
    }

    @Test(arguments: [
        (#"{"matter":"x","site":"s"}"#, "lead"), (#"{"matter":"x","lat":0,"lon":0}"#, "lead"),
        (#"{"site":"s"}"#, "missing matter"), (#"{"matter":"","site":"s"}"#, "missing matter"), (#"{"matter":null,"site":"s"}"#, "missing matter"),
        (#"{"matter":7,"site":"s"}"#, "type matter"), (#"{"matter":["x"],"site":"s"}"#, "type matter"),
        (#"{"matter":"x"}"#, "missing site"), (#"{"matter":"x","site":""}"#, "missing site"),
        (#"{"matter":"x","lat":30}"#, "missing lon"), (#"{"matter":"x","lon":30,"site":"s"}"#, "missing lat"),
        (#"{"matter":"x","lat":91,"lon":0}"#, "range lat"), (#"{"matter":"x","lat":0,"lon":-180.1}"#, "range lon"),
        (#"{"matter":"x","lat":"30","lon":0}"#, "type lat"), (#"{"matter":"x","lat":1e999,"lon":0}"#, "range lat"),
        (#"{"matter":"x","site":"s","severity":"urgent"}"#, "range severity"), (#"{"matter":"x","site":"s","source":1.5}"#, "type source"),
        (#"{"matter":"x","site":"s","source":-1}"#, "type source"), (#"{"matter":"x\ny","site":"s"}"#, "range matter"),
        (#"{"matter":"x","site":"s","text":"\u0007"}"#, "range text"), (#"{"matter":"x","site":"s","source":"a\nb"}"#, "range source"),
        (#"[{"matter":"x","site":"s"}]"#, "type payload"), ("7", "type payload"), ("", "malformed payload"), ("{", "malformed payload"),
        (#"{"matter":"x","site":"s"}x"#, "malformed payload"), (#"{"matter":"x","matter":"y","site":"s"}"#, "malformed payload"),
        (#"{"matter":"x","site":tru}"#, "malformed payload"),
    ])
    func whatIsWrongIsSaidWithItsField(payload: String, verdict: String) {
        #expect(verdicts(decode(payload, Self.topic)) == [verdict], "\(payload)")
    }

    @Test func textsAreBounded() {
        func lead(_ text: String) -> [String] { verdicts(decode(#"{"matter":"x","site":"s","text":"\#(text)"}"#, Self.topic)) }
        #expect(lead(String(repeating: "a", count: 2000)) == ["lead"])
        #expect(lead(String(repeating: "a", count: 2001)) == ["range text"])
        // A megabyte of text, and a message larger than any.
        #expect(lead(String(repeating: "a", count: 1_000_000)) == ["range text"])
        #expect(lead(String(repeating: "a", count: 1 << 20)) == ["too_large payload"])
        let id = String(repeating: "b", count: 65)
        #expect(verdicts(decode(#"{"matter":"\#(id)","site":"s"}"#, Self.topic)) == ["range matter"])
        // Everything at its longest fits into one record.
        let longest = ["matter", "site", "area", "source"].map { "\"\($0)\":\"\(id.dropLast())\"" }.joined(separator: ",")
        let all = "{\(longest),\"text\":\"\(String(repeating: "t", count: 2000))\",\"picture\":\"\(String(repeating: "p", count: 500))\"}"
        #expect(verdicts(decode(all, "patrol/v1/in/\(id.dropLast())/lead")) == ["lead"])
    }

    @Test func aRejectOfALeadIsCountedAsOne() {
        #expect(decode("{}", Self.topic)[0].refused?.kind == 254)
    }
}
