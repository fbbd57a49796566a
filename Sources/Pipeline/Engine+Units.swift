import Delivery
import Dispatching
import Store
import Telemetry

extension Engine {
    /// Remembers whose device this is, when it enters the tables.
    func follow(_ device: Device) {
        while unitOfDevice.count <= Int(device.number) { unitOfDevice.append(-1) }
        guard device.kind != .noise, let unit = units.number(ofDevice: device.id) else { return }
        unitOfDevice[Int(device.number)] = Int32(unit)
    }

    /// Where a unit is now, by the reading of its device.
    @inline(__always)
    func follow(_ reading: borrowing Reading) {
        guard reading.kind != .noise else { return }
        let unit = unitOfDevice[Int(reading.device)]
        if unit >= 0 { moved(Int(unit), reading) }
    }

    @inline(never)
    private func moved(_ unit: Int, _ reading: borrowing Reading) {
        if reading.kind == .bodycam {
            units.heard(unit, UnitBoard.Camera(at: reading.ts, isRecording: reading.bit(BodycamBit.recording)))
        }
        guard let fix = reading.fix else { return }
        units.moved(unit, to: UnitBoard.Fix(at: fix.at, position: fix.position, accuracyMetres: fix.accuracyMetres))
    }

    /// What people have said, and the fixes as of the last write; before the readings behind it are taken again.
    func restoreUnits() throws(StoreError) {
        for (id, state) in try unitRows.states() {
            if units.number(ofUnit: id) == nil {
                if !options.isAtRest { unlistedUnits.append(id) }
            } else {
                units.restore(id, state)
            }
        }
        if !options.isAtRest { units.markAllChanged() }
    }

    /// - Parameter withFixes: also where they are, which changes with nearly every reading.
    func writeUnits(withFixes: Bool) throws(StoreError) {
        guard units.hasChanged || withFixes else { return }
        for id in unlistedUnits { try unitRows.delete(id) }
        unlistedUnits.removeAll()
        for number in units.takeChanged(withFixes: withFixes) { try unitRows.write(units.units[number], units.state(number)) }
    }

    /// `unit.on`, `unit.off` and `unit.shift`.
    func applyToUnit(_ action: Action, at clock: Timestamp) throws(StoreError) -> Result<String, ActionRefusal> {
        let matching = units.units.filter { $0.id.hasPrefix(action.subject) }
        guard let unit = units.number(ofUnit: action.subject).map({ units.units[$0] }) ?? (matching.count == 1 ? matching[0] : nil) else {
            return .failure(
                ActionRefusal(
                    .unknown,
                    matching.isEmpty ? "no unit has the id '\(action.subject)'"
                        : "more than one unit has an id that begins with '\(action.subject)'; write more of it",
                    field: "id"))
        }
        guard let duty = UnitBoard.Duty(rawValue: String(action.name.dropFirst("unit.".count))) else {
            preconditionFailure("the catalogue has \(action.name), the engine does not")
        }
        let state: UnitBoard.State
        do throws(ActionRefusal) {
            state = try dispatcher.setDuty(duty, of: unit.id, by: action.author, at: clock)
        } catch {
            return .failure(error)
        }
        try writeUnits(withFixes: false)
        var answer = JSONObject()
        answer.add("id", unit.id)
        answer.add("duty", state.duty.rawValue)
        if let task = state.task { answer.add("task", task) }
        answer.add("by", action.author)
        answer.add("at", raw: "\(clock.milliseconds)")
        return .success(answer.text)
    }
}
