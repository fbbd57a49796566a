import Glibc
public import Telemetry

/// Which device is which, and whose: the identity check of invariant 7. Used on the source's thread only.
///
/// A topic seen before is one hash and one comparison. A device is known by kind and id; it belongs to the gateway that
/// the devices file names, or to the first that brings it.
@safe
public final class DeviceRegistry {
    struct Known {
        var gateway: String
        let kind: Kind
        let id: String
    }

    private struct Key: Hashable {
        let kind: UInt8
        let id: String
    }

    /// Without it a new device is registered; with it it is refused.
    private let requiresKnown: Bool
    private var numbers: [Key: UInt32] = [:]
    private(set) var devices: [Known] = []
    private var devicesOfGateway: [String: Int] = [:]
    private var topics = TopicCache()

    /// - Parameter requiresKnown: a devices file says all there are: others are `unknown_device`.
    public init(requiresKnown: Bool = false) { self.requiresKnown = requiresKnown }

    public var count: Int { devices.count }

    /// Takes a device in at start, in the order of its number; an empty gateway binds to the first that brings it.
    public func add(number: UInt32, kind: Kind, id: String, gateway: String) {
        precondition(Int(number) == devices.count, "device numbers are dense: \(number) after \(devices.count)")
        devices.append(Known(gateway: gateway, kind: kind, id: id))
        numbers[Key(kind: kind.rawValue, id: id)] = number
        if !gateway.isEmpty { devicesOfGateway[gateway, default: 0] += 1 }
    }

    // MARK: For the decoder

    enum Verdict {
        case known(UInt32)
        /// May become the device of the next number.
        case new
        case refused(RejectReason, field: String)
    }

    func judge(kind: Kind, id: String, gateway: String) -> Verdict {
        if let number = numbers[Key(kind: kind.rawValue, id: id)] {
            let owner = devices[Int(number)].gateway
            if owner == gateway || owner.isEmpty { return .known(number) }
            return .refused(.wrongGateway, field: "gateway")
        }
        if requiresKnown { return .refused(.unknownDevice, field: "device") }
        if devices.count >= Limits.devices { return .refused(.limit, field: "device") }
        if devicesOfGateway[gateway, default: 0] >= Limits.devicesPerGateway { return .refused(.limit, field: "device") }
        return .new
    }

    func register(kind: Kind, id: String, gateway: String) -> UInt32 {
        let number = UInt32(devices.count)
        add(number: number, kind: kind, id: id, gateway: gateway)
        return number
    }

    func isKnown(_ number: UInt32) -> Bool { Int(number) < devices.count }

    /// Whether a known device has no owner yet.
    func isUnbound(_ number: UInt32) -> Bool { devices[Int(number)].gateway.isEmpty }

    func bind(_ number: UInt32, to gateway: String) {
        devices[Int(number)].gateway = gateway
        devicesOfGateway[gateway, default: 0] += 1
    }

    @inline(__always)
    func cached(_ topic: UnsafeRawBufferPointer) -> (kind: Kind, number: UInt32)? { unsafe topics.find(topic) }

    func remember(_ topic: UnsafeRawBufferPointer, kind: Kind, number: UInt32) {
        unsafe topics.insert(topic, kind: kind, number: number)
    }
}

/// Full topics to devices: open addressing over bytes in one block each. Only good topics enter, so that it is bounded
/// by the number of devices.
@safe
struct TopicCache: ~Copyable {
    @safe
    private struct Entry {
        var hash: UInt64
        // Owned by the cache, freed in deinit.
        var bytes: UnsafeMutablePointer<UInt8>?
        var count: Int32
        var kind: Kind
        var number: UInt32
    }

    private var entries: UnsafeMutablePointer<Entry>
    private var capacity = 1024
    private var used = 0

    init() { unsafe entries = TopicCache.blank(1024) }

    deinit {
        for index in 0..<capacity { unsafe entries[index].bytes?.deallocate() }
        unsafe entries.deallocate()
    }

    private static func blank(_ capacity: Int) -> UnsafeMutablePointer<Entry> {
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
        unsafe entries.initialize(
            repeating: Entry(hash: 0, bytes: nil, count: 0, kind: .noise, number: 0), count: capacity)
        return unsafe entries
    }

    /// Word by word multiply and fold; the topic's end is taken in a word that overlaps.
    @inline(__always)
    static func hash(_ topic: UnsafeRawBufferPointer) -> UInt64 {
        var hash = UInt64(truncatingIfNeeded: topic.count) &* 0x9E37_79B9_7F4A_7C15
        var index = 0
        while index + 8 <= topic.count {
            hash = unsafe (hash ^ topic.loadUnaligned(fromByteOffset: index, as: UInt64.self)) &* 0xFF51_AFD7_ED55_8CCD
            hash ^= hash >> 32
            index += 8
        }
        while index < topic.count {
            hash = unsafe (hash ^ UInt64(topic[index])) &* 0xC4CE_B9FE_1A85_EC53
            index += 1
        }
        return hash ^ hash >> 29
    }

    @inline(__always)
    func find(_ topic: UnsafeRawBufferPointer) -> (kind: Kind, number: UInt32)? {
        let hash = unsafe TopicCache.hash(topic)
        var index = Int(truncatingIfNeeded: hash) & (capacity - 1)
        while let bytes = unsafe entries[index].bytes {
            if unsafe entries[index].hash == hash && Int(entries[index].count) == topic.count
                && memcmp(bytes, topic.baseAddress!, topic.count) == 0
            {
                return unsafe (entries[index].kind, entries[index].number)
            }
            index = (index + 1) & (capacity - 1)
        }
        return nil
    }

    mutating func insert(_ topic: UnsafeRawBufferPointer, kind: Kind, number: UInt32) {
        if used * 2 >= capacity { grow() }
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, topic.count))
        unsafe memcpy(bytes, topic.baseAddress!, topic.count)
        unsafe place(
            Entry(
                hash: TopicCache.hash(topic), bytes: bytes, count: Int32(topic.count), kind: kind, number: number))
        used += 1
    }

    private mutating func place(_ entry: Entry) {
        var index = Int(truncatingIfNeeded: entry.hash) & (capacity - 1)
        while unsafe entries[index].bytes != nil { index = (index + 1) & (capacity - 1) }
        unsafe entries[index] = entry
    }

    private mutating func grow() {
        let old = unsafe entries
        let oldCapacity = capacity
        capacity *= 2
        unsafe entries = TopicCache.blank(capacity)
        for index in 0..<oldCapacity where unsafe old[index].bytes != nil { unsafe place(old[index]) }
        unsafe old.deallocate()
    }
}
