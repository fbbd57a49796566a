public import Store

/// A place in the stream as consumers keep it: the id of the last event they have, `EPOCH-SEQUENCE`.
public struct StreamPosition: Sendable, Equatable, CustomStringConvertible {
    /// Nil where a consumer named a bare sequence number: then no restored backup can be noticed.
    public var epoch: String?
    public var sequence: Int64

    public init(epoch: String?, sequence: Int64) {
        self.epoch = epoch
        self.sequence = sequence
    }

    /// `5f0c11d2-417` or `417`; nil where the text is no position.
    public init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let last = parts.last, !last.isEmpty, last.allSatisfy({ $0.isASCII && $0.isNumber }),
            let number = Int64(last)
        else { return nil }
        if parts.count == 2 {
            guard (1...32).contains(parts[0].utf8.count), parts[0].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) })
            else { return nil }
            epoch = String(parts[0])
        }
        sequence = number
    }

    public var description: String { epoch.map { "\($0)-\(sequence)" } ?? "\(sequence)" }
}

/// Why a consumer's position does not hold any more, and where it goes on.
public struct StreamReset: Sendable, Equatable {
    /// The position that it named.
    public var from: StreamPosition
    /// What is sent next lies behind this.
    public var after: StreamPosition
    public var reason: String

    public var json: String {
        """
        {"from":\(JSONObject.quoted(from.description)),"after":\(JSONObject.quoted(after.description)),\
        "reason":\(JSONObject.quoted(reason))}
        """
    }
}

/// The epochs of a store, oldest first. Pure.
public struct Epochs: Sendable, Equatable {
    public let marks: [EpochMark]

    public init(_ marks: [EpochMark]) { self.marks = marks.isEmpty ? [EpochMark(firstSequence: 1, epoch: "0")] : marks }

    public var current: String { marks[marks.count - 1].epoch }

    public func epoch(of sequence: Int64) -> String {
        for mark in marks.reversed() where sequence >= mark.firstSequence { return mark.epoch }
        return marks[0].epoch
    }

    public func position(_ sequence: Int64) -> StreamPosition { StreamPosition(epoch: epoch(of: sequence), sequence: sequence) }

    /// Whether the events that a consumer says it has are this stream's; else from where it has to go on.
    /// - Parameter last: the newest event's number.
    public func judge(_ position: StreamPosition, last: Int64) -> StreamReset? {
        let number = position.sequence
        guard let epoch = position.epoch else {
            guard number > last else { return nil }
            return reset(position, after: last, "the stream ends at \(last): this store is older than what you have")
        }
        guard let index = marks.lastIndex(where: { $0.epoch == epoch }) else {
            if number == 0 { return nil }
            return reset(position, after: 0, "epoch \(epoch) is not of this store: begin again with the oldest event kept")
        }
        let end = index + 1 < marks.count ? marks[index + 1].firstSequence - 1 : last
        guard number > end else { return nil }
        return reset(
            position, after: end,
            "a backup was restored: events \(end + 1) to \(number) of epoch \(epoch) are lost, the stream goes on behind \(end)")
    }

    private func reset(_ from: StreamPosition, after sequence: Int64, _ reason: String) -> StreamReset {
        StreamReset(from: from, after: self.position(sequence), reason: reason)
    }
}
