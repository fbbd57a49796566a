/// While it holds, an alert that begins to fire and that it matches is on record and makes no task.
public struct Silence: Sendable, Equatable {
    /// By what a silence chooses, each a list of which one must fit; a `*` at the end of a rule, device or site stands for
    /// anything. Empty lists choose nothing away; one at least is not empty.
    public enum Matcher: String, Sendable, CaseIterable {
        case rules, devices, sites
        /// Codes; everything below them is meant too.
        case areas
        case severities, kinds
    }

    /// Silences that stand at most.
    public static let maximumStanding = 1000
    /// The longest, in ms: a year.
    public static let maximumMilliseconds: Int64 = 366 * 86_400_000

    public var id: String
    public var author: String, role: String, reason: String
    public var createdAt: Timestamp, startsAt: Timestamp, endsAt: Timestamp
    public var match: [Matcher: [String]]
    /// Of one that is over.
    public var endedAt: Timestamp?
    /// Who has ended it early; nil where it was time.
    public var endedBy: String?

    public init(
        id: String, author: String, role: String, reason: String, createdAt: Timestamp, startsAt: Timestamp, endsAt: Timestamp,
        match: [Matcher: [String]]
    ) {
        self.id = id
        self.author = author
        self.role = role
        self.reason = reason
        self.createdAt = createdAt
        self.startsAt = startsAt
        self.endsAt = endsAt
        self.match = match
    }

    /// Whether it silences an alert at a moment.
    public func holds(for alert: Alert, at moment: Timestamp, areas: AreaTree) -> Bool {
        guard startsAt <= moment, moment < endsAt else { return false }
        return match.allSatisfy { matcher, wanted in
            switch matcher {
            case .rules: wanted.contains { Silence.fits(alert.rule, $0) }
            case .devices: wanted.contains { Silence.fits(alert.device, $0) }
            case .sites: alert.site.map { site in wanted.contains { Silence.fits(site, $0) } } ?? false
            case .areas: wanted.contains { areas.isEmpty ? alert.area.hasPrefix(Area.shortCode($0)) : areas.isIn(alert.area, $0) }
            case .severities: wanted.contains(alert.severity)
            case .kinds: wanted.contains(alert.kind.name)
            }
        }
    }

    private static func fits(_ text: String, _ pattern: String) -> Bool {
        pattern.hasSuffix("*") ? text.hasPrefix(pattern.dropLast()) : text == pattern
    }
}

extension Identifier {
    /// `s` and 16 hex digits: FNV-1a of a silence's number in the store.
    public static func silence(number: Int64) -> String { "s" + hex(fnv1a("silence\n\(number)".utf8)) }
}
