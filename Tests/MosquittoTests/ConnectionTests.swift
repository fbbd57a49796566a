import Mosquitto
import Testing

@Suite struct BrokerAddresses {
    @Test(arguments: [
        ("mqtt://10.0.0.5", "10.0.0.5", 1883, false), ("mqtts://broker.example", "broker.example", 8883, true),
        ("mqtt://broker:1884/", "broker", 1884, false), ("mqtt://[::1]:1884", "::1", 1884, false),
        ("mqtts://[fe80::1]", "fe80::1", 8883, true),
    ] as [(String, String, Int32, Bool)])
    func areRead(url: String, host: String, port: Int32, usesTLS: Bool) {
        #expect(BrokerAddress(url: url) == BrokerAddress(host: host, port: port, usesTLS: usesTLS))
    }

    @Test(arguments: [
        "", "broker", "http://broker", "mqtt://", "mqtt://:1883", "mqtt://broker:0", "mqtt://broker:65536", "mqtt://broker:x",
        "mqtt://a:1:2", "mqtt://[::1", "mqtt://[::1]x", "mqtt://broker/topic", "MQTT://broker",
    ])
    func othersAreNone(url: String) { #expect(BrokerAddress(url: url) == nil) }
}

@Suite struct Backoffs {
    @Test(arguments: [0, 1, 42, .max] as [UInt64]) func growToTheLongestAndBeginAgain(seed: UInt64) {
        var backoff = ReconnectBackoff(seed: seed)
        var ceiling = ReconnectBackoff.firstMilliseconds
        for _ in 0..<40 {
            let wait = backoff.nextMilliseconds()
            #expect((ceiling / 2...ceiling).contains(wait), "seed \(seed)")
            ceiling = min(ReconnectBackoff.longestMilliseconds, ceiling * 2)
        }
        backoff.succeeded()
        #expect(backoff.nextMilliseconds() <= ReconnectBackoff.firstMilliseconds)
    }

    /// Clients that lose the broker at once do not come back at once.
    @Test func jitters() {
        let waits = (1...200).map { seed in
            var backoff = ReconnectBackoff(seed: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15)
            for _ in 0..<6 { _ = backoff.nextMilliseconds() }
            return backoff.nextMilliseconds()
        }
        #expect(Set(waits).count > 150)
    }
}
