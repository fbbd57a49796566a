import Delivery
import Store
import Telemetry

/// Steering of outlets and cursors: what changes the store goes through the one writer and is answered after its commit;
/// then the outlet is told.
struct OutletActions: Sendable {
    let outlets: Outlets
    let inbox: Inbox

    func answer(_ action: Action) async -> ActionAnswer {
        if let problem = ActionCatalogue.problem(with: action) { return .refused(problem) }
        if action.name.hasPrefix("cursor.") { return await cursor(action) }
        guard let outlet = outlets.outlet(named: action.subject) else {
            return .refused(
                ActionRefusal(
                    .unknown, "there is no outlet '\(action.subject)'; there are \(outlets.driven.map(\.name).joined(separator: ", "))"))
        }
        do throws(OutletProblem) {
            switch action.name {
            case "outlet.pause":
                let reason = "\(action.author): \(action.text("why") ?? "by hand")"
                guard await inbox.commit(.paused(outlet: outlet.name, reason: reason)) else { return .refused(Inbox.ending) }
                return done(outlet, try await outlet.take(.pause(reason: reason)))
            case "outlet.resume":
                guard await inbox.commit(.paused(outlet: outlet.name, reason: nil)) else { return .refused(Inbox.ending) }
                return done(outlet, try await outlet.take(.resume))
            case "outlet.retry": return done(outlet, try await outlet.take(.retry(sequence: number(action, "sequence"))))
            case "outlet.skip": return done(outlet, try await outlet.take(.skip(through: number(action, "through") ?? 0)))
            case "outlet.drop": return await drop(outlet, number(action, "sequence"))
            default: return done(outlet, try await outlet.take(.test))
            }
        } catch {
            return .refused(ActionRefusal(.conflict, error.description))
        }
    }

    private func number(_ action: Action, _ field: String) -> Int64? { action.number(field).map { Int64($0) } }

    private func done(_ outlet: any Outlet, _ what: String) -> ActionAnswer {
        var object = JSONObject()
        object.add("name", outlet.name)
        object.add("done", what)
        return .done(object.text)
    }

    private func drop(_ outlet: any Outlet, _ sequence: Int64?) async -> ActionAnswer {
        let name = outlet.name
        do throws(StoreError) {
            let letters = try await outlets.stream.read { reader throws(StoreError) in
                try reader.deadLetters(outlet: name, after: sequence.map { $0 - 1 } ?? 0, limit: sequence == nil ? 100_000 : 1)
            }.filter { sequence == nil || $0.sequence == sequence }
            guard !letters.isEmpty else {
                return .refused(ActionRefusal(.conflict, "\(name) has no \(sequence.map { "dead letter \($0)" } ?? "dead letters")"))
            }
            for letter in letters.dropLast() { inbox.ask(.buried(outlet: name, sequence: letter.sequence)) }
            guard await inbox.commit(.buried(outlet: name, sequence: letters[letters.count - 1].sequence)) else {
                return .refused(Inbox.ending)
            }
            return done(outlet, "\(letters.count) dead letter\(letters.count == 1 ? "" : "s") thrown away")
        } catch {
            return .refused(ActionRefusal(.unavailable, "\(error)"))
        }
    }

    private func cursor(_ action: Action) async -> ActionAnswer {
        let name = PullOutlet.cursorName(action.subject)
        var object = JSONObject()
        object.add("cursor", action.subject)
        if action.name == "cursor.forget" {
            guard await inbox.commit(.forgotten(outlet: name)) else { return .refused(Inbox.ending) }
            return .done(object.text)
        }
        guard let position = action.text("position").flatMap({ StreamPosition($0) }) else {
            return .refused(ActionRefusal(.invalid, "position is the id of an event (EPOCH-SEQUENCE) or 0", field: "position"))
        }
        if let reset = outlets.stream.epochs.judge(position, last: outlets.stream.last) {
            return .refused(ActionRefusal(.conflict, reset.reason, field: "position"))
        }
        guard await inbox.commit(.delivered(outlet: name, sequence: position.sequence)) else { return .refused(Inbox.ending) }
        object.add("position", outlets.stream.epochs.position(position.sequence).description)
        return .done(object.text)
    }
}

/// The same on a store that no Patrol has open: what needs a running one is refused.
enum OutletActionsAtRest {
    static func apply(_ action: Action, to store: StoreWriter) throws(StoreError) -> ActionAnswer {
        let change: OutletChange
        switch action.name {
        case "outlet.pause": change = .paused(outlet: action.subject, reason: "\(action.author): \(action.text("why") ?? "by hand")")
        case "outlet.resume": change = .paused(outlet: action.subject, reason: nil)
        case "cursor.forget": change = .forgotten(outlet: PullOutlet.cursorName(action.subject))
        default: return .refused(ActionRefusal(.unavailable, "\(action.name) needs a running Patrol"))
        }
        try store.begin()
        try store.write(outlet: change)
        try store.commit()
        let answer: JSONObject = ["name": action.subject, "done": "written; it holds from the next start on"]
        return .done(answer.text)
    }
}
