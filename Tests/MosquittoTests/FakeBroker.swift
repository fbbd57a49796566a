import Glibc
import Ring
import Synchronization

/// A broker on loopback whose connections each live as told, for what a real one does at moments that cannot be chosen.
final class FakeBroker: Sendable {
    enum Life: Sendable {
        case closesAtOnce
        case closesAfterConnect
        case refuses
        /// A packet that MQTT 3.1.1 does not know, after CONNACK.
        case talksNonsense
        /// Acknowledges a message that was never sent, then so many, and closes when one more is read.
        case acknowledges(Int)
        case behaves
    }

    let port: Int32
    private let listener: Int32
    private let lives: [Life]
    private let heard = Mutex<[[Int]]>([])
    private let isClosed = Atomic<Bool>(false)
    private let thread: Mutex<WorkerThread?> = Mutex(nil)

    /// - Parameter lives: of the connections in their order; the last is that of all that follow.
    init(_ lives: [Life]) {
        self.lives = lives
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        port = unsafe withUnsafeMutablePointer(to: &address) { [listener] pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                guard unsafe bind(listener, $0, length) == 0, listen(listener, 8) == 0 else { return 0 }
                unsafe getsockname(listener, $0, &length)
                return 1
            } == 0 ? 0 : Int32(UInt16(bigEndian: unsafe pointer.pointee.sin_port))
        }
        let made = WorkerThread { [self] in run() }
        thread.withLock { $0 = made }
        made.start()
    }

    /// The numbers that each connection brought, in their order.
    var numbers: [[Int]] { heard.withLock { $0 } }

    func close() {
        isClosed.store(true, ordering: .releasing)
        shutdown(listener, Int32(SHUT_RDWR))
        thread.withLock { $0.take() }?.join()
        Glibc.close(listener)
    }

    private func run() {
        var life = 0
        while !isClosed.load(ordering: .acquiring) {
            let peer = accept(listener, nil, nil)
            guard peer >= 0 else { return }
            heard.withLock { $0.append([]) }
            serve(peer, lives[min(life, lives.count - 1)])
            Glibc.close(peer)
            life += 1
        }
    }

    private func serve(_ peer: Int32, _ life: Life) {
        if case .closesAtOnce = life { return }
        guard read(peer)?.kind == 0x10 else { return }
        if case .closesAfterConnect = life { return }
        if case .refuses = life {
            write(peer, [0x20, 2, 0, 5])
            return
        }
        write(peer, [0x20, 2, 0, 0])
        if case .talksNonsense = life {
            write(peer, [0xF3, 0])
            while read(peer) != nil {}
            return
        }
        var left = Int.max
        if case .acknowledges(let count) = life {
            left = count
            write(peer, [0x40, 2, 0xFF, 0xFF])
        }
        while let packet = read(peer), packet.kind & 0xF0 != 0xE0 {
            // On a busy machine a test may last longer than the keep-alive time: a PINGREQ without an answer is a loss.
            if packet.kind == 0xC0 { write(peer, [0xD0, 0]) }
            guard packet.kind & 0xF0 == 0x30 else { continue }
            let topicEnd = 2 + Int(packet.body[0]) << 8 + Int(packet.body[1])
            guard packet.kind & 0x06 != 0 else { continue }
            let number = Int(String(decoding: packet.body[(topicEnd + 2)...], as: UTF8.self))!
            heard.withLock { $0[$0.count - 1].append(number) }
            if left == 0 {
                // Reads on until the other side has seen the end: closing with bytes unread would take back the answers.
                shutdown(peer, Int32(SHUT_WR))
                while read(peer) != nil {}
                return
            }
            left -= 1
            write(peer, [0x40, 2, packet.body[topicEnd], packet.body[topicEnd + 1]])
        }
    }

    private func read(_ peer: Int32) -> (kind: UInt8, body: [UInt8])? {
        guard let kind = bytes(peer, 1)?[0] else { return nil }
        var length = 0
        var shift = 0
        repeat {
            guard let byte = bytes(peer, 1)?[0] else { return nil }
            length |= Int(byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 { break }
        } while true
        guard let body = bytes(peer, length) else { return nil }
        return (kind, body)
    }

    private func bytes(_ peer: Int32, _ count: Int) -> [UInt8]? {
        var all: [UInt8] = []
        while all.count < count {
            var part = [UInt8](repeating: 0, count: count - all.count)
            let read = unsafe recv(peer, &part, part.count, 0)
            if read <= 0 { return nil }
            all += part[..<read]
        }
        return all
    }

    private func write(_ peer: Int32, _ bytes: [UInt8]) {
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }
}
