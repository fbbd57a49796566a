import Telemetry

/// A kind's vocabulary as the decoder reads it: keys as two words, everything flat.
@safe
final class KindTable {
    enum Action: UInt8 { case ts, seq, period, number, integer, bool, flags, time, officer, boot }

    struct Entry: BitwiseCopyable {
        var word0: UInt64
        var word1: UInt64
        var action: Action
        /// Value index, bit, or first bit of flags.
        var index: Int32
        var low: Double
        var high: Double
    }

    let kind: Kind
    let count: Int
    // Written once in init, freed in deinit; a bare pointer so that the hot path counts no reference.
    let entries: UnsafeMutablePointer<Entry>
    /// Bit per entry: must be there.
    let required: UInt32
    /// Bit per entry: one of them must be there; 0 asks nothing.
    let anyOf: UInt32
    let defaultPeriodMilliseconds: UInt32
    /// Names of entries, for rejects.
    let names: [String]
    let flagNames: [String]

    init(_ kind: Kind) {
        let description = kind.description
        self.kind = kind
        var list = [
            KindTable.entry("ts", .ts, 0, 0, 0), KindTable.entry("seq", .seq, 0, 0, 0),
        ]
        var names = ["ts", "seq"]
        var required: UInt32 = 1
        var flags: [String] = []
        for field in description.fields {
            if field.required { required |= 1 << UInt32(list.count) }
            names.append(field.name)
            switch field.storage {
            case .number(let index, let range, let isInteger):
                list.append(
                    KindTable.entry(
                        field.name, isInteger ? .integer : .number, index, range.lowerBound, range.upperBound))
            case .bool(let bit): list.append(KindTable.entry(field.name, .bool, bit, 0, 0))
            case .flags(let first, let known):
                flags = known
                list.append(KindTable.entry(field.name, .flags, first, 0, 0))
            case .time(let index): list.append(KindTable.entry(field.name, .time, index, 0, 0))
            case .text(.officer): list.append(KindTable.entry(field.name, .officer, 0, 0, 0))
            case .text(.boot): list.append(KindTable.entry(field.name, .boot, 0, 0, 0))
            case .period: list.append(KindTable.entry(field.name, .period, 0, 0, 0))
            }
        }
        count = list.count
        unsafe entries = .allocate(capacity: list.count)
        _ = unsafe UnsafeMutableBufferPointer(start: entries, count: list.count).initialize(from: list)
        self.required = required
        anyOf = description.needsAnyField ? (1 << UInt32(list.count)) - 4 : 0
        defaultPeriodMilliseconds = description.defaultPeriodMilliseconds
        self.names = names
        flagNames = flags
    }

    deinit { unsafe entries.deallocate() }

    private static func entry(_ name: String, _ action: Action, _ index: Int, _ low: Double, _ high: Double) -> Entry {
        precondition(name.utf8.count <= 16, "key \(name) is longer than two words")
        var words: (UInt64, UInt64) = (0, 0)
        for (position, byte) in name.utf8.enumerated() {
            if position < 8 {
                words.0 |= UInt64(byte) << UInt64(position * 8)
            } else {
                words.1 |= UInt64(byte) << UInt64((position - 8) * 8)
            }
        }
        return Entry(word0: words.0, word1: words.1, action: action, index: Int32(index), low: low, high: high)
    }

    /// The entry of a key, −1 where the kind has none. `hint` is where to look first: keys mostly come in the order of
    /// the message before.
    @inline(__always)
    func find(_ key: UnsafePointer<UInt8>, count keyCount: Int, hint: Int) -> Int {
        if keyCount == 0 || keyCount > 16 { return -1 }
        let raw = unsafe UnsafeRawPointer(key)
        var word0 = unsafe raw.loadUnaligned(as: UInt64.self)
        var word1: UInt64 = 0
        if keyCount < 8 {
            word0 &= (1 << UInt64(keyCount * 8)) - 1
        } else if keyCount > 8 {
            word1 = unsafe raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            if keyCount < 16 { word1 &= (1 << UInt64((keyCount - 8) * 8)) - 1 }
        }
        var index = hint < count ? hint : 0
        for _ in 0..<count {
            if unsafe entries[index].word0 == word0 && entries[index].word1 == word1 { return index }
            index = index + 1 == count ? 0 : index + 1
        }
        return -1
    }
}
