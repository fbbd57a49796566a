public import Telemetry

/// `where`: the devices for which a rule holds. Within one list one must fit; all lists that are not empty must.
public struct Scope: Sendable, Equatable {
    public var devices: [String] = []
    public var tags: [String] = []
    public var teams: [String] = []
    public var zones: [String] = []
    /// Codes; everything below them is meant too.
    public var areas: [String] = []
    public var sites: [String] = []
    public var siteKinds: [String] = []
    public var near: Near?
    /// Ids, or `kind:` and a kind: the device's own place lies in one of them.
    public var fences: [String] = []

    /// Within so many metres of a site of the kind.
    public struct Near: Sendable, Equatable {
        public var siteKind: String
        public var metres: Double
        public init(siteKind: String, metres: Double) {
            self.siteKind = siteKind
            self.metres = metres
        }
    }

    public init() {}

    public func holds(for device: Device, in world: World) -> Bool {
        func fits(_ wanted: [String], _ has: String?) -> Bool { wanted.isEmpty || has.map(wanted.contains) ?? false }
        guard fits(devices, device.id), fits(teams, device.team), fits(zones, device.zone), fits(sites, device.site)
        else { return false }
        if !tags.isEmpty {
            let has = (device.tags ?? "").split(whereSeparator: { ";,| ".contains($0) })
            guard tags.contains(where: { tag in has.contains { $0 == tag } }) else { return false }
        }
        let site = device.site.flatMap { world.sites[$0] }
        if !siteKinds.isEmpty { guard let kind = site?.kind, siteKinds.contains(kind) else { return false } }
        if !areas.isEmpty {
            guard let area = device.area ?? site?.area else { return false }
            // Without a file of areas a code is below what it begins with.
            guard areas.contains(where: { world.areas.isEmpty ? area.hasPrefix($0) : world.areas.isIn(area, $0) })
            else { return false }
        }
        if near == nil && fences.isEmpty { return true }
        guard let position = Scope.position(of: device, site) else { return false }
        if !fences.isEmpty {
            guard let place = FixedPosition(position) else { return false }
            var isIn = false
            world.fences.index.forEach(at: place) { number in
                let fence = world.fences.all[number]
                if fences.contains(fence.id) || fences.contains("kind:\(fence.kind)") { isIn = true }
            }
            if !isIn { return false }
        }
        guard let near else { return true }
        return world.sites.all.contains { $0.kind == near.siteKind && $0.place.metres(from: position) <= near.metres }
    }

    /// Where a device stands: its record's place, else its site's point.
    private static func position(of device: Device, _ site: Site?) -> Position? {
        if let lat = device.lat, let lon = device.lon { return Position(latitude: lat, longitude: lon) }
        if case .point(let position)? = site?.place { return position }
        return nil
    }
}
