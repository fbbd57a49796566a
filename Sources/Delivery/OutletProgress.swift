/// What an outlet has taken from the stream and what is done: pure. Events are taken in order and done in any; the
/// highest number before which everything is done is what may be written down as delivered.
public struct OutletProgress: Sendable {
    private struct Entry {
        var sequence: Int64
        var at: Int64
        var isDone = false
    }

    private var entries: [Entry] = []
    private var first = 0
    public private(set) var delivered: Int64
    /// The last event taken, done or not.
    public private(set) var taken: Int64

    public init(delivered: Int64) {
        self.delivered = delivered
        taken = delivered
    }

    /// Events taken and not below ``delivered``.
    public var open: Int { entries.count - first }
    /// When the oldest of them was committed, UTC ms.
    public var oldestAt: Int64? { first < entries.count ? entries[first].at : nil }

    public mutating func take(_ sequence: Int64, at: Int64) {
        entries.append(Entry(sequence: sequence, at: at))
        taken = sequence
    }

    /// - Returns: the new high-water mark where it moved.
    public mutating func done(_ sequence: Int64) -> Int64? {
        // Numbers have no gaps but where events were taken away by hand, so the guess is nearly always right.
        guard first < entries.count else { return nil }
        var index = first + Int(clamping: sequence - entries[first].sequence)
        if index < first { return nil }
        index = min(index, entries.count - 1)
        while index >= first, entries[index].sequence > sequence { index -= 1 }
        guard index >= first, entries[index].sequence == sequence, !entries[index].isDone else { return nil }
        entries[index].isDone = true
        guard index == first else { return nil }
        while first < entries.count, entries[first].isDone { first += 1 }
        delivered = entries[first - 1].sequence
        if first == entries.count || first > 1024 {
            entries.removeFirst(first)
            first = 0
        }
        return delivered
    }
}
