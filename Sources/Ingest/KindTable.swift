import Telemetry

/// A kind's vocabulary as the decoder reads it: keys as two words, everything flat.
@safe
final class KindTable {
    /// What the decoder needs of a table, as bare values: copied without counting a reference. Valid while the table is.
    @safe
    struct Plan: BitwiseCopyable {
        let entries: UnsafeMutablePointer<Entry>
        let count: Int
        let flags: UnsafeMutablePointer<Entry>
        let flagCount: Int
        /// Which entry came behind each in the last message; the one at `count` came first.
        let next: UnsafeMutablePointer<UInt8>
        let required: UInt32
        let anyOf: UInt32
        let defaultPeriodMilliseconds: UInt32
    }

    enum Action: UInt8 { case ts, seq, period, number, integer, bool, flags, time, officer, boot }

    struct Entry: BitwiseCopyable {
        var word0: UInt64
        var word1: UInt64
        /// Which bytes of the words are the key's.
        var mask0: UInt64
        var mask1: UInt64
        var bytes: Int
        var action: Action
        /// Value index, bit, or first bit of flags.
        var index: Int32
        var low: Double
        var high: Double
    }

    var plan: Plan {
        unsafe Plan(
            entries: entries, count: count, flags: flags, flagCount: flagCount, next: next, required: required,
            anyOf: anyOf, defaultPeriodMilliseconds: defaultPeriodMilliseconds)
    }

    private let count: Int
    private let next: UnsafeMutablePointer<UInt8>
    // Written once in init, freed in deinit; a bare pointer so that the hot path counts no reference.
    private let entries: UnsafeMutablePointer<Entry>
    /// Bit per entry: must be there.
    let required: UInt32
    /// Bit per entry: one of them must be there; 0 asks nothing.
    let anyOf: UInt32
    let defaultPeriodMilliseconds: UInt32
    /// Names of entries, for rejects.
    let names: [String]
    /// Names of flags, found as keys are; `index` is the bit.
    let flags: UnsafeMutablePointer<Entry>
    let flagCount: Int

    init(_ kind: Kind) {
        let description = kind.description
        var list = [
            KindTable.entry("ts", .ts, 0, 0, 0), KindTable.entry("seq", .seq, 0, 0, 0),
        ]
        var names = ["ts", "seq"]
        var required: UInt32 = 1
        var flagList: [Entry] = []
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
                flagList = known.enumerated().map { KindTable.entry($1, .bool, first + $0, 0, 0) }
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
        unsafe next = .allocate(capacity: list.count + 1)
        for index in 0..<list.count { unsafe next[index] = UInt8(index + 1 == list.count ? 0 : index + 1) }
        unsafe next[list.count] = 0
        self.required = required
        anyOf = description.needsAnyField ? (1 << UInt32(list.count)) - 4 : 0
        defaultPeriodMilliseconds = description.defaultPeriodMilliseconds
        self.names = names
        flagCount = flagList.count
        unsafe flags = .allocate(capacity: max(1, flagList.count))
        _ = unsafe UnsafeMutableBufferPointer(start: flags, count: flagList.count).initialize(from: flagList)
    }

    deinit {
        unsafe entries.deallocate()
        unsafe flags.deallocate()
        unsafe next.deallocate()
    }

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
        let bytes = name.utf8.count
        return Entry(
            word0: words.0, word1: words.1, mask0: bytes >= 8 ? .max : (1 << UInt64(bytes * 8)) - 1,
            mask1: bytes <= 8 ? 0 : bytes >= 16 ? .max : (1 << UInt64((bytes - 8) * 8)) - 1, bytes: bytes, action: action, index: Int32(index), low: low, high: high)
    }
}

extension KindTable.Plan {
    /// Whether the key at `key`, behind its opening quote, is that of the entry `predicted`.
    @inline(__always)
    func isPredicted(_ key: UnsafePointer<UInt8>, _ predicted: Int) -> Bool {
        let raw = unsafe UnsafeRawPointer(key)
        let entry = unsafe entries + predicted
        return unsafe raw.loadUnaligned(as: UInt64.self) & entry.pointee.mask0 == entry.pointee.word0
            && raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self) & entry.pointee.mask1 == entry.pointee.word1
            && key[entry.pointee.bytes] == 0x22
    }

    /// The entry of a key, −1 where the kind has none. `hint` is where to look first.
    @inline(__always)
    func find(_ key: UnsafePointer<UInt8>, count keyCount: Int, hint: Int) -> Int {
        unsafe KindTable.Plan.find(key, keyCount, in: entries, count, hint: hint)
    }

    /// The bit of a flag's name, −1 where it is none.
    func flagBit(_ name: UnsafePointer<UInt8>, count nameCount: Int) -> Int {
        let index = unsafe KindTable.Plan.find(name, nameCount, in: flags, flagCount, hint: 0)
        return unsafe index < 0 ? -1 : Int(flags[index].index)
    }

    /// Reads up to 16 bytes from `key` on, whatever its length.
    @inline(__always)
    private static func find(
        _ key: UnsafePointer<UInt8>, _ keyCount: Int, in entries: UnsafeMutablePointer<KindTable.Entry>, _ count: Int, hint: Int
    ) -> Int {
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
