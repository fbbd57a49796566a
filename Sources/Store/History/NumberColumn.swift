/// One column of a block: numbers that follow each other, as differences from what was to be expected.
///
/// A difference is written by a Rice code whose parameter follows the mean of those before it (as in JPEG-LS, ITU-T T.87
/// A.5), so that writer and reader know it alike. What such a code would make long begins with ``escapeOnes`` ones and says
/// in two bits what it is. The first value is written as it is, a real one behind its decimals. Arithmetic wraps: any number
/// comes back.
struct NumberColumn {
    /// How the next value is foreseen.
    enum Order: UInt8 {
        /// As the one before.
        case same
        /// As far from it as that was from the one before.
        case steady
    }

    private static let escapeOnes = 12
    private enum Escape: UInt64 { case large, finer, exact }

    private let order: Order
    private let format: BlockFormat
    private var last: Int64 = 0
    private var lastStep: Int64 = 0
    /// Of the differences so far, halved now and then.
    private var sum: UInt64 = 4
    private var count: UInt64 = 1
    /// Whole numbers: index of the unit in ``units``. Reals: decimals.
    private var scale = 0
    /// Whole numbers: the first, from which all are counted. Reals: set once there was one.
    private var base: Int64?

    /// Milliseconds mostly come in whole minutes or seconds.
    private static let units: [Int64] = [60_000, 1000, 1]
    private static let powers: [Double] = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]
    /// In the place of a first real's decimals: it is written bit by bit.
    private static let noDecimals: UInt64 = 15

    init(_ order: Order, _ format: BlockFormat = .newest) {
        self.order = order
        self.format = format
    }

    // MARK: Whole numbers

    mutating func write(_ value: Int64, _ bits: inout BitWriter) {
        guard let base else {
            self.base = value
            return bits.putNumber(NumberColumn.folded(value))
        }
        let offset = value &- base
        while offset % NumberColumn.units[scale] != 0 {
            escape(.finer, &bits)
            let before = NumberColumn.units[scale]
            scale += 1
            rescale(before / NumberColumn.units[scale])
        }
        write(step: offset / NumberColumn.units[scale], &bits)
    }

    mutating func read(_ bits: inout BitReader) throws(HistoryDamage) -> Int64 {
        guard let base else {
            let value = format == .first ? Int64(bitPattern: try bits.takeWhole()) : NumberColumn.unfolded(try bits.takeNumber())
            self.base = value
            return value
        }
        while true {
            switch try readStep(&bits) {
            case .step(let whole): return base &+ whole &* NumberColumn.units[scale]
            case .finer:
                guard scale + 1 < NumberColumn.units.count else { throw HistoryDamage() }
                let before = NumberColumn.units[scale]
                scale += 1
                rescale(before / NumberColumn.units[scale])
            case .exact: throw HistoryDamage()
            }
        }
    }

    // MARK: Reals

    /// Exact to the last bit: as decimals where those give the same `Double` back.
    mutating func write(_ value: Double, _ bits: inout BitWriter) {
        for decimals in scale..<NumberColumn.powers.count {
            let whole = (value * NumberColumn.powers[decimals]).rounded()
            // As it will be read: a whole number has no negative zero.
            guard abs(whole) < 9e15, (Double(Int64(whole)) / NumberColumn.powers[decimals]).bitPattern == value.bitPattern else { continue }
            if base == nil {
                bits.put(UInt64(decimals), 4)
                bits.putNumber(NumberColumn.folded(Int64(whole)))
                return begin(with: Int64(whole), decimals: decimals)
            }
            while scale < decimals {
                escape(.finer, &bits)
                scale += 1
                rescale(10)
            }
            return write(step: Int64(whole), &bits)
        }
        if base == nil { bits.put(NumberColumn.noDecimals, 4) } else { escape(.exact, &bits) }
        if Double(Float(value)).bitPattern == value.bitPattern {
            bits.put(1, 1)
            bits.put(UInt64(Float(value).bitPattern), 32)
        } else {
            bits.put(0, 1)
            bits.putWhole(value.bitPattern)
        }
    }

    mutating func readReal(_ bits: inout BitReader) throws(HistoryDamage) -> Double {
        if base == nil && format != .first {
            let decimals = try bits.take(4)
            if decimals == NumberColumn.noDecimals { return try readExact(&bits) }
            guard decimals < UInt64(NumberColumn.powers.count) else { throw HistoryDamage() }
            let whole = NumberColumn.unfolded(try bits.takeNumber())
            begin(with: whole, decimals: Int(decimals))
            return Double(whole) / NumberColumn.powers[scale]
        }
        while true {
            switch try readStep(&bits) {
            case .step(let whole): return Double(whole) / NumberColumn.powers[scale]
            case .finer:
                guard scale + 1 < NumberColumn.powers.count else { throw HistoryDamage() }
                scale += 1
                rescale(10)
            case .exact: return try readExact(&bits)
            }
        }
    }

    private func readExact(_ bits: inout BitReader) throws(HistoryDamage) -> Double {
        if try bits.take(1) == 1 { return Double(Float(bitPattern: UInt32(truncatingIfNeeded: try bits.take(32)))) }
        return Double(bitPattern: try bits.takeWhole())
    }

    private mutating func begin(with whole: Int64, decimals: Int) {
        base = whole
        last = whole
        scale = decimals
    }

    private mutating func rescale(_ factor: Int64) {
        last = last &* factor
        lastStep = lastStep &* factor
        if format == .first {
            sum = min(sum &* UInt64(factor), 1 << 40)
        } else {
            // What was learnt in the larger unit says little of the smaller one.
            (sum, count) = (4, 1)
        }
    }

    // MARK: Differences

    private enum Step { case step(Int64), finer, exact }

    /// The parameter of the code: the bits of the mean.
    @inline(__always)
    private var parameter: Int {
        // The least at which `count << bits >= sum`.
        let bits = max(0, count.leadingZeroBitCount - sum.leadingZeroBitCount)
        return min(32, count &<< UInt64(bits) < sum ? bits + 1 : bits)
    }

    @inline(__always)
    private var expected: Int64 { order == .steady ? last &+ lastStep : last }

    @inline(__always)
    private mutating func learn(_ value: Int64, _ coded: UInt64, _ bits: Int) {
        lastStep = value &- last
        last = value
        // One that is far off does not spoil the code of those behind it; but of the first few nothing is known.
        let isNew = count < 4 && format != .first
        sum += min(coded, isNew ? 1 << 40 : UInt64(2 * NumberColumn.escapeOnes) << UInt64(bits))
        count += 1
        if count == 32 {
            sum >>= 1
            count >>= 1
        }
    }

    private mutating func write(step value: Int64, _ bits: inout BitWriter) {
        let difference = value &- expected
        let coded = NumberColumn.folded(difference)
        let parameter = parameter
        let ones = coded >> UInt64(parameter)
        if ones < UInt64(NumberColumn.escapeOnes) {
            bits.put(((1 << ones) - 1) << 1, Int(ones) + 1)
            bits.put(coded, parameter)
        } else {
            escape(.large, &bits)
            bits.putNumber(coded)
        }
        learn(value, coded, parameter)
    }

    private mutating func readStep(_ bits: inout BitReader) throws(HistoryDamage) -> Step {
        let parameter = parameter
        let ones = try bits.takeOnes(limit: NumberColumn.escapeOnes)
        let coded: UInt64
        if ones < NumberColumn.escapeOnes {
            coded = UInt64(ones) << UInt64(parameter) | (try bits.take(parameter))
        } else {
            switch Escape(rawValue: try bits.take(2)) {
            case .large: coded = try bits.takeNumber()
            case .finer: return .finer
            case .exact: return .exact
            case nil: throw HistoryDamage()
            }
        }
        let value = expected &+ NumberColumn.unfolded(coded)
        learn(value, coded, parameter)
        return .step(value)
    }

    /// Small numbers of either sign as small ones without.
    @inline(__always)
    private static func folded(_ value: Int64) -> UInt64 { UInt64(bitPattern: value << 1 ^ value >> 63) }

    @inline(__always)
    private static func unfolded(_ value: UInt64) -> Int64 { Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1) }

    private func escape(_ what: Escape, _ bits: inout BitWriter) {
        bits.put((1 << UInt64(NumberColumn.escapeOnes)) - 1, NumberColumn.escapeOnes)
        bits.put(what.rawValue, 2)
    }
}
