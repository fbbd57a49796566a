import Glibc
import Testing

@testable import Mosquitto

@Suite struct Publishers {
    private func publisher(_ broker: FakeBroker) throws -> (Publisher, AsyncStream<Publisher.Word>) {
        let (words, said) = AsyncStream<Publisher.Word>.makeStream()
        let options = ConnectionOptions(address: BrokerAddress(host: "127.0.0.1", port: broker.port), clientID: "t")
        return (try Publisher(options: options, clientID: "t") { said.yield($0) }, words)
    }

    /// Whatever the broker does to a connection, the next one brings the rest, in order.
    @Test(arguments: [
        [.closesAtOnce, .behaves], [.closesAfterConnect, .behaves], [.refuses, .behaves], [.talksNonsense, .behaves],
        [.acknowledges(0), .behaves], [.acknowledges(7), .behaves], [.acknowledges(1500), .acknowledges(3), .behaves],
        [.closesAtOnce, .acknowledges(20), .talksNonsense, .behaves],
    ] as [[FakeBroker.Life]])
    func loseNothing(lives: [FakeBroker.Life]) async throws {
        let broker = FakeBroker(lives)
        let (publisher, words) = try publisher(broker)
        let total = 4000
        let ids = (0..<total).map { publisher.publish(topic: "t", payload: Array("\($0)".utf8)) }
        #expect(!ids.contains(nil) && Set(ids).count == total)
        var acknowledged: [Int] = []
        for await word in words {
            if case .acknowledged(let id) = word { acknowledged.append(id) }
            if acknowledged.count == total { break }
        }
        #expect(acknowledged == ids.compactMap { $0 }, "each once, in order")
        #expect(publisher.inFlight == 0)
        var next = 0
        for (numbers, life) in zip(broker.numbers, lives) {
            let isInOrder = numbers == Array(next..<(next + numbers.count))
            #expect(isInOrder, "a connection begins with \(next), the oldest that is kept, not \(numbers.first ?? -1)")
            switch life {
            case .acknowledges(let count): next += count
            case .behaves: next += numbers.count
            default: #expect(numbers.isEmpty)
            }
        }
        #expect(next == total && broker.numbers.count == lives.count)
        _ = consume publisher
        broker.close()
    }

    /// `select` ends at 1024; a thousand readers of the stream are more.
    @Test func takeDescriptorsAboveAThousand() async throws {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 4096))
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let taken = (0..<1100).map { _ in dup(2) }
        #expect(taken.max()! > 1024)
        let broker = FakeBroker([.behaves])
        let (publisher, words) = try publisher(broker)
        publisher.publish(topic: "t", payload: Array("0".utf8))
        for await word in words { if case .acknowledged = word { break } }
        for descriptor in taken { close(descriptor) }
        _ = consume publisher
        broker.close()
    }

    @Test func refuseWhatMQTTDoesNotAllow() throws {
        let broker = FakeBroker([.behaves])
        let (publisher, _) = try publisher(broker)
        #expect(publisher.publish(topic: "a/+", payload: []) == nil)
        #expect(publisher.publish(topic: "a/#", payload: []) == nil)
        #expect(publisher.inFlight == 0)
        _ = consume publisher
        broker.close()
    }
}

@Suite struct MessagesKept {
    private func message(_ text: String) -> KeptMessages.Message { .init(topic: text, payload: [], retain: false) }

    @Test func areGivenInOrderWithinTheWindowAndAgainAfterALoss() {
        var kept = KeptMessages()
        for index in 1...5 { #expect(kept.append(message("\(index)")) == index) }
        func give(_ kept: inout KeptMessages) -> [String] {
            var given: [String] = []
            while let (id, message) = kept.next(window: 3) {
                kept.gave(id, as: Int32(100 + id))
                given.append(message.topic)
            }
            return given
        }
        #expect(give(&kept) == ["1", "2", "3"])
        #expect(kept.acknowledged(999) == nil)
        #expect(kept.acknowledged(102) == 2)
        #expect(kept.acknowledged(102) == nil, "once")
        #expect(give(&kept) == ["4"])
        kept.rewind()
        #expect(kept.acknowledged(101) == nil, "an id of the connection that is gone")
        #expect(give(&kept) == ["1", "3", "4"])
        for id in [101, 103, 104] as [Int32] { #expect(kept.acknowledged(id) == Int(id - 100)) }
        #expect(give(&kept) == ["5"])
    }
}
