/// A place where something is that rules ask about: a construction site, a school, an exam hall.
public struct Site: Sendable, Equatable {
    public var id: String
    public var name: String
    /// A word of the district's own: construction, school, hospital, exam …
    public var kind: String
    /// Code of its area.
    public var area: String?
    public var place: Place

    public init(id: String, name: String, kind: String, area: String? = nil, place: Place) {
        self.id = id
        self.name = name
        self.kind = kind
        self.area = area
        self.place = place
    }
}

/// An area that vehicles and cameras enter and leave.
public struct Fence: Sendable, Equatable {
    public var id: String
    public var name: String
    public var kind: String
    public var speedLimitKilometresPerHour: Double?
    public var shape: Shape

    public init(id: String, name: String, kind: String, speedLimitKilometresPerHour: Double? = nil, shape: Shape) {
        self.id = id
        self.name = name
        self.kind = kind
        self.speedLimitKilometresPerHour = speedLimitKilometresPerHour
        self.shape = shape
    }
}

/// All sites, found by id and by kind.
public struct Sites: Sendable {
    public let all: [Site]
    private let numberOfID: [String: Int]

    public init(_ sites: [Site] = []) {
        all = sites
        numberOfID = Dictionary(sites.enumerated().map { ($0.element.id, $0.offset) }, uniquingKeysWith: { first, _ in first })
    }

    public func number(ofID id: String) -> Int? { numberOfID[id] }

    public subscript(id: String) -> Site? { numberOfID[id].map { all[$0] } }

    /// Every kind that a site has, sorted.
    public var kinds: [String] { Set(all.map(\.kind)).sorted() }

    /// Which sites of a kind (nil: of any) lie within a distance of a place; the index numbers them as `sites` has them.
    public func near(kind: String?, metres: Double) -> (index: ProximityIndex, sites: [Site]) {
        let chosen = all.filter { kind == nil || $0.kind == kind }
        return (ProximityIndex(chosen.map(\.place), metres: metres), chosen)
    }
}

/// All fences, found by id, by kind and by place.
public struct Fences: Sendable {
    public let all: [Fence]
    /// Numbers are those of ``all``.
    public let index: ShapeIndex
    private let numberOfID: [String: Int]

    public init(_ fences: [Fence] = []) {
        all = fences
        index = ShapeIndex(fences.map(\.shape))
        numberOfID = Dictionary(fences.enumerated().map { ($0.element.id, $0.offset) }, uniquingKeysWith: { first, _ in first })
    }

    public func number(ofID id: String) -> Int? { numberOfID[id] }

    public subscript(id: String) -> Fence? { numberOfID[id].map { all[$0] } }

    public var kinds: [String] { Set(all.map(\.kind)).sorted() }
}
