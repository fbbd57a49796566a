public import Telemetry

/// What can be the matter (事项): by which law, whose it is, and who may act on it where. The kind of a task is the code of
/// its matter.
public struct Matter: Sendable, Equatable {
    /// Departments that may act on it in an area and below, from a moment on.
    public struct Grant: Sendable, Equatable {
        public var area: String
        public var departments: [String]
        public var since: Timestamp?

        public init(area: String, departments: [String], since: Timestamp? = nil) {
            self.area = area
            self.departments = departments
            self.since = since
        }
    }

    public var code: String
    public var nameEnglish: String, nameChinese: String
    public var law: String?, clause: String?
    /// Ids of the departments whose matter it is.
    public var departments: [String] = []
    /// The law asks for so many officers at least.
    public var officers = 1
    public var feedback: FeedbackTemplate?
    /// Each of its departments reports what it found, on one visit.
    public var isJoint = false
    /// Empty: its departments, everywhere.
    public var authority: [Grant] = []

    public init(code: String, nameEnglish: String, nameChinese: String) {
        self.code = code
        self.nameEnglish = nameEnglish
        self.nameChinese = nameChinese
    }

    /// The departments that may act on it there at that moment; nil where it is nobody's in particular.
    public func entitled(in area: String, at: Timestamp, areas: AreaTree) -> Set<String>? {
        if departments.isEmpty { return nil }
        if authority.isEmpty { return Set(departments) }
        return authority.reduce(into: []) { found, grant in
            guard grant.since.map({ $0 <= at }) ?? true, UnitBoard.isWithin(area, grant.area, areas) else { return }
            found.formUnion(grant.departments)
        }
    }
}

extension DispatchSettings {
    /// Takes the catalogue over: it says what feedback its matters ask for.
    public mutating func take(matters all: [Matter]) {
        matters = Dictionary(all.map { ($0.code, $0) }, uniquingKeysWith: { first, _ in first })
        for matter in all {
            guard let feedback = matter.feedback else { continue }
            var kind = kind(matter.code)
            kind.feedback = feedback
            kinds[matter.code] = kind
        }
    }
}
