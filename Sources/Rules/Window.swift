import Telemetry

/// A sliding window in twentieths ("steps"), as words of a state's extent: the newest step's number, then for each of
/// the last twenty steps an amount (energy × ms, value × ms, the largest or smallest value, or how often), then the
/// covered ms of each; last, what all but the newest step hold together: from which step on, the amount, the covered ms.
///
/// A window at a moment is the step that holds the moment and the nineteen before it. A reading that lasts over several
/// steps is shared among them by duration. Memory is fixed, whatever arrives; what is older than the window is let go.
@safe
struct Window {
    static let steps = 20
    private static let cache = 1 + steps + steps / 2
    static let words = Int32(cache + 3)

    private let base: UnsafeMutablePointer<UInt64>
    private let step: Int64

    /// - Parameter base: `Window.words` words that the caller keeps alive; fresh ones are all zero.
    init(_ base: UnsafeMutablePointer<UInt64>, step: Int64) {
        unsafe self.base = unsafe base
        self.step = step
    }

    // Step numbers are kept plus one, so that zeroed words are an empty window.
    private var newest: Int64 {
        get { unsafe Int64(bitPattern: base[0]) - 1 }
        nonmutating set { unsafe base[0] = UInt64(bitPattern: newValue + 1) }
    }

    private static func slot(_ number: Int64) -> Int { Int(number % Int64(steps)) }
    private static func slot(after slot: Int) -> Int { slot == steps - 1 ? 0 : slot + 1 }

    private func amount(_ slot: Int) -> Double { unsafe Double(bitPattern: base[1 + slot]) }
    private func set(_ slot: Int, amount: Double) { unsafe base[1 + slot] = amount.bitPattern }

    private func covered(_ slot: Int) -> Int64 {
        Int64(truncatingIfNeeded: unsafe base[1 + Window.steps + slot / 2] >> UInt64(slot & 1 * 32) & 0xFFFF_FFFF)
    }

    private func add(_ slot: Int, covered milliseconds: Int64) {
        let sum = UInt64(min(covered(slot) + milliseconds, 0xFFFF_FFFF))
        let shift = UInt64(slot & 1 * 32)
        let word = 1 + Window.steps + slot / 2
        unsafe base[word] = base[word] & ~(0xFFFF_FFFF << shift) | sum << shift
    }

    private func clear(_ slot: Int) {
        set(slot, amount: 0)
        let word = 1 + Window.steps + slot / 2
        unsafe base[word] &= ~(0xFFFF_FFFF << UInt64(slot & 1 * 32))
    }

    /// Moves on to the step that holds `moment`, where that is later.
    private func advance(toStep number: Int64) {
        let newest = self.newest
        guard number > newest else { return }
        forget()
        if number - newest >= Int64(Window.steps) {
            for slot in 0..<Window.steps { clear(slot) }
        } else {
            var slot = Window.slot(newest + 1)
            for _ in newest..<number {
                clear(slot)
                slot = Window.slot(after: slot)
            }
        }
        self.newest = number
    }

    /// Takes a value in that held from `ts` to `end`.
    func add(_ value: Double, from ts: Timestamp, to end: Timestamp, fold: CompiledLeaf.Fold) {
        let start = ts.milliseconds, stop = max(end.milliseconds, start + 1)
        let last = (stop - 1) / step
        advance(toStep: last)
        var number = max(start / step, newest - Int64(Window.steps) + 1)
        var slot = Window.slot(number)
        while number <= last {
            let from = max(start, number * step)
            let part = min(stop, (number + 1) * step) - from
            if number < last || last < newest { forget() }
            switch fold {
            case .leq: set(slot, amount: amount(slot) + value * Double(part))
            case .mean: set(slot, amount: amount(slot) + value * Double(part))
            case .max: set(slot, amount: covered(slot) == 0 ? value : max(amount(slot), value))
            case .min: set(slot, amount: covered(slot) == 0 ? value : min(amount(slot), value))
            case .percentile: preconditionFailure("percentiles have a window of their own")
            }
            add(slot, covered: part)
            number += 1
            slot = Window.slot(after: slot)
        }
    }

    /// Counts one event at a moment.
    func count(at moment: Timestamp) {
        let number = moment.milliseconds / step
        advance(toStep: number)
        guard number > newest - Int64(Window.steps) else { return }
        let slot = Window.slot(number)
        set(slot, amount: amount(slot) + 1)
    }

    /// What the window holds now: the folded value (energy still as energy) and the covered ms. Steps that begin before
    /// `since` are left out.
    func fold(_ fold: CompiledLeaf.Fold, since: Timestamp) -> (value: Double, covered: Int64) {
        let newest = self.newest
        let first = max(newest - Int64(Window.steps) + 1, (since.milliseconds + step - 1) / step, 0)
        var total = 0.0
        var covered: Int64 = 0
        var number = first
        if (fold == .leq || fold == .mean) && newest > first {
            (total, covered) = older(first, newest)
            number = newest
        }
        var slot = Window.slot(number)
        while number <= newest {
            let milliseconds = self.covered(slot)
            if milliseconds > 0 {
                switch fold {
                case .leq, .mean: total += amount(slot)
                case .max: total = covered == 0 ? amount(slot) : max(total, amount(slot))
                case .min: total = covered == 0 ? amount(slot) : min(total, amount(slot))
                case .percentile: break
                }
                covered += milliseconds
            }
            number += 1
            slot = Window.slot(after: slot)
        }
        if fold == .leq || fold == .mean { total = covered > 0 ? total / Double(covered) : 0 }
        return (total, covered)
    }

    /// The sum of the steps from `first` up to the newest, without it; kept until one of them changes.
    @inline(__always)
    private func older(_ first: Int64, _ newest: Int64) -> (amount: Double, covered: Int64) {
        if unsafe base[Window.cache] == UInt64(first + 1) {
            return unsafe (Double(bitPattern: base[Window.cache + 1]), Int64(bitPattern: base[Window.cache + 2]))
        }
        return sum(first, newest)
    }

    @inline(never)
    private func sum(_ first: Int64, _ newest: Int64) -> (amount: Double, covered: Int64) {
        var total = 0.0
        var covered: Int64 = 0
        var slot = Window.slot(first)
        for _ in first..<newest {
            // A step that nothing covers holds zeros.
            total += amount(slot)
            covered += self.covered(slot)
            slot = Window.slot(after: slot)
        }
        unsafe base[Window.cache] = UInt64(first + 1)
        unsafe base[Window.cache + 1] = total.bitPattern
        unsafe base[Window.cache + 2] = UInt64(bitPattern: covered)
        return (total, covered)
    }

    private func forget() { unsafe base[Window.cache] = 0 }

    /// Events counted in the window that ends with the step of `moment`.
    func total(at moment: Timestamp, since: Timestamp) -> Double {
        advance(toStep: moment.milliseconds / step)
        let newest = self.newest
        var number = max(newest - Int64(Window.steps) + 1, (since.milliseconds + step - 1) / step, 0)
        var total = 0.0
        while number <= newest {
            total += amount(Window.slot(number))
            number += 1
        }
        return total
    }
}
