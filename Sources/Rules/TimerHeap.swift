/// Timers in the order (due, rule, device): a binary heap. An entry whose state has another due time by now is stale and
/// is dropped when it comes up, so that a timer which moves on with every reading costs nothing per reading.
struct TimerHeap {
    struct Entry: BitwiseCopyable {
        var due: Int64
        var rule: Int32
        var device: UInt32
        var slot: Int32

        static func < (a: Entry, b: Entry) -> Bool {
            if a.due != b.due { return a.due < b.due }
            return a.rule != b.rule ? a.rule < b.rule : a.device < b.device
        }
    }

    private var entries: [Entry] = []
    /// Of the first entry, `Int64.max` where there is none.
    private(set) var nextDue = Int64.max

    mutating func push(_ entry: Entry) {
        entries.append(entry)
        var index = entries.count - 1
        while index > 0, entry < entries[(index - 1) / 2] {
            entries[index] = entries[(index - 1) / 2]
            index = (index - 1) / 2
        }
        entries[index] = entry
        nextDue = entries[0].due
    }

    /// - Precondition: `nextDue` is not `Int64.max`.
    mutating func pop() -> Entry {
        let first = entries[0]
        let last = entries.removeLast()
        if !entries.isEmpty {
            var index = 0
            while true {
                var child = 2 * index + 1
                guard child < entries.count else { break }
                if child + 1 < entries.count && entries[child + 1] < entries[child] { child += 1 }
                guard entries[child] < last else { break }
                entries[index] = entries[child]
                index = child
            }
            entries[index] = last
        }
        nextDue = entries.first?.due ?? .max
        return first
    }

    mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        nextDue = .max
    }
}
