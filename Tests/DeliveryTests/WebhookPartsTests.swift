import Foundation
import Testing

@testable import Delivery

@Suite struct WebhookPartsTests {
    /// The example of the Standard Webhooks specification and its reference libraries.
    @Test func signaturesAreTheStandards() throws {
        let key = try #require(WebhookKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        let header = WebhookSignature.header(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek", seconds: 1_614_265_330, body: Array("{\"test\": 2432232314}".utf8), keys: [key])
        #expect(header == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        let two = WebhookSignature.header(id: "a", seconds: 1, body: [], keys: [key, key])
        #expect(two.split(separator: " ").count == 2)
    }

    @Test func keysAreCheckedAndNeverShown() {
        for text in ["", "whsec_", "whsec_short", "whsec_!!!!", String(repeating: "A", count: 200)] { #expect(WebhookKey(text) == nil) }
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        let key = WebhookKey(text + "\n")
        #expect(key != nil)
        #expect(!"\(key!) \(String(reflecting: key!))".contains("MfKQ"))
        #expect(!"\(SecretText("abc")) \(String(reflecting: SecretText("abc")))".contains("abc"))
    }

    @Test func answersAreUnderstood() {
        let now = Date(timeIntervalSince1970: 1_700_000_000)
        func outcome(_ code: Int, _ after: String? = nil) -> WebhookState.Outcome {
            WebhookAnswer.outcome(code: code, retryAfter: after, now: now)
        }
        for code in [200, 201, 202, 204, 299] { #expect(outcome(code) == .taken) }
        #expect(outcome(410) == .gone)
        #expect(outcome(429) == .busy(afterMilliseconds: nil))
        #expect(outcome(429, "120") == .busy(afterMilliseconds: 120_000))
        #expect(outcome(503, "Tue, 14 Nov 2023 22:13:50 GMT") == .busy(afterMilliseconds: 30_000))
        #expect(outcome(429, "yesterday") == .busy(afterMilliseconds: nil))
        #expect(outcome(429, "-5") == .busy(afterMilliseconds: nil))
        for code in [400, 413, 415, 422] { #expect(outcome(code) == .refused("HTTP \(code)")) }
        for code in [301, 401, 403, 404, 408, 500, 503, 599] {
            guard case .failed = outcome(code) else { Issue.record("\(code)"); continue }
        }
        #expect(HTTPSender.excerpt([0x41, 0x1B, 0x5B, 0xFF, 0x0A]) == "A [\u{FFFD}")
    }

    @Test func addressesInsideANetworkAreKnown() {
        for address in [
            "127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
            "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1",
            "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "2001::1", "nonsense",
        ] { #expect(AddressGuard.isPrivate(address), "\(address)") }
        for address in [
            "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "192.169.0.1", "::ffff:8.8.8.8", "2606:4700::1", "2a00:1450::1",
        ] { #expect(!AddressGuard.isPrivate(address), "\(address)") }
    }

    @Test func aNameThatLeadsInsideIsRefused() async {
        guard case .refused(let why) = await AddressGuard(host: "localhost", allowsPrivate: false).address() else {
            Issue.record("localhost was allowed")
            return
        }
        #expect(why.contains("private_addresses: allow"))
        guard case .address = await AddressGuard(host: "localhost", allowsPrivate: true).address() else {
            Issue.record("localhost was refused")
            return
        }
    }

    @Test func pausesHaveBounds() {
        var backoff = Backoff(firstMilliseconds: 1000, longestMilliseconds: 60_000, seed: 42)
        for attempt in 1...100 {
            let ceiling = min(Int64(60_000), Int64(1000) << Int64(min(attempt - 1, 20)))
            #expect((ceiling / 2...ceiling).contains(backoff.pause(after: attempt)))
        }
    }
}
