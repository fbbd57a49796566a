import Telemetry

/// A topic taken apart: `{root}/in/{gateway}/{kind}/{device}`, `{root}/in/{gateway}/lead`, or what is wrong with it.
enum TopicName {
    case reading(gateway: String, kind: Kind, device: String)
    case external(gateway: String)
    case lead(gateway: String)
    case wrong(RejectReason, field: String, gateway: String, device: String)

    /// Levels for which other payloads are defined and that this version does not read yet.
    private static let comingLevels: Set<String> = ["pack"]

    init(_ topic: UnsafeRawBufferPointer, root: String) {
        guard topic.count <= Limits.topicBytes else {
            self = .wrong(.tooLarge, field: "topic", gateway: "", device: "")
            return
        }
        // By bytes: a new topic is taken apart once, and ten thousand gateways may come back at the same moment.
        guard let text = unsafe String(validating: topic, as: UTF8.self), text.utf8.starts(with: "\(root)/in/".utf8) else {
            self = .wrong(.malformed, field: "topic", gateway: "", device: "")
            return
        }
        let levels = text.utf8.dropFirst(root.utf8.count + 4)
            .split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { String(Substring($0)) }
        let gateway = levels[0]
        guard TopicName.isID(gateway) else {
            self = .wrong(.range, field: "gateway", gateway: TopicName.shown(gateway), device: "")
            return
        }
        if levels.count == 2 && levels[1] == "lead" {
            self = .lead(gateway: gateway)
            return
        }
        if levels.count == 2 && TopicName.comingLevels.contains(levels[1]) {
            self = .wrong(.unsupported, field: "topic", gateway: gateway, device: "")
            return
        }
        if levels.count == 2 && levels[1] == "external" {
            self = .external(gateway: gateway)
            return
        }
        guard levels.count == 3 else {
            self = .wrong(.malformed, field: "topic", gateway: gateway, device: "")
            return
        }
        guard let kind = Kind(name: levels[1]) else {
            self = .wrong(.unsupported, field: "kind", gateway: gateway, device: TopicName.shown(levels[2]))
            return
        }
        guard TopicName.isID(levels[2]) else {
            self = .wrong(.range, field: "device", gateway: gateway, device: TopicName.shown(levels[2]))
            return
        }
        self = .reading(gateway: gateway, kind: kind, device: levels[2])
    }

    /// An id of a gateway or a device: 1 to 64 bytes of UTF-8 without control characters, quotes and topic signs.
    static func isID(_ text: String) -> Bool {
        guard (1...Limits.idBytes).contains(text.utf8.count) else { return false }
        var previous: UInt8 = 0
        for byte in text.utf8 {
            switch byte {
            case ..<0x20, 0x7F, UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "+"), UInt8(ascii: "#"), UInt8(ascii: "/"):
                return false
            // U+0080 to U+009F, the other control characters, are C2 80 to C2 9F.
            case 0x80...0x9F where previous == 0xC2: return false
            default: previous = byte
            }
        }
        return true
    }

    /// A bad id as it may stand in a record: cut, control characters out.
    private static func shown(_ text: String) -> String {
        var bytes = 0
        var result = ""
        for scalar in text.unicodeScalars where scalar.value >= 0x20 && scalar.value != 0x7F {
            bytes += String(scalar).utf8.count
            if bytes > Limits.idBytes { break }
            result.unicodeScalars.append(scalar)
        }
        return result
    }
}
