/// A device as the registry and the engine know it.
public struct Device: Sendable, Equatable {
    public var number: UInt32
    public var kind: Kind
    public var id: String
    /// Empty until the device's first reading binds it.
    public var gateway: String
    public var name: String?, area: String?, site: String?, zone: String?
    public var lat: Double?, lon: Double?
    public var team: String?, tags: String?

    public init(
        number: UInt32, kind: Kind, id: String, gateway: String, name: String? = nil, area: String? = nil,
        site: String? = nil, zone: String? = nil, lat: Double? = nil, lon: Double? = nil, team: String? = nil,
        tags: String? = nil
    ) {
        self.number = number
        self.kind = kind
        self.id = id
        self.gateway = gateway
        self.name = name
        self.area = area
        self.site = site
        self.zone = zone
        self.lat = lat
        self.lon = lon
        self.team = team
        self.tags = tags
    }
}
