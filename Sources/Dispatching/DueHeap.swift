/// What is due next among many: a binary heap of moments (ms). An entry that is no longer true stays until it comes up,
/// and is then passed over by whoever asks; ``compact(_:)`` keeps their number bounded.
struct DueHeap {
    struct Entry: BitwiseCopyable {
        var due: Int64
        /// Breaks ties: the task's number, so that the order does not depend on how the heap came to be.
        var number: Int64
        var slot: Int32

        static func < (a: Entry, b: Entry) -> Bool { a.due != b.due ? a.due < b.due : a.number < b.number }
    }

    private(set) var entries: [Entry] = []

    /// `Int64.max` where nothing is due.
    var next: Int64 { entries.first?.due ?? .max }
    var count: Int { entries.count }

    /// O(log n).
    mutating func push(_ entry: Entry) {
        entries.append(entry)
        var index = entries.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard entry < entries[parent] else { break }
            entries[index] = entries[parent]
            index = parent
        }
        entries[index] = entry
    }

    /// O(log n).
    mutating func pop() -> Entry? {
        guard let first = entries.first, let last = entries.popLast() else { return nil }
        if !entries.isEmpty { sift(last, from: 0) }
        return first
    }

    private mutating func sift(_ entry: Entry, from start: Int) {
        var index = start
        while true {
            var child = 2 * index + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
            guard entries[child] < entry else { break }
            entries[index] = entries[child]
            index = child
        }
        entries[index] = entry
    }

    /// Leaves only what is true. O(n).
    mutating func compact(_ isTrue: (Entry) -> Bool) {
        entries.removeAll { !isTrue($0) }
        for index in stride(from: entries.count / 2 - 1, through: 0, by: -1) { sift(entries[index], from: index) }
    }
}
