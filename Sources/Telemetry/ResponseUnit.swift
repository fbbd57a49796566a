/// Whom dispatching can send: a row of `units.csv`.
public struct ResponseUnit: Sendable, Equatable {
    public var id: String
    /// A word of the district's own: car, foot …
    public var kind: String
    /// The device whose fixes say where the unit is.
    public var device: String?
    public var officer: String?
    public var team: String?
    /// Codes of the areas it may be sent to, with all below them; everywhere where empty.
    public var areas: [String]
    /// Its hours; a shift over midnight belongs to the evening on which it starts. Nil: always on duty.
    public var shift: HourRange?
    public var capabilities: [String]
    /// Ids of the departments for which it may act.
    public var authority: [String]
    /// How many officers it has.
    public var officers: Int

    public init(
        id: String, kind: String, device: String? = nil, officer: String? = nil, team: String? = nil, areas: [String] = [],
        shift: HourRange? = nil, capabilities: [String] = [], authority: [String] = [], officers: Int = 1
    ) {
        self.id = id
        self.kind = kind
        self.device = device
        self.officer = officer
        self.team = team
        self.areas = areas
        self.shift = shift
        self.capabilities = capabilities
        self.authority = authority
        self.officers = officers
    }
}
