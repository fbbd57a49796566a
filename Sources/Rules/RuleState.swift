import Telemetry

/// What one rule remembers of one device: flat, of fixed size, with as many words beside it as the rule's windows need.
struct RuleState: BitwiseCopyable {
    enum Phase: UInt8, BitwiseCopyable { case inactive, pending, firing }

    /// Index of the rule; -1 where the slot is free.
    var rule: Int32
    var device: UInt32
    /// Where its words begin, -1 where it has none. Of a free slot: the next free one.
    var extent: Int32
    var phase = Phase.inactive
    /// Of the alert: index into `RuleDefinition.Severity.allCases`.
    var severity: UInt8 = 0
    /// Stands in the list of alerts whose row must be written.
    var isDirty = false
    /// Counts toward its group.
    var isMember = false
    // Truth of the leaves, a bit each: whether anything is known, whether it holds, whether it has cleared.
    var known: UInt16 = 0
    var over: UInt16 = 0
    var cleared: UInt16 = 0
    /// Leaves of kind `count`: whether the counted condition held last.
    var held: UInt16 = 0
    var startedAt = Timestamp.distantPast
    var firedAt = Timestamp.distantPast
    /// Since when a firing alert's condition has ended, `distantPast` where it holds.
    var clearSince = Timestamp.distantPast
    /// No new alert before.
    var coolUntil = Timestamp.distantPast
    /// The engine's clock at the newest reading.
    var heard = Timestamp.distantPast
    /// The engine's clock at the newest change.
    var clock = Timestamp.distantPast
    /// Start of the row in the store, `distantPast` where there is none.
    var storedStart = Timestamp.distantPast
    /// The rule goes to sleep, `Int64.max` where it does not.
    var sleepAt = Int64.max
    /// When time alone changes something, and for when a timer stands in the heap.
    var due = Int64.max
    var queued = Int64.max
    /// The most extreme value since `startedAt`.
    var value = 0.0
    /// The bound that the value was held against.
    var bound = 0.0
    /// Share of the window that is covered.
    var coverage: Float = 1
    /// Period of the newest reading, in ms.
    var period: UInt32 = 0
    /// Length of its extent.
    var wordCount: Int32 = 0
}

/// States by slot, in pieces that never move.
@safe
final class StatePool {
    private static let shift = 12
    private static let pieceSize = 1 << shift
    // Allocated piece by piece, freed in deinit; slots below `count` are initialised.
    private var pieces: UnsafeMutablePointer<UnsafeMutablePointer<RuleState>>
    private var pieceCount = 0
    private var pieceCapacity = 64
    private(set) var count: Int32 = 0
    private var free: Int32 = -1

    init() { unsafe pieces = .allocate(capacity: 64) }

    deinit {
        for piece in 0..<pieceCount { unsafe pieces[piece].deallocate() }
        unsafe pieces.deallocate()
    }

    subscript(slot: Int32) -> RuleState {
        @inline(__always) _read {
            yield unsafe pieces[Int(slot) >> StatePool.shift][Int(slot) & (StatePool.pieceSize - 1)]
        }
        @inline(__always) _modify {
            yield unsafe &pieces[Int(slot) >> StatePool.shift][Int(slot) & (StatePool.pieceSize - 1)]
        }
    }

    func insert(_ state: RuleState) -> Int32 {
        if free >= 0 {
            let slot = free
            free = self[slot].extent
            self[slot] = state
            return slot
        }
        let slot = count
        if Int(slot) == pieceCount << StatePool.shift {
            if pieceCount == pieceCapacity {
                let larger = UnsafeMutablePointer<UnsafeMutablePointer<RuleState>>.allocate(capacity: pieceCapacity * 2)
                unsafe larger.update(from: pieces, count: pieceCount)
                unsafe pieces.deallocate()
                unsafe pieces = larger
                pieceCapacity *= 2
            }
            unsafe pieces[pieceCount] = .allocate(capacity: StatePool.pieceSize)
            pieceCount += 1
        }
        count += 1
        unsafe (pieces[Int(slot) >> StatePool.shift] + Int(slot) & (StatePool.pieceSize - 1)).initialize(to: state)
        return slot
    }

    func remove(_ slot: Int32) {
        self[slot].rule = -1
        self[slot].extent = free
        free = slot
    }
}

/// Runs of words by offset, in pieces that never move; runs of one length are used again.
@safe
final class WordPool {
    private static let shift = 16
    private static let pieceSize = 1 << shift
    static let longestRun = 4096
    private var pieces: UnsafeMutablePointer<UnsafeMutablePointer<UInt64>>
    private var pieceCount = 0
    private var pieceCapacity = 64
    private var next = 0
    private var free = [Int32](repeating: -1, count: longestRun + 1)

    init() { unsafe pieces = .allocate(capacity: 64) }

    deinit {
        for piece in 0..<pieceCount { unsafe pieces[piece].deallocate() }
        unsafe pieces.deallocate()
    }

    /// The words from `offset` on; they stay where they are.
    @inline(__always)
    func words(_ offset: Int32) -> UnsafeMutablePointer<UInt64> {
        unsafe pieces[Int(offset) >> WordPool.shift] + Int(offset) & (WordPool.pieceSize - 1)
    }

    /// A run of words, all zero. Amortised O(length).
    func insert(_ length: Int) -> Int32 {
        precondition(length > 0 && length <= WordPool.longestRun)
        let offset: Int32
        if free[length] >= 0 {
            offset = free[length]
            free[length] = unsafe Int32(truncatingIfNeeded: Int64(bitPattern: words(offset)[0]))
        } else {
            if next + length > pieceCount << WordPool.shift {
                next = pieceCount << WordPool.shift
                if pieceCount == pieceCapacity {
                    let larger = UnsafeMutablePointer<UnsafeMutablePointer<UInt64>>.allocate(capacity: pieceCapacity * 2)
                    unsafe larger.update(from: pieces, count: pieceCount)
                    unsafe pieces.deallocate()
                    unsafe pieces = larger
                    pieceCapacity *= 2
                }
                unsafe pieces[pieceCount] = .allocate(capacity: WordPool.pieceSize)
                pieceCount += 1
            }
            offset = Int32(next)
            next += length
        }
        unsafe words(offset).initialize(repeating: 0, count: length)
        return offset
    }

    func remove(_ offset: Int32, _ length: Int) {
        unsafe words(offset)[0] = UInt64(bitPattern: Int64(free[length]))
        free[length] = offset
    }
}
