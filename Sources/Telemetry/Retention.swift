/// How long the readings of each kind and what is computed from them stay in a store.
public struct Retention: Sendable, Equatable {
    /// By the engine's clock, in ms; nil is for ever.
    public struct Ages: Sendable, Equatable {
        /// Readings as plain rows; older ones are refused.
        public var rawMilliseconds: Int64?
        /// Readings at all, compact after their time as rows. Not longer than that: there is no compact history.
        public var historyMilliseconds: Int64?
        /// Rollups below an hour.
        public var minuteMilliseconds: Int64?

        public init(rawMilliseconds: Int64? = nil, historyMilliseconds: Int64? = nil, minuteMilliseconds: Int64? = nil) {
            self.rawMilliseconds = rawMilliseconds
            self.historyMilliseconds = historyMilliseconds
            self.minuteMilliseconds = minuteMilliseconds
        }
    }

    private var ages: [Ages]

    public init(_ everyKind: Ages = Ages()) { ages = Kind.allCases.map { _ in everyKind } }

    public subscript(kind: Kind) -> Ages {
        get { ages[Int(kind.rawValue)] }
        set { ages[Int(kind.rawValue)] = newValue }
    }
}
