public import Telemetry

/// The hot path. Nothing here allocates, locks or counts references in steady state.
extension AlertEngine {
    /// Judges one reading by all rules of its device, in their order; first every timer that is due by now fires.
    /// - Parameters:
    ///   - text: its texts (`officer`, then `boot`), nil where it has none.
    ///   - before: the device's newest judged reading before this one.
    ///   - clock: the engine's.
    @inline(__always)
    public func evaluate(
        _ reading: borrowing Reading, text: UnsafePointer<UInt8>?, before: Evaluated, clock: Timestamp
    ) {
        if clock > now {
            now = clock
            if heap.nextDue <= clock.milliseconds { fireTimers() }
        }
        eventClock = now
        let entry = unsafe entries[Int(reading.device)]
        let ts = reading.ts
        let list = list(of: entry)
        // Mostly no plain rule has a state, and none begins.
        let isQuiet = entry.plainStates > 0 ? false : !passesGate(reading, list)
        for number in 0..<Int(isQuiet ? list.ungated : list.count) {
            let place = isQuiet ? Int(rule(at: Int(list.count) + number, list)) : number
            // Looked at where it lies: most rules are passed by.
            let passing = unsafe ruleTable + Int(rule(at: place, list))
            if unsafe passing.pointee.isSuspended { continue }
            if unsafe passing.pointee.isPlain {
                let rule = unsafe passing.pointee
                let leaf = unsafe leafTable[Int(rule.firstLeaf)]
                guard let value = AlertEngine.plainValue(leaf, reading) else { continue }
                let slot = slot(at: place, entry)
                if slot < 0 && !leaf.isOver(value, leaf.level) { continue }
                judgePlain(reading, value: value, rule: rule, leaf: leaf, place: place, slot: slot, before: before)
            } else {
                if unsafe passing.pointee.hasSchedule && !passing.pointee.watchesSilence {
                    let wake = unsafe wakes + Int(passing.pointee.index)
                    // Most rules sleep most of the time.
                    if unsafe !wake.pointee.isActive && wake.pointee.from <= ts && ts < wake.pointee.until { continue }
                }
                if unsafe passing.pointee.isBareSilence {
                    let slot = slot(at: place, entry)
                    if slot >= 0 && states[slot].phase == .inactive && states[slot].over == 0 {
                        unsafe hearAgain(slot, passing.pointee, reading)
                        continue
                    }
                }
                unsafe judge(reading, text: text, rule: passing.pointee, entry: entry, place: place, before: before)
            }
        }
        if !contested.isEmpty && ts >= before.ts { contested.remove(reading.device) }
    }

    /// Another gateway has brought the id of the device, which was refused: metric `second_gateway` of its next reading.
    /// False where nobody asks, or it is known.
    public func contest(_ device: UInt32) -> Bool { watchesGateways && contested.insert(device).inserted }

    @inline(__always)
    private func passesGate(_ reading: borrowing Reading, _ list: RuleList) -> Bool {
        for gate in Int(list.gateStart)..<Int(list.gateStart + list.gateCount) {
            if unsafe gates[gate].isPassed(by: reading) { return true }
        }
        return false
    }

    @inline(__always)
    static func plainValue(_ leaf: CompiledLeaf, _ reading: borrowing Reading) -> Double? {
        if leaf.source == .bit { return reading.bit(Int(leaf.index)).map { $0 ? 1 : 0 } }
        return reading.value(Int(leaf.index))
    }

    @inline(never)
    private func judgePlain(
        _ reading: borrowing Reading, value: Double, rule: CompiledRule, leaf: CompiledLeaf, place: Int, slot known: Int32,
        before: Evaluated
    ) {
        var slot = known
        let isLate = reading.ts < before.ts
        let isFlagged = reading.bits & rule.flagMask != 0
        if slot < 0 {
            if isFlagged || isLate { return }
            slot = insert(rule, at: place, reading.device)
        }
        markChanged(reading.device)
        states[slot].heard = now
        if isFlagged {
            if states[slot].phase == .pending { vanish(slot) }
        } else {
            let holds = leaf.isOver(value, leaf.level)
            if isLate {
                late(slot, holds: holds, ts: reading.ts, newest: before.ts)
            } else {
                states[slot].bound = leaf.level
                step(
                    slot, rule: rule, holds: states[slot].phase == .firing ? !leaf.isClear(value, leaf.level) : holds,
                    hasEnded: leaf.isClear(value, leaf.level), value: value, ts: reading.ts, end: reading.end,
                    gap: reading.ts - before.end > max(2 * Int64(reading.periodMilliseconds), 10_000))
            }
        }
        settle(slot, rule)
    }

    /// Any other rule.
    @inline(never)
    private func judge(
        _ reading: borrowing Reading, text: UnsafePointer<UInt8>?, rule: CompiledRule, entry: Entry, place: Int,
        before: Evaluated
    ) {
        var slot = slot(at: place, entry)
        let awake = awake(rule, entry, at: reading.ts)
        if !awake.isActive {
            guard rule.watchesSilence else { return }
            // It is heard of in its sleep.
            if slot < 0 { slot = insert(rule, at: place, reading.device) }
            hear(slot, rule, reading)
            return settle(slot, rule)
        }
        if slot < 0 { slot = insert(rule, at: place, reading.device) }
        markChanged(reading.device)
        states[slot].sleepAt = awake.ends < .distantFuture ? awake.ends.milliseconds : .max
        if reading.bits & rule.flagMask != 0 {
            hear(slot, rule, reading)
            if states[slot].phase == .pending { vanish(slot) }
            return settle(slot, rule)
        }
        let ts = reading.ts
        let isLate = ts < before.ts
        hear(slot, rule, reading)
        let seen = unsafe look(
            slot, rule: rule, reading: reading, text: text, entry: entry, since: awake.since, isLate: isLate)
        if seen.isTouched || rule.watchesSilence {
            let truth = truth(of: slot, rule)
            if isLate {
                if seen.breaks && states[slot].phase == .pending && ts >= states[slot].startedAt {
                    restart(slot, at: before.ts)
                }
                if seen.entered {
                    step(
                        slot, rule: rule, holds: truth.holds, hasEnded: truth.hasEnded, value: seen.value, ts: before.ts,
                        end: before.end, gap: false)
                }
            } else {
                step(
                    slot, rule: rule, holds: truth.holds, hasEnded: truth.hasEnded, value: seen.value, ts: reading.ts,
                    end: reading.end, gap: reading.ts - before.end > max(2 * Int64(reading.periodMilliseconds), 10_000))
            }
        }
        settle(slot, rule)
    }

    /// The device is heard of as before: only the moment at which it will have been silent for too long moves on.
    @inline(__always)
    private func hearAgain(_ slot: Int32, _ rule: CompiledRule, _ reading: borrowing Reading) {
        markChanged(reading.device)
        states[slot].heard = now
        states[slot].period = reading.periodMilliseconds
        let due = unsafe (now + silence(leafTable[Int(rule.firstLeaf)], slot)).milliseconds
        states[slot].due = due
        // A timer that stands for earlier is set anew when it comes up.
        if due < states[slot].queued { enqueue(slot) }
    }

    /// The device was heard of: its silence is over.
    @inline(__always)
    private func hear(_ slot: Int32, _ rule: CompiledRule, _ reading: borrowing Reading) {
        markChanged(reading.device)
        states[slot].heard = now
        states[slot].period = reading.periodMilliseconds
        if rule.watchesSilence { endSilence(slot, rule) }
    }

    private func endSilence(_ slot: Int32, _ rule: CompiledRule) {
        for number in 0..<Int(rule.leaves) where unsafe leafTable[Int(rule.firstLeaf) + number].subject == .silence {
            let bit = UInt16(1) << UInt16(number)
            states[slot].known |= bit
            states[slot].over &= ~bit
            states[slot].cleared |= bit
        }
    }

    /// Whether the condition holds, and whether it is known to be over, for the phase in which the alert is: while it
    /// fires a leaf holds until it has cleared.
    @inline(__always)
    func truth(of slot: Int32, _ rule: CompiledRule) -> (holds: Bool, hasEnded: Bool) {
        let known = states[slot].known
        let holds = states[slot].phase == .firing ? known & ~states[slot].cleared : known & states[slot].over
        // One leaf is all there is.
        if rule.leaves == 1 && rule.operations == 1 { return (holds & 1 == 1, known & ~holds & 1 == 1) }
        return run(Int(rule.firstOperation), Int(rule.operations), holds: holds, fails: known & ~holds)
    }

    /// Runs a condition over the leaves that hold and those that are known not to.
    func run(_ first: Int, _ count: Int, holds: UInt16, fails: UInt16) -> (holds: Bool, hasEnded: Bool) {
        // Stacks of bits: the top is bit 0.
        var yes: UInt32 = 0, no: UInt32 = 0
        for index in first..<first + count {
            let operation = unsafe operationTable[index]
            let parts = UInt32(operation & 0x3F)
            switch operation & 0xC0 {
            case Operation.all, Operation.any:
                let mask = UInt32(1) << parts - 1
                let (above, aboveNo) = (yes & mask, no & mask)
                yes >>= parts
                no >>= parts
                let isAll = operation & 0xC0 == Operation.all
                let isTrue = isAll ? above == mask : above != 0
                let isFalse = isAll ? aboveNo != 0 : aboveNo == mask
                yes = yes << 1 | (isTrue ? 1 : 0)
                no = no << 1 | (isFalse ? 1 : 0)
            case Operation.not:
                let top = yes & 1
                yes = yes & ~1 | no & 1
                no = no & ~1 | top
            default:
                yes = yes << 1 | UInt32(holds >> UInt16(operation) & 1)
                no = no << 1 | UInt32(fails >> UInt16(operation) & 1)
            }
        }
        return (yes & 1 == 1, no & 1 == 1)
    }

    /// Whether a rule sees a reading of a moment: its schedule is active and no permit lifts it. Where it does: since
    /// when and until when.
    @inline(__always)
    func awake(
        _ rule: CompiledRule, _ entry: Entry, at moment: Timestamp
    ) -> (isActive: Bool, since: Timestamp, ends: Timestamp) {
        var since = Timestamp.distantPast
        var ends = Timestamp.distantFuture
        if rule.hasSchedule {
            if unsafe moment < wakes[Int(rule.index)].from || moment >= wakes[Int(rule.index)].until {
                refreshWake(rule.index, at: moment)
            }
            let wake = unsafe wakes[Int(rule.index)]
            if !wake.isActive { return (false, wake.from, wake.until) }
            (since, ends) = (wake.since, wake.ends)
        }
        if rule.isLifted && entry.permitCount > 0 {
            let mask = unsafe liftMasks[Int(rule.index)]
            for index in Int(entry.permitStart)..<Int(entry.permitStart + entry.permitCount) {
                let lift = unsafe lifts[index]
                guard lift.word & mask != 0 else { continue }
                if lift.until <= moment {
                    since = max(since, lift.until)
                } else if lift.from > moment {
                    ends = min(ends, lift.from)
                } else {
                    return (false, lift.from, lift.until)
                }
            }
        }
        return (true, since, ends)
    }

    /// The schedule's answer around a moment, with the whole stretch of an active one: at most 400 days either way.
    @inline(never)
    private func refreshWake(_ rule: Int32, at moment: Timestamp) {
        guard let schedule = schedules[Int(rule)] else { return }
        let state = schedule.state(at: moment)
        var wake = Wake(from: state.from, until: state.until, isActive: state.isActive)
        if state.isActive {
            for _ in 0..<400 {
                let earlier = schedule.state(at: wake.from + -1)
                guard earlier.isActive, earlier.from < wake.from else { break }
                wake.from = earlier.from
            }
            for _ in 0..<400 {
                let later = schedule.state(at: wake.until)
                guard later.isActive, later.until > wake.until else { break }
                wake.until = later.until
            }
            (wake.since, wake.ends) = (wake.from, wake.until)
        }
        unsafe wakes[Int(rule)] = wake
    }
}
