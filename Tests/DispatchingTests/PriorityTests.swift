import Telemetry
import Testing

@testable import Dispatching

private let place = Position(latitude: 30.2741, longitude: 120.0151)

private func alert(_ number: Int, severity: String = "warning", site: String? = nil, area: String = "330110012001") -> Alert {
    Alert(
        id: "a\(number)", rule: "r", device: "m\(number)", kind: .noise, deviceNumber: 0, site: site, area: area,
        severity: severity, state: "firing", startedAt: start, firedAt: start, resolvedAt: nil, value: 75)
}

@Suite struct PriorityTests {
    private func dispatcher(_ lines: [DispatchSettings.PriorityLine], units: [ResponseUnit] = []) -> Dispatcher {
        var settings = DispatchSettings()
        settings.priority = lines
        let sites = Sites([
            Site(id: "hall", name: "考点", kind: "exam", place: .point(place)),
            Site(id: "yard", name: "工地", kind: "construction", place: .point(Position(latitude: place.latitude + 0.004, longitude: place.longitude))),
        ])
        return Dispatcher(settings: settings, units: UnitBoard(units, zone: .utc), sites: sites)
    }

    private func line(_ change: (inout DispatchSettings.PriorityLine) -> Void) -> DispatchSettings.PriorityLine {
        var line = DispatchSettings.PriorityLine()
        change(&line)
        return line
    }

    private func priority(_ dispatcher: Dispatcher, _ alert: Alert, kind: String = "noise-check", at: Timestamp = start) -> Int? {
        dispatcher.alertFired(alert, kind: kind, place: (place.latitude + 0.004, place.longitude), at: at)
        return dispatcher[Identifier.task(alert: alert.id)]?.priority
    }

    @Test func severityPlaceAndCalendarMakeIt() {
        #expect(priority(dispatcher([]), alert(1, severity: "critical")) == 2)
        #expect(priority(dispatcher([]), alert(1)) == 3)
        #expect(priority(dispatcher([]), alert(1, severity: "info")) == 4)
        // The place is 444 m from the hall.
        #expect(priority(dispatcher([line { ($0.nearKind, $0.nearMetres) = ("exam", 500) }]), alert(1)) == 2)
        #expect(priority(dispatcher([line { ($0.nearKind, $0.nearMetres) = ("exam", 400) }]), alert(1)) == 3)
        #expect(priority(dispatcher([line { $0.siteKinds = ["construction"] }]), alert(1, site: "yard")) == 2)
        #expect(priority(dispatcher([line { $0.siteKinds = ["construction"] }]), alert(1)) == 3)
        #expect(priority(dispatcher([line { $0.areas = ["330110012"] }]), alert(1)) == 2)
        #expect(priority(dispatcher([line { $0.areas = ["330110013"] }]), alert(1)) == 3)
        #expect(priority(dispatcher([line { $0.kinds = ["gas"] }]), alert(1)) == 3)
        #expect(priority(dispatcher([line { $0.kinds = ["gas"] }]), alert(1), kind: "gas") == 2)
        // `start` is 14:00 of UTC.
        let afternoon = When.hours(DayHours(hours: [HourRange("14:00-15:00")!]))
        #expect(priority(dispatcher([line { $0.when = afternoon }]), alert(1)) == 2)
        #expect(priority(dispatcher([line { $0.when = afternoon }]), alert(1), at: start + 3_600_000) == 3)
        #expect(priority(dispatcher([line { $0.when = afternoon }, line { $0.areas = ["330110"] }, line { _ in }]), alert(1, severity: "critical")) == 1)
    }

    @Test func itRisesWithSeverityAndIsFoundAnewWhenOpenedAgain() throws {
        let dispatcher = dispatcher([line { $0.when = .hours(DayHours(hours: [HourRange("14:00-15:00")!])) }])
        var first = alert(1, severity: "info")
        #expect(priority(dispatcher, first) == 3)
        first.severity = "critical"
        dispatcher.alertFired(first, kind: "noise-check", at: start + 60_000)
        let id = Identifier.task(alert: first.id)
        #expect(dispatcher[id]?.priority == 1)
        let task = try #require(dispatcher[id])
        dispatcher.reopen(task, at: start + 7_200_000, who: "王", role: .operator, why: "again")
        #expect(dispatcher[id]?.priority == 2)
    }

    /// Three wait for the one officer; whoever comes first by priority gets him, then whoever looks first.
    @Test func aFreeUnitGoesToTheFirst() throws {
        let officer = ResponseUnit(id: "u", kind: "foot", device: "d", areas: [], shift: nil, capabilities: [])
        let dispatcher = dispatcher([], units: [officer])
        dispatcher.units.moved(0, to: UnitBoard.Fix(at: start, position: place, accuracyMetres: 5))
        dispatcher.units.setDuty(.off, of: 0, by: "王", at: start)
        for (number, severity) in ["info", "warning", "critical", "critical"].enumerated() {
            dispatcher.alertFired(alert(number, severity: severity), kind: "x", at: start + Int64(number) * 1000)
        }
        #expect(dispatcher.waiting.count == 4)
        dispatcher.units.setDuty(.on, of: 0, by: "王", at: start)
        _ = dispatcher.takeEvents()
        // The first task looks again first.
        dispatcher.advance(to: start + 30_000)
        let assigned = dispatcher.takeEvents().filter { $0.what == "assigned" }
        #expect(assigned.map(\.task.alertID) == ["a2"], "the older of the two that come first")
        #expect(dispatcher.waiting.count == 3)
        // A new task does not take a unit from one that waits and comes first.
        dispatcher.advance(to: start + 40_000)
        dispatcher.units.free("u", of: Identifier.task(alert: "a2"))
        _ = dispatcher.takeEvents()
        dispatcher.alertFired(alert(9), kind: "x", at: start + 40_500)
        #expect(dispatcher.takeEvents().filter { $0.what == "assigned" }.map(\.task.alertID) == ["a3"])
    }
}
