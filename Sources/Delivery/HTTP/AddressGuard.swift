import Dispatch
import Foundation
import Synchronization

/// Where a receiver's name leads, looked up at most twice a minute; addresses inside a network are refused unless they
/// are allowed, so that no setting and no name server makes Patrol knock on its neighbours' doors. The connection is
/// made to the address that was judged, not to what the name says a moment later.
final class AddressGuard: Sendable {
    static let keepSeconds = 30.0

    enum Answer: Sendable, Equatable {
        case address(String)
        case refused(String)
    }

    private let host: String
    private let allowsPrivate: Bool
    private let known = Mutex<(address: String, until: ContinuousClock.Instant)?>(nil)

    init(host: String, allowsPrivate: Bool) {
        self.host = host
        self.allowsPrivate = allowsPrivate
    }

    func address() async -> Answer {
        if let known = known.withLock({ $0 }), known.until > .now { return .address(known.address) }
        let found = await withCheckedContinuation { continuation in
            // Asks name servers and waits for them.
            DispatchQueue.global().async { [host] in continuation.resume(returning: AddressGuard.lookUp(host)) }
        }
        guard !found.isEmpty else { return .refused("the name \(host) is not known") }
        guard let allowed = found.first(where: { allowsPrivate || !AddressGuard.isPrivate($0) }) else {
            return .refused(
                """
                \(host) leads to \(found.joined(separator: ", ")), inside a network; allow it with private_addresses: allow
                """)
        }
        known.withLock { $0 = (allowed, .now + .seconds(AddressGuard.keepSeconds)) }
        return .address(allowed)
    }

    private static func lookUp(_ host: String) -> [String] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, nil, &hints, &found) == 0 else { return [] }
        defer { unsafe freeaddrinfo(found) }
        var addresses: [String] = []
        var entry = unsafe found
        while let one = unsafe entry {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let code = unsafe getnameinfo(
                one.pointee.ai_addr, one.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            if code == 0 {
                addresses.append(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            }
            unsafe entry = one.pointee.ai_next
        }
        return addresses
    }

    /// Whether an address is not one of the public internet (IANA special-purpose address registries, RFC 6890).
    static func isPrivate(_ address: String) -> Bool {
        let plain = String(address.prefix { $0 != "%" })
        var four = in_addr()
        if unsafe inet_pton(AF_INET, plain, &four) == 1 { return isPrivate(UInt32(bigEndian: four.s_addr)) }
        var six = in6_addr()
        guard unsafe inet_pton(AF_INET6, plain, &six) == 1 else { return true }
        let bytes = unsafe withUnsafeBytes(of: &six) { unsafe Array($0) }
        func quad(at index: Int) -> UInt32 { bytes[index..<index + 4].reduce(0) { $0 << 8 | UInt32($1) } }
        if bytes[..<10].allSatisfy({ $0 == 0 }) {
            // ::, ::1, and IPv4 in IPv6 (mapped or compatible).
            return bytes[10] == 0xFF && bytes[11] == 0xFF ? isPrivate(quad(at: 12)) : true
        }
        if bytes[0] == 0x00 && bytes[1] == 0x64 && bytes[2] == 0xFF && bytes[3] == 0x9B { return isPrivate(quad(at: 12)) }  // NAT64
        if bytes[0] == 0x20 && bytes[1] == 0x02 { return isPrivate(quad(at: 2)) }  // 6to4
        // Global unicast is 2000::/3, without the documentation's 2001:db8::/32 and the special 2001::/23.
        if bytes[0] & 0xE0 != 0x20 { return true }
        if bytes[0] == 0x20 && bytes[1] == 0x01 { return bytes[2] < 0x02 || (bytes[2] == 0x0D && bytes[3] == 0xB8) }
        return false
    }

    private static func isPrivate(_ address: UInt32) -> Bool {
        let special: [(UInt32, UInt32)] = [
            (0x0000_0000, 8), (0x0A00_0000, 8), (0x6440_0000, 10), (0x7F00_0000, 8), (0xA9FE_0000, 16), (0xAC10_0000, 12),
            (0xC000_0000, 24), (0xC000_0200, 24), (0xC058_6300, 24), (0xC0A8_0000, 16), (0xC612_0000, 15), (0xC633_6400, 24),
            (0xCB00_7100, 24), (0xE000_0000, 4), (0xF000_0000, 4),
        ]
        return special.contains { address >> (32 - $1) == $0 >> (32 - $1) }
    }
}
