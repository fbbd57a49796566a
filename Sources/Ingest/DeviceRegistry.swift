public import Telemetry

/// Which device is which, and whose: the identity check of invariant 7. Used on the source's thread only.
///
/// A device is known by kind and id; it belongs to the gateway that
/// the devices file names, or to the first that brings it.
@safe
public final class DeviceRegistry {
    struct Known {
        var gateway: String
        let kind: Kind
        let id: String
    }

    private struct Key: Hashable {
        let kind: Kind
        let id: String

        // By bytes: Swift's strings are equal when only their composition differs, ids are not.
        static func == (a: Key, b: Key) -> Bool { a.kind == b.kind && a.id.utf8.elementsEqual(b.id.utf8) }

        func hash(into hasher: inout Hasher) {
            hasher.combine(kind.rawValue)
            var id = id
            id.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }

    /// Without it a new device is registered; with it it is refused.
    private let requiresKnown: Bool
    private var numbers: [Key: UInt32] = [:]
    private(set) var devices: [Known] = []
    private var devicesOfGateway: [String: Int] = [:]

    /// - Parameter requiresKnown: a devices file says all there are: others are `unknown_device`.
    public init(requiresKnown: Bool = false) { self.requiresKnown = requiresKnown }

    public var count: Int { devices.count }

    /// Takes a device in at start, in the order of its number; an empty gateway binds to the first that brings it.
    public func add(number: UInt32, kind: Kind, id: String, gateway: String) {
        precondition(Int(number) == devices.count, "device numbers are dense: \(number) after \(devices.count)")
        devices.append(Known(gateway: gateway, kind: kind, id: id))
        numbers[Key(kind: kind, id: id)] = number
        if !gateway.isEmpty { devicesOfGateway[gateway, default: 0] += 1 }
    }

    // MARK: For the decoder

    enum Verdict {
        case known(UInt32)
        /// May become the device of the next number.
        case new
        case refused(RejectReason, field: String)
        /// The id of a device that belongs to another gateway.
        case foreign(UInt32)
    }

    func judge(kind: Kind, id: String, gateway: String) -> Verdict {
        if let number = numbers[Key(kind: kind, id: id)] {
            let owner = devices[Int(number)].gateway
            if owner.isEmpty || owner.utf8.elementsEqual(gateway.utf8) { return .known(number) }
            return .foreign(number)
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
}
