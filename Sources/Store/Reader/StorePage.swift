public import Telemetry

/// What can be read page by page.
public enum StoreCollection: String, Sendable, CaseIterable {
    case readings, minutes, alerts, silences, tasks, rejects, devices, counts

    /// Whether it can be asked by site and area.
    public var hasPlaces: Bool {
        switch self {
        case .readings, .minutes, .alerts, .tasks, .devices: true
        case .silences, .rejects, .counts: false
        }
    }

    /// Whether it can be asked by time.
    public var hasTimes: Bool { self != .devices && self != .counts }
}

/// Where a page ended: the key of its last row. As text `number` or `number~rest`.
public struct PageCursor: Sendable, Equatable, CustomStringConvertible {
    public var first: Int64
    public var second: StoreValue?

    public init(first: Int64, second: StoreValue? = nil) {
        self.first = first
        self.second = second
    }

    /// Nil where `text` is no cursor.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "~", maxSplits: 1, omittingEmptySubsequences: false)
        guard let head = parts.first, let first = Int64(head) else { return nil }
        self.first = first
        if parts.count == 2 { second = Int64(parts[1]).map(StoreValue.integer) ?? .text(String(parts[1])) }
    }

    public var description: String {
        switch second {
        case .integer(let number): "\(first)~\(number)"
        case .text(let text): "\(first)~\(text)"
        case .real, .null, nil: "\(first)"
        }
    }
}

/// A question for one page, newest rows first (devices by number).
public struct PageQuery: Sendable {
    public var collection: StoreCollection
    /// Of readings; of devices where given.
    public var kind: Kind?
    /// The device's id.
    public var device: String?
    /// The site's id; the code of the area or of one above it. Of readings: where the device was then.
    public var site: String?, area: String?
    /// Of alerts: their state; of tasks: their stage.
    public var state: String?
    /// From this moment on, and before that one: `ts`, `bucket`, `started_at`, `created_at` or `received`.
    public var since: Timestamp?, until: Timestamp?
    /// Rows at most.
    public var limit: Int
    /// Goes on behind an earlier page.
    public var cursor: PageCursor?

    public init(
        _ collection: StoreCollection, kind: Kind? = nil, device: String? = nil, state: String? = nil,
        since: Timestamp? = nil, until: Timestamp? = nil, limit: Int = 50, cursor: PageCursor? = nil
    ) {
        self.collection = collection
        self.kind = kind
        self.device = device
        self.state = state
        self.since = since
        self.until = until
        self.limit = limit
        self.cursor = cursor
    }
}

/// Rows of a question, and where the next page begins; nil behind the last one.
public struct StorePage: Sendable {
    public var columns: [String]
    public var rows: [[StoreValue]]
    public var next: PageCursor?
    /// What of compact history could not be read, in words.
    public var damaged: [String] = []
}
