/// What an outlet has sent and what has been acknowledged: a pure state machine. Events go in order; the highest
/// sequence before which everything is acknowledged is what may be written down as delivered.
public struct OutletState: Sendable {
    private var inOrder: [Int64] = []
    private var first = 0
    private var open: [Int64: Bool] = [:]
    public private(set) var delivered: Int64

    public init(delivered: Int64) { self.delivered = delivered }

    public var inFlight: Int { inOrder.count - first }

    /// An event was given to the transport.
    public mutating func sent(_ sequence: Int64) {
        inOrder.append(sequence)
        open[sequence] = true
    }

    /// The other side has taken it. Returns the new high-water mark where it moved.
    public mutating func acknowledged(_ sequence: Int64) -> Int64? {
        guard open[sequence] == true else { return nil }
        open[sequence] = false
        var moved: Int64?
        while first < inOrder.count, open[inOrder[first]] == false {
            moved = inOrder[first]
            open[inOrder[first]] = nil
            first += 1
        }
        if first > 1024 {
            inOrder.removeFirst(first)
            first = 0
        }
        if let moved { delivered = moved }
        return moved
    }
}
