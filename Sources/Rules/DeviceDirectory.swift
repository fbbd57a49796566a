import Telemetry

/// Decides which rules apply to a device. Devices that rules cannot tell apart share one list.
struct DeviceDirectory {
    /// As they were taken in last.
    var devices: [UInt32: Device] = [:]
    private let rules: RuleSet
    /// Rules that name single devices or places are asked for each device.
    private let isOwn: [Bool]
    private var shared: [String: [Int32]] = [:]
    private var known: [[Int32]: (start: Int32, count: Int32)] = [:]

    init(rules: RuleSet) {
        self.rules = rules
        isOwn = rules.definitions.map { !$0.scope.devices.isEmpty || $0.scope.near != nil }
    }

    /// - Parameter append: puts a list that is new among the lists, returns where it begins.
    mutating func list(
        for device: Device, _ world: World, append: ([Int32]) -> Int32
    ) -> (start: Int32, count: Int32) {
        let key = [device.kind.name, device.area, device.site, device.zone, device.team, device.tags]
            .map { $0 ?? "\u{1}" }.joined(separator: "\u{0}")
        func applying(_ wantsOwn: Bool) -> [Int32] {
            rules.order.filter { index in
                let rule = rules.definitions[Int(index)]
                return isOwn[Int(index)] == wantsOwn && rule.kind == device.kind
                    && rule.scope.holds(for: device, in: world)
            }
        }
        let common: [Int32]
        if let cached = shared[key] {
            common = cached
        } else {
            common = applying(false)
            shared[key] = common
        }
        var list = common
        if isOwn.contains(true) {
            let own = applying(true)
            if !own.isEmpty {
                let all = Set(common + own)
                list = rules.order.filter(all.contains)
            }
        }
        if let place = known[list] { return place }
        let place = (start: append(list), count: Int32(list.count))
        known[list] = place
        return place
    }
}
