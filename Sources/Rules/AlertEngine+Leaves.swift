import Telemetry

/// What a reading means for the leaves of a rule.
extension AlertEngine {
    struct Seen {
        /// A leaf has taken something from the reading.
        var isTouched = false
        /// A late reading has entered a window.
        var entered = false
        /// A late reading says that the condition did not hold then.
        var breaks = false
        /// Of the leading leaf.
        var value = 0.0
    }

    @inline(__always)
    func look(
        _ slot: Int32, rule: CompiledRule, reading: borrowing Reading, text: UnsafePointer<UInt8>?, entry: Entry,
        since: Timestamp, isLate: Bool
    ) -> Seen {
        var seen = Seen(value: states[slot].value)
        var known = states[slot].known, over = states[slot].over, cleared = states[slot].cleared
        // As the late reading would have it, for leaves on single values.
        var then = (holds: known & over, fails: known & ~over)
        let extent = states[slot].extent
        for number in 0..<Int(rule.leaves) {
            let leaf = unsafe leafTable[Int(rule.firstLeaf) + number]
            let bit = UInt16(1) << UInt16(number)
            var value = 0.0
            var isKnown = true
            var bound = (level: leaf.level, since: since)
            if leaf.test == .limit {
                bound = limit(leaf, entry, at: reading.ts, since: since)
            } else if leaf.test == .fenceLimit {
                bound.level = fences.speedLimit(at: place(reading)) + leaf.level
            }
            switch leaf.subject {
            case .silence: continue
            case .count:
                let holdsNow = run(Int(leaf.firstOperation), Int(leaf.operations), holds: known & over, fails: known & ~over).holds
                guard !isLate else { continue }
                let window = unsafe Window(words.words(extent + leaf.words), step: leaf.milliseconds)
                if holdsNow && (leaf.countsEach || states[slot].held & bit == 0) { window.count(at: reading.ts) }
                states[slot].held = holdsNow ? states[slot].held | bit : states[slot].held & ~bit
                value = window.total(at: reading.ts, since: bound.since)
            case .window:
                guard let amount = operand(leaf, reading, extent) else { continue }
                let folded: (value: Double, covered: Int64)
                if leaf.fold == .percentile {
                    let window = unsafe LevelWindow(words.words(extent + leaf.words), step: leaf.milliseconds)
                    window.add(amount, from: reading.ts, to: reading.end)
                    folded = unsafe window.level(exceeded: leaf.percent, since: bound.since, scratch: levelScratch)
                } else {
                    let window = unsafe Window(words.words(extent + leaf.words), step: leaf.milliseconds)
                    window.add(
                        leaf.fold == .leq ? rememberedEnergy(ofLevel: amount) : amount, from: reading.ts, to: reading.end, fold: leaf.fold)
                    folded = window.fold(leaf.fold, since: bound.since)
                }
                isKnown = folded.covered >= leaf.minimumCovered && folded.covered > 0
                var energy = folded.value
                if leaf.background >= 0 && isKnown {
                    isKnown = takeBackground(from: &energy, leaf, until: reading.end, since: bound.since)
                }
                if rule.isOneLevel && states[slot].phase == .inactive
                    && energy < (leaf.test == .limit ? quietEnergy(ofBound: bound.level) : leaf.quietEnergy) {
                    // A level that says nothing to anybody is not worth its logarithm.
                    value = -.infinity
                } else {
                    value = leaf.fold == .leq ? level(ofEnergy: energy) : folded.value
                    if leaf.fold == .leq || leaf.fold == .mean { value = (value * 100).rounded() / 100 }
                }
                if number == Int(rule.leading) {
                    states[slot].coverage = Float(min(1, Double(folded.covered) * leaf.perMillisecond))
                }
                seen.entered = true
            case .value:
                guard let amount = isLate ? AlertEngine.lateOperand(leaf, reading) : operand(leaf, reading, extent) else { continue }
                if isLate {
                    let holds = leaf.isOver(amount, bound.level)
                    then = holds ? (then.holds | bit, then.fails & ~bit) : (then.holds & ~bit, then.fails | bit)
                    seen.isTouched = true
                    continue
                }
                value = amount
            case .rate:
                guard !isLate, let amount = operand(leaf, reading, extent) else { continue }
                let words = unsafe words.words(extent + leaf.words)
                let earlier = unsafe (ts: Int64(bitPattern: words[0]), value: Double(bitPattern: words[1]))
                unsafe words[0] = UInt64(bitPattern: reading.ts.milliseconds)
                unsafe words[1] = amount.bitPattern
                let passed = reading.ts.milliseconds - earlier.ts
                isKnown = earlier.ts != 0 && passed > 0
                value = isKnown ? (amount - earlier.value) * Double(leaf.milliseconds) / Double(passed) : 0
            case .fence:
                guard !isLate, let place = place(reading), accuracy(reading) <= leaf.accuracyMetres else { continue }
                value = unsafe fence(leaf, at: place, ts: reading.ts, words.words(extent + leaf.words)) ? 1 : 0
            case .changes, .returns:
                guard !isLate, let raw = unsafe raw(leaf, reading, text, extent) else { continue }
                value = unsafe changed(leaf, raw, words.words(extent + leaf.words)) ? 1 : 0
            }
            seen.isTouched = true
            let isOver = isKnown && leaf.isOver(value, bound.level)
            known = isKnown ? known | bit : known & ~bit
            over = isOver ? over | bit : over & ~bit
            cleared = isKnown && leaf.isClear(value, bound.level) ? cleared | bit : cleared & ~bit
            if number == Int(rule.leading) {
                seen.value = value
                states[slot].bound = bound.level
            }
        }
        (states[slot].known, states[slot].over, states[slot].cleared) = (known, over, cleared)
        if isLate && seen.isTouched {
            seen.breaks = !run(Int(rule.firstOperation), Int(rule.operations), holds: then.holds, fails: then.fails).holds
        }
        return seen
    }

    /// A device's rules ask for the same level's energy one after the other.
    @inline(__always)
    private func rememberedEnergy(ofLevel level: Double) -> Double {
        if level != lastLevel { (lastLevel, lastEnergy) = (level, energy(ofLevel: level)) }
        return lastEnergy
    }

    /// Less than the rounding of the level under the bound; that of the last bound but one is not kept.
    @inline(__always)
    private func quietEnergy(ofBound level: Double) -> Double {
        if level != lastBound { (lastBound, lastBoundEnergy) = (level, energy(ofLevel: level - 0.01)) }
        return lastBoundEnergy
    }

    /// Takes the energy of the reference meter over the same window away, as far as it was heard; without enough of it
    /// the energy stays. False where the difference is less than 3 dB: the source cannot be told from the background.
    @inline(never)
    private func takeBackground(
        from energy: inout Double, _ leaf: CompiledLeaf, until end: Timestamp, since: Timestamp
    ) -> Bool {
        let device = backgroundDevices[Int(leaf.background)]
        guard device >= 0 else { return true }
        let slot = slot(of: rules.backgrounds[Int(leaf.background)].rule, UInt32(device))
        guard slot >= 0 else { return true }
        let window = unsafe Window(words.words(states[slot].extent), step: leaf.milliseconds)
        let newest = (end.milliseconds - 1) / leaf.milliseconds
        let first = Timestamp(milliseconds: (newest - Int64(Window.steps) + 1) * leaf.milliseconds)
        let reference = window.fold(.leq, since: max(since, first))
        guard reference.covered > 0, reference.covered >= leaf.minimumCovered else { return true }
        // 10^0.3: 3 dB.
        guard energy >= reference.value * 1.995_262_314_968_879_5 else { return false }
        energy -= reference.value
        return true
    }

    /// The value of a leaf's metric, nil where the reading does not carry it.
    @inline(__always)
    private func operand(_ leaf: CompiledLeaf, _ reading: borrowing Reading, _ extent: Int32) -> Double? {
        switch leaf.source {
        case .value: return reading.value(Int(leaf.index))
        case .bit: return reading.bit(Int(leaf.index)).map { $0 ? 1 : 0 }
        case .impliedSpeed, .jump: return movement(leaf, reading, extent)
        case .secondGateway: return contested.contains(reading.device) ? 1 : 0
        case .officer, .boot, .none: return nil
        }
    }

    /// As ``operand(_:_:_:)`` without taking the reading for the newest.
    private static func lateOperand(_ leaf: CompiledLeaf, _ reading: borrowing Reading) -> Double? {
        switch leaf.source {
        case .value, .bit: plainValue(leaf, reading)
        case .impliedSpeed, .jump, .secondGateway, .officer, .boot, .none: nil
        }
    }

    /// Metres, or km/h, from the fix before to this one.
    private func movement(_ leaf: CompiledLeaf, _ reading: borrowing Reading, _ extent: Int32) -> Double? {
        guard let lat = reading.value(VehicleValue.lat), let lon = reading.value(VehicleValue.lon) else { return nil }
        let words = unsafe words.words(extent + leaf.sourceWords)
        let earlier = unsafe (
            lat: Double(bitPattern: words[0]), lon: Double(bitPattern: words[1]), ts: Int64(bitPattern: words[2]))
        unsafe words[0] = lat.bitPattern
        unsafe words[1] = lon.bitPattern
        unsafe words[2] = UInt64(bitPattern: reading.ts.milliseconds)
        let passed = reading.ts.milliseconds - earlier.ts
        guard earlier.ts != 0, passed > 0 else { return nil }
        let from = Position(latitude: earlier.lat, longitude: earlier.lon)
        let to = Position(latitude: lat, longitude: lon)
        let isNear = abs(earlier.lat - lat) < 0.5 && abs(earlier.lon - lon) < 0.5
        let metres = isNear ? from.metresNearby(to: to) : from.metres(to: to)
        return leaf.source == .jump ? metres : metres * 3600 / Double(passed)
    }

    /// A value or a text as bits that are equal where it is.
    private func raw(
        _ leaf: CompiledLeaf, _ reading: borrowing Reading, _ text: UnsafePointer<UInt8>?, _ extent: Int32
    ) -> UInt64? {
        let from: Int, count: Int
        switch leaf.source {
        case .officer: (from, count) = (0, Int(reading.officerBytes))
        case .boot: (from, count) = (Int(reading.officerBytes), Int(reading.bootBytes))
        case .value, .bit, .impliedSpeed, .jump, .secondGateway, .none: return operand(leaf, reading, extent)?.bitPattern
        }
        guard count > 0, let text = unsafe text else { return nil }
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in from..<from + count { hash = unsafe (hash ^ UInt64(text[index])) &* 0x100_0000_01B3 }
        return hash
    }

    /// Words: the newest, whether there is one (1) and one before (2), the one before.
    private func changed(_ leaf: CompiledLeaf, _ raw: UInt64, _ words: UnsafeMutablePointer<UInt64>) -> Bool {
        let (newest, has, earlier) = unsafe (words[0], words[1], words[2])
        unsafe words[0] = raw
        if has == 0 {
            unsafe words[1] = 1
            return false
        }
        guard raw != newest else { return false }
        unsafe words[1] = 2
        unsafe words[2] = newest
        return leaf.subject == .changes || (has == 2 && raw == earlier)
    }

    /// The bound of a limit leaf at a moment, and since when its window may reach back: not over a change of day and
    /// night. NaN, which nothing is over, where no limit applies.
    @inline(__always)
    private func limit(
        _ leaf: CompiledLeaf, _ entry: Entry, at moment: Timestamp, since: Timestamp
    ) -> (level: Double, since: Timestamp) {
        let isNight = night.isActive(nightHours, at: moment)
        let row = Int(leaf.limit) * (zoneNames.count + 1)
        let (day, dark, over) = unsafe limitTable[row + Int(max(0, entry.zone))]
        var level = isNight ? dark : day
        if leaf.isMaximum { level = isNight ? dark + over : .nan }
        return (level + leaf.level, max(since, night.state.from))
    }
}
