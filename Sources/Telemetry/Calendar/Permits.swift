/// A permit of a site: emergency repair, a pour of concrete that cannot stop.
public struct Permit: Sendable, Equatable {
    public var site: String
    public var from: Timestamp
    /// The first moment at which it no longer holds.
    public var until: Timestamp
    /// A word of the district's own: emergency-repair, night-work …
    public var what: String

    public init(site: String, from: Timestamp, until: Timestamp, what: String) {
        self.site = site
        self.from = from
        self.until = until
        self.what = what
    }
}

/// All permits. What a rule asks about (a site, some kinds of permit) is made ready once, as an ``IntervalSet``.
public struct Permits: Sendable {
    public let all: [Permit]

    public init(_ permits: [Permit] = []) { all = permits }

    /// Every kind of permit there is, sorted.
    public var kinds: [String] { Set(all.map(\.what)).sorted() }

    /// When one of the kinds (nil: any) is allowed at the site.
    public func intervals(site: String, what: [String]? = nil) -> IntervalSet {
        IntervalSet(all.filter { $0.site == site && what?.contains($0.what) ?? true }.map { ($0.from, $0.until) })
    }

    /// What is allowed at the site at a moment, for people.
    public func permits(site: String, at moment: Timestamp) -> [Permit] {
        all.filter { $0.site == site && $0.from <= moment && moment < $0.until }
    }
}
