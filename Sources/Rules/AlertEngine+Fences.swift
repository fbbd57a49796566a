import Telemetry

/// The fences that leaves name, by the numbers of the district's.
struct FenceSets: Sendable {
    private let index: ShapeIndex
    /// By leaf and fence.
    private let members: [Bool]
    private let count: Int
    private let speedLimits: [Double]

    init(_ leaves: [FenceLeaf], _ fences: Fences) {
        index = fences.index
        count = fences.all.count
        speedLimits = fences.all.map { $0.speedLimitKilometresPerHour ?? .nan }
        members = leaves.flatMap { leaf in
            fences.all.map { leaf.fences.contains($0.id) || leaf.fences.contains("kind:\($0.kind)") }
        }
    }

    /// The first of a leaf's fences that holds the place, -1 where none does.
    @inline(__always)
    func first(_ leaf: Int32, _ place: FixedPosition) -> Int {
        var found = -1
        index.forEach(at: place) { if members[Int(leaf) * count + $0] && (found < 0 || $0 < found) { found = $0 } }
        return found
    }

    /// The lowest speed limit of the fences that hold the place, NaN where none has any.
    func speedLimit(at place: FixedPosition?) -> Double {
        guard let place else { return .nan }
        var lowest = Double.nan
        index.forEach(at: place) { number in
            let limit = speedLimits[number]
            if !limit.isNaN && !(limit >= lowest) { lowest = limit }
        }
        return lowest
    }
}

extension AlertEngine {
    /// Where the reading was taken, nil where it does not say.
    @inline(__always)
    func place(_ reading: borrowing Reading) -> FixedPosition? {
        let (latIndex, lonIndex): (Int, Int)
        switch reading.kind {
        case .noise: return nil
        case .vehicle: (latIndex, lonIndex) = (VehicleValue.lat, VehicleValue.lon)
        case .bodycam: (latIndex, lonIndex) = (BodycamValue.lat, BodycamValue.lon)
        }
        guard let lat = reading.value(latIndex), let lon = reading.value(lonIndex) else { return nil }
        return FixedPosition(Position(latitude: lat, longitude: lon))
    }

    /// In metres; 0 where the reading does not say.
    @inline(__always)
    func accuracy(_ reading: borrowing Reading) -> Double {
        reading.value(reading.kind == .vehicle ? VehicleValue.accuracy : BodycamValue.accuracy) ?? 0
    }

    /// Judges a fix against a fence leaf. Words: the settled side (1 inside, 2 outside, 0 not known) and 4 while the other
    /// side is on trial, from bit 8 on the number of the fence that held it last, plus one; since when it is on trial.
    func fence(
        _ leaf: CompiledLeaf, at place: FixedPosition, ts: Timestamp, _ words: UnsafeMutablePointer<UInt64>
    ) -> Bool {
        let fence = fences.first(leaf.fences, place)
        let side: UInt64 = fence >= 0 ? 1 : 2
        let number = unsafe fence >= 0 ? UInt64(fence + 1) << 8 : words[0] & ~0xFF
        var settled = unsafe words[0] & 3
        var hasChanged = false
        if settled == 0 || side == settled {
            settled = side
            unsafe words[0] = side | number
        } else {
            if unsafe words[0] & 4 == 0 {
                unsafe words[0] |= 4
                unsafe words[1] = UInt64(bitPattern: ts.milliseconds)
            }
            if unsafe ts.milliseconds - Int64(bitPattern: words[1]) >= leaf.milliseconds {
                settled = side
                unsafe words[0] = side | number
                hasChanged = true
            }
        }
        return switch rules.fenceLeaves[Int(leaf.fences)].relation {
        case .inside: settled == 1
        case .outside: settled == 2
        case .entered: hasChanged && settled == 1
        case .left: hasChanged && settled == 2
        }
    }
}
