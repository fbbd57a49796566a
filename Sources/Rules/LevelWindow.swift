import Telemetry

/// A sliding window in twentieths that knows how long each level lasted, in bins of 0.1 dB: for levels that are exceeded a
/// part of the time. Words of a state's extent: the newest step's number, then for each of the last twenty steps how many
/// bins it has and the bins, two a word.
///
/// A step has room for one bin a second and two more, so readings of a second or longer are exact. Where shorter ones have
/// more different levels than that, a level goes to the nearest that the step has.
@safe
struct LevelWindow {
    static let steps = 20
    /// −20.0 dB to 200.0 dB, all that a reading can have.
    static let bins = 2201

    private let base: UnsafeMutablePointer<UInt64>
    private let step: Int64

    private static func capacity(step: Int64) -> Int { Int((step + 999) / 1000) + 2 }
    private static func stride(step: Int64) -> Int { 1 + (capacity(step: step) + 1) / 2 }
    /// - Parameter step: ms, at most 1,000,000.
    static func words(step: Int64) -> Int32 { Int32(1 + steps * stride(step: step)) }

    /// - Parameter base: so many words that the caller keeps alive; fresh ones are all zero.
    init(_ base: UnsafeMutablePointer<UInt64>, step: Int64) {
        unsafe self.base = unsafe base
        self.step = step
    }

    // Step numbers are kept plus one, so that zeroed words are an empty window.
    private var newest: Int64 {
        get { unsafe Int64(bitPattern: base[0]) - 1 }
        nonmutating set { unsafe base[0] = UInt64(bitPattern: newValue + 1) }
    }

    /// Where a step's words begin: the number of its bins, then the bins.
    private func place(_ number: Int64) -> UnsafeMutablePointer<UInt64> {
        unsafe base + 1 + Int(number % Int64(LevelWindow.steps)) * LevelWindow.stride(step: step)
    }

    // A bin: its number in the upper 12 bits, ms in the lower 20.
    private func entries(_ number: Int64) -> UnsafeMutablePointer<UInt32> {
        unsafe UnsafeMutableRawPointer(place(number) + 1).assumingMemoryBound(to: UInt32.self)
    }

    private func advance(toStep number: Int64) {
        let newest = self.newest
        guard number > newest else { return }
        for next in max(newest + 1, number - Int64(LevelWindow.steps) + 1)...number { unsafe place(next)[0] = 0 }
        self.newest = number
    }

    /// Takes a level in that held from `ts` to `end`.
    func add(_ level: Double, from ts: Timestamp, to end: Timestamp) {
        let start = ts.milliseconds, stop = max(end.milliseconds, start + 1)
        let last = (stop - 1) / step
        advance(toStep: last)
        let bin = UInt32(max(0, min(Double(LevelWindow.bins - 1), (level * 10).rounded() + 200)))
        var number = max(start / step, newest - Int64(LevelWindow.steps) + 1)
        while number <= last {
            let part = min(stop, (number + 1) * step) - max(start, number * step)
            put(bin, UInt32(truncatingIfNeeded: part), number)
            number += 1
        }
    }

    private func put(_ bin: UInt32, _ milliseconds: UInt32, _ number: Int64) {
        let entries = unsafe entries(number)
        let count = unsafe Int(place(number)[0])
        var nearest = 0
        var distance = UInt32.max
        for index in 0..<count {
            let other = unsafe entries[index] >> 20
            let apart = other > bin ? other - bin : bin - other
            if apart < distance { (nearest, distance) = (index, apart) }
        }
        if distance > 0 && count < LevelWindow.capacity(step: step) {
            unsafe entries[count] = bin << 20 | min(milliseconds, 0xF_FFFF)
            unsafe place(number)[0] = UInt64(count + 1)
        } else {
            let sum = unsafe min(entries[nearest] & 0xF_FFFF + milliseconds, 0xF_FFFF)
            unsafe entries[nearest] = entries[nearest] & ~0xF_FFFF | sum
        }
    }

    /// The level exceeded `percent` of the covered time, by the nearest rank weighted by duration (L10 is loud, L90 is
    /// quiet), and the covered ms. Steps that begin before `since` are left out.
    /// - Parameter scratch: ``bins`` zeros, which it leaves as zeros.
    func level(exceeded percent: Int64, since: Timestamp, scratch: UnsafeMutablePointer<UInt32>) -> (value: Double, covered: Int64) {
        let newest = self.newest
        var number = max(newest - Int64(LevelWindow.steps) + 1, (since.milliseconds + step - 1) / step, 0)
        var covered: Int64 = 0
        var (low, high) = (LevelWindow.bins, -1)
        while number <= newest {
            let entries = unsafe entries(number)
            for index in unsafe 0..<Int(place(number)[0]) {
                let entry = unsafe entries[index]
                let bin = Int(entry >> 20)
                unsafe scratch[bin] += entry & 0xF_FFFF
                covered += Int64(entry & 0xF_FFFF)
                (low, high) = (min(low, bin), max(high, bin))
            }
            number += 1
        }
        var passed: Int64 = 0
        var found = low
        var bin = high
        while bin >= low {
            let before = passed
            passed += unsafe Int64(scratch[bin])
            unsafe scratch[bin] = 0
            if before * 100 < percent * covered && passed * 100 >= percent * covered { found = bin }
            bin -= 1
        }
        return (covered > 0 ? Double(found - 200) / 10 : 0, covered)
    }
}
