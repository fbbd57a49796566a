import Telemetry
import Testing

@testable import Ingest

@Suite struct ExternalMessageTests {
    private static let topic = "patrol/v1/in/city/external"

    @Test func itIsPassedOnAsItIs() {
        guard case .external("city", #"{"task":"T-1","stage":"处置"}"#)? = decode(#"{"task":"T-1","stage":"处置"}"#, Self.topic).first else {
            Issue.record("not passed on")
            return
        }
        let longest = String(repeating: "x", count: Limits.externalBytes)
        #expect(verdicts(decode(longest, "patrol/v1/in/\(String(repeating: "g", count: Limits.idBytes))/external")) == ["external"])
    }

    @Test func whatIsEmptyOrTooLongIsRefusedAndCountedAsOne() {
        #expect(verdicts(decode("", Self.topic)) == ["malformed payload"])
        #expect(verdicts(decode(String(repeating: "x", count: Limits.externalBytes + 1), Self.topic)) == ["too_large payload"])
        #expect(decode("", Self.topic)[0].refused?.kind == 255)
        #expect(verdicts(decode("{}", "patrol/v1/in/city/external/more")) == ["unsupported kind"])
    }
}
