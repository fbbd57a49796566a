import Telemetry

/// Decides which rules apply to a device. Devices that rules cannot tell apart share one list.
struct DeviceDirectory {
    /// As they were taken in last.
    var devices: [UInt32: Device] = [:]
    private let rules: RuleSet
    /// Rules that name single devices or places are asked for each device: by the device's id, and those near a place.
    private let isOwn: [Bool]
    private let named: [String: [Int32]]
    private let nearby: [Int32]
    /// The place of each rule in their order.
    private let rank: [Int32]
    private var shared: [String: [Int32]] = [:]
    private var known: [[Int32]: Int32] = [:]

    init(rules: RuleSet) {
        self.rules = rules
        isOwn = rules.definitions.map { !$0.scope.devices.isEmpty || $0.scope.near != nil }
        var named: [String: [Int32]] = [:]
        for (index, rule) in rules.definitions.enumerated() {
            for device in Set(rule.scope.devices) { named[device, default: []].append(Int32(index)) }
        }
        self.named = named
        nearby = rules.definitions.indices.filter { rules.definitions[$0].scope.near != nil }.map { Int32($0) }
        var rank = [Int32](repeating: 0, count: rules.definitions.count)
        for (place, rule) in rules.order.enumerated() { rank[Int(rule)] = Int32(place) }
        self.rank = rank
    }

    /// The number of the device's list.
    /// - Parameter insert: numbers a list that is new.
    mutating func list(for device: Device, _ world: World, _ insert: (_ list: [Int32]) -> Int32) -> Int32 {
        let key = [device.kind.name, device.area, device.site, device.zone, device.team, device.tags]
            .map { $0 ?? "\u{1}" }.joined(separator: "\u{0}")
        func applies(_ index: Int32) -> Bool {
            let rule = rules.definitions[Int(index)]
            return rule.kind == device.kind && rule.scope.holds(for: device, in: world)
        }
        let common: [Int32]
        if let cached = shared[key] {
            common = cached
        } else {
            common = rules.order.filter { !isOwn[Int($0)] && applies($0) }
            shared[key] = common
        }
        var list = common
        let own = Set((named[device.id] ?? []) + nearby).filter(applies)
        if !own.isEmpty { list = (common + own).sorted { rank[Int($0)] < rank[Int($1)] } }
        if let number = known[list] { return number }
        let number = insert(list)
        known[list] = number
        return number
    }
}
