import Telemetry
import Testing

@testable import Dispatching

@Suite struct AuthorityTests {
    private static let place = Position(latitude: 30.2741, longitude: 120.0151)

    private func dispatcher(_ units: [ResponseUnit], _ change: (inout Matter) -> Void = { _ in }) -> Dispatcher {
        var matter = Matter(code: "noise-check", nameEnglish: "Noise", nameChinese: "噪声")
        matter.departments = ["town", "district"]
        matter.authority = [
            .init(area: "330110", departments: ["district"]), .init(area: "330110012", departments: ["town"], since: start + 1000),
        ]
        change(&matter)
        var settings = DispatchSettings()
        settings.take(matters: [matter])
        let board = UnitBoard(units, zone: .utc)
        for number in units.indices {
            board.moved(number, to: UnitBoard.Fix(at: start, position: Position(latitude: 30.2741 + Double(number) / 1000, longitude: 120.0151), accuracyMetres: 5))
        }
        return Dispatcher(settings: settings, units: board)
    }

    private func unit(_ id: String, _ authority: [String], officers: Int = 2) -> ResponseUnit {
        ResponseUnit(id: id, kind: "car", authority: authority, officers: officers)
    }

    private func lead(_ dispatcher: Dispatcher, _ area: String = "330110012", second: Int64 = 0, source: String = "1") throws -> TaskState {
        var lead = Lead(kind: "noise-check")
        (lead.area, lead.lat, lead.lon, lead.source) = (area, Self.place.latitude + Double(second), Self.place.longitude, source)
        return try dispatcher.report(lead, author: "王敏", role: .operator, at: start + second * 1000).task
    }

    @Test func whoHasNoAuthorityIsNotSentAndTheExplanationSaysSo() throws {
        let dispatcher = dispatcher([unit("none", []), unit("town", ["town"]), unit("district", ["district"])])
        // The town is given the matter a second later.
        #expect(try lead(dispatcher).unit == "district")
        let choice = dispatcher.takeEvents().last?.choice
        #expect(choice?.candidates.map(\.reason) == [.authority, .authority, .eligible])
        #expect(choice?.summary == "no_authority 2")
        #expect(try lead(dispatcher, second: 1, source: "2").unit == "town")
    }

    @Test func widenedOrByHandNobodyGoesBeyondTheirPowers() throws {
        let dispatcher = dispatcher([unit("town", ["town"])])
        let task = try lead(dispatcher, "330110005", second: 5)
        #expect(task.unit == nil && task.isUnserved)
        #expect(dispatcher.takeEvents().contains { $0.what == "no_unit" && $0.why == "no_authority 1" && $0.choice?.isWidened == true })
        let action = Action("task.assign", subject: task.id, author: "王敏", fields: ["unit": .text("town")])
        #expect(throws: ActionRefusal(.forbidden, "the unit town has no authority for noise-check in 330110005, which district has", field: "unit")) {
            try dispatcher.apply(.assign, to: task.id, action, at: start + 6000)
        }
        // Outside of every area with a grant it is nobody's.
        let nobody = try lead(dispatcher, "440100", second: 7, source: "2")
        #expect(throws: ActionRefusal(.forbidden, "the unit town has no authority for noise-check in 440100: nobody was given it", field: "unit")) {
            try dispatcher.apply(.assign, to: nobody.id, action, at: start + 8000)
        }
    }

    @Test func theLawAsksForSoManyOfficers() throws {
        let dispatcher = dispatcher([unit("one", ["district"], officers: 1), unit("two", ["district"])]) { $0.officers = 2 }
        let task = try lead(dispatcher)
        #expect(task.unit == "two")
        #expect(dispatcher.takeEvents().last?.choice?.candidates.map(\.reason) == [.officers, .eligible])
        let action = Action("task.assign", subject: task.id, author: "王敏", fields: ["unit": .text("one")])
        #expect(throws: ActionRefusal(.forbidden, "the unit one has 1 officers, noise-check asks for 2", field: "unit")) {
            try dispatcher.apply(.assign, to: task.id, action, at: start + 1)
        }
    }

    @Test func aMatterOfNobodyInParticularIsAnybodys() throws {
        let dispatcher = dispatcher([unit("none", [])]) { ($0.departments, $0.authority) = ([], []) }
        #expect(try lead(dispatcher).unit == "none")
    }

    @Test func theCatalogueSaysWhatFeedbackIsAskedForAndWhichMattersThereAre() throws {
        let dispatcher = dispatcher([]) { $0.feedback = .general }
        #expect(dispatcher.settings.kind("noise-check").feedback == .general && dispatcher.settings.kind("noise-other").feedback == .noise)
        var unknown = Lead(kind: "nois-check")
        unknown.area = "330110012"
        #expect(throws: ActionRefusal(.invalid, "no matter has the code 'nois-check'", field: "kind")) {
            try dispatcher.report(unknown, author: "王敏", role: .operator, at: start)
        }
    }

    @Test func aCameraThatIsOffKeepsItsUnit() throws {
        let dispatcher = dispatcher((0..<4).map { unit("u\($0)", ["district"]) })
        var settings = dispatcher.settings
        settings.kinds["noise-check"] = settings.kind("noise-check")
        settings.kinds["noise-check"]!.needsCamera = true
        let board = dispatcher.units
        board.heard(1, .init(at: start + -181_000, isRecording: true))
        board.heard(2, .init(at: start, isRecording: false))
        board.heard(2, .init(at: start + -5000, isRecording: true))
        board.heard(3, .init(at: start + -180_000, isRecording: nil))
        let strict = Dispatcher(settings: settings, units: board)
        #expect(try lead(strict).unit == "u3")
        #expect(strict.takeEvents().last?.choice?.candidates.map(\.reason) == [.camera, .camera, .camera, .eligible])
    }
}
