import Glibc
import Ring
import Synchronization
import Testing

@testable import Mosquitto

@Suite struct OwnDescriptorsTests {
    private static func isOpen(_ descriptor: Int32) -> Bool { fcntl(descriptor, F_GETFD) >= 0 }

    private static func localPair() -> [Int32] {
        var pair: [Int32] = [-1, -1]
        let failed = unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair)
        precondition(failed == 0)
        return pair
    }

    /// What others have open is not held open, the bells still ring both ways, and a local socket leads nowhere.
    @Test func aThreadHasItsOwn() throws {
        let there = Doorbell(), back = Doorbell()
        let others = Self.localPair()
        defer { for descriptor in others { close(descriptor) } }
        let found = Mutex<[String: Bool]>([:])
        let hasRung = Atomic<Bool>(false), hasAnswered = Atomic<Bool>(false)
        let thread = WorkerThread {
            let own = OwnDescriptors(keeping: [there, back])
            var answers = ["made": own != nil, "others closed": others.allSatisfy { !Self.isOpen($0) }, "standard streams": Self.isOpen(2)]
            there.wait(timeoutMilliseconds: 10_000) { hasRung.load(ordering: .acquiring) }
            answers["rung"] = hasRung.load(ordering: .acquiring)
            let pair = Self.localPair()
            own?.muteLocalSockets()
            // Far more than a socket takes that nobody reads, and nothing comes out.
            let bytes = [UInt8](repeating: 1, count: 1 << 16)
            answers["muted"] = (0..<100).allSatisfy { _ in unsafe write(pair[1], bytes, bytes.count) == bytes.count }
            var byte: UInt8 = 0
            answers["empty"] = unsafe read(pair[0], &byte, 1) == 0
            found.withLock { $0 = answers }
            hasAnswered.store(true, ordering: .releasing)
            back.ring()
        }
        thread.start()
        hasRung.store(true, ordering: .releasing)
        there.ring()
        back.wait(timeoutMilliseconds: 10_000) { hasAnswered.load(ordering: .acquiring) }
        thread.join()
        #expect(found.withLock { $0.filter { !$0.value }.isEmpty && $0.count == 6 }, "\(found.withLock { $0 })")
        #expect(others.allSatisfy(Self.isOpen))
    }

    /// The other end of another thread's connection sees its end at once.
    @Test func connectionsOfOthersEnd() {
        let pair = Self.localPair()
        let ready = Doorbell(), over = Doorbell()
        let isReady = Atomic<Bool>(false), isOver = Atomic<Bool>(false)
        let thread = WorkerThread {
            let own = OwnDescriptors(keeping: [ready, over])
            isReady.store(true, ordering: .releasing)
            ready.ring()
            over.wait(timeoutMilliseconds: 10_000) { isOver.load(ordering: .acquiring) }
            _ = own
        }
        thread.start()
        ready.wait(timeoutMilliseconds: 10_000) { isReady.load(ordering: .acquiring) }
        close(pair[0])
        var poller = pollfd(fd: pair[1], events: Int16(POLLIN), revents: 0)
        #expect(unsafe poll(&poller, 1, 10_000) == 1)
        var byte: UInt8 = 0
        #expect(unsafe read(pair[1], &byte, 1) == 0)
        isOver.store(true, ordering: .releasing)
        over.ring()
        thread.join()
        close(pair[1])
    }
}
