import Telemetry

/// A set of moments as disjoint spans in ascending order, with room between any two.
struct TimeSpans: Sendable, Equatable {
    struct Span: Sendable, Equatable {
        var start: Timestamp
        var end: Timestamp
    }

    private(set) var spans: [Span] = []

    var isEmpty: Bool { spans.isEmpty }
    var milliseconds: Int64 { spans.reduce(0) { $0 + ($1.end - $1.start) } }

    /// Adds `start..<end`; returns what was not in the set before.
    @discardableResult
    mutating func insert(_ start: Timestamp, _ end: Timestamp) -> TimeSpans {
        guard start < end else { return TimeSpans() }
        var gained = TimeSpans()
        var merged = Span(start: start, end: end)
        var kept: [Span] = []
        var position = start
        for span in spans {
            if span.end < start || span.start > end {
                kept.append(span)
                continue
            }
            if span.start > position { gained.spans.append(Span(start: position, end: min(span.start, end))) }
            position = max(position, span.end)
            merged.start = min(merged.start, span.start)
            merged.end = max(merged.end, span.end)
        }
        if position < end { gained.spans.append(Span(start: position, end: end)) }
        kept.insert(merged, at: kept.firstIndex { $0.start > merged.start } ?? kept.count)
        spans = kept
        return gained
    }

    /// How much of this set lies in the other one too.
    func overlap(with other: TimeSpans) -> Int64 {
        var sum: Int64 = 0
        var first = 0
        var second = 0
        while first < spans.count, second < other.spans.count {
            let start = max(spans[first].start, other.spans[second].start)
            let end = min(spans[first].end, other.spans[second].end)
            if end > start { sum += end - start }
            if spans[first].end < other.spans[second].end { first += 1 } else { second += 1 }
        }
        return sum
    }
}
