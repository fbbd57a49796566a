import Dispatching
import Rules
import Store
import Telemetry

/// What the engine keeps between an input and the commit that writes what came of it.
struct DispatchJournal {
    /// What happened to tasks, each with the number of alert transitions before it in the batch: events are written in
    /// the order in which they happened, however the input is cut into batches.
    var events: [(transitions: Int, event: TaskEvent)] = []
    /// Events written already.
    var written = 0
    /// Alert transitions that the dispatcher has seen.
    var seenTransitions = 0
    /// Jumps of the wall clock, each with its place among the inputs.
    var steps: [(afterInput: Int64, clock: Timestamp, milliseconds: Int64)] = []

    mutating func endBatch() {
        events.removeAll(keepingCapacity: true)
        (written, seenTransitions) = (0, 0)
        steps.removeAll()
    }
}

extension Engine {
    /// Tasks as the store has them.
    func restoreDispatch() throws(StoreError) {
        for task in try taskRows.open() { dispatcher.restore(task) }
        nextDue = dispatcher.nextDue
        let row = try store.rows("SELECT correction, at FROM server_clock")[0]
        // Where no clock runs, the server's own clock is as good as any.
        clockCorrection = dispatcher.count == 0 ? 0 : row[0].integer
        serverClock = options.clock == .wall ? Timestamp(milliseconds: row[1].integer) : state.clock
        dispatchJournal.endBatch()
    }

    // MARK: The clock of tasks

    /// Moves the clock of tasks with a reading's arrival and lets happen what was due before it. In steady state a
    /// comparison.
    @inline(__always)
    func moveServerClock(received: Timestamp) {
        let now = options.clock == .wall ? received + clockCorrection : state.clock
        if now > serverClock { serverClock = now }
        if serverClock.milliseconds >= nextDue { _ = letHappen() }
    }

    /// The wall clock has jumped: what has been running runs on as if it had not.
    func stepClock(milliseconds: Int64) {
        guard options.clock == .wall else { return }
        clockCorrection -= milliseconds
        dispatchJournal.steps.append((state.input, serverClock, milliseconds))
    }

    @inline(never)
    private func letHappen() -> Bool {
        let happened = dispatcher.advance(to: serverClock)
        noteDispatch()
        return happened
    }

    /// The clock of tasks without a reading, by the server's steady clock: what is due happens and is logged as an input,
    /// because a reading that arrived before may still be on its way.
    func tick(_ now: Timestamp) throws(StoreError) {
        guard options.clock == .wall, now.milliseconds >= nextDue else { return }
        serverClock = max(serverClock, now)
        if letHappen() { try log(Engine.patrolInput("clock.tick"), at: serverClock, after: state.input) }
    }

    /// Whether something would happen.
    func isDue(at now: Timestamp) -> Bool { options.clock == .wall && now.milliseconds >= nextDue }

    /// Logs the jumps of the wall clock in the batch.
    func writeSteps() throws(StoreError) {
        for step in dispatchJournal.steps {
            try log(
                Engine.patrolInput("clock.step", ["milliseconds": .number(Double(step.milliseconds))]), at: step.clock,
                after: step.afterInput)
        }
    }

    static func patrolInput(_ name: String, _ fields: [String: ActionValue] = [:]) -> Action {
        Action(name, author: "patrol", role: .patrol, fields: fields)
    }

    // MARK: Alerts

    /// Hands what the rules have just said to the dispatcher.
    @inline(never)
    func dispatchTransitions() {
        while dispatchJournal.seenTransitions < alerts.transitionCount {
            let snapshot = alerts.transition(dispatchJournal.seenTransitions)
            dispatchJournal.seenTransitions += 1
            guard !snapshot.isEscalation, let kind = options.rules.definitions[snapshot.rule].taskKind else { continue }
            let device = table.devices[Int(snapshot.device)]
            switch snapshot.state {
            case .firing:
                let place = device.lat.flatMap { lat in device.lon.map { (lat, $0) } }
                dispatcher.alertFired(alert(snapshot), kind: kind, place: place, at: serverClock)
            case .resolved: dispatcher.alertResolved(alert(snapshot), kind: kind)
            case .pending: break
            }
            noteDispatch()
        }
    }

    /// As ``dispatchTransitions()`` for alerts that time has raised: they are as new as the tick.
    func dispatchTimedAlerts(_ tick: Timestamp?) throws(StoreError) {
        guard alerts.transitionCount != dispatchJournal.seenTransitions else { return }
        if options.clock == .wall, let tick, tick > serverClock {
            serverClock = tick
            try log(Engine.patrolInput("clock.tick"), at: tick, after: state.input)
        }
        dispatchTransitions()
    }

    /// Takes what the dispatcher has to say at this place among the alerts' transitions.
    func noteDispatch() {
        nextDue = dispatcher.nextDue
        guard dispatcher.hasEvents else { return }
        for event in dispatcher.takeEvents() { dispatchJournal.events.append((dispatchJournal.seenTransitions, event)) }
    }

    // MARK: Commit

    var hasDispatchChanges: Bool {
        dispatchJournal.written < dispatchJournal.events.count || dispatcher.hasChanged
    }

    /// Writes the events that came before the transition with this number (from 0) of the batch.
    func writeDispatch(beforeTransition number: Int, into result: inout Committed) throws(StoreError) {
        while dispatchJournal.written < dispatchJournal.events.count {
            let (transitions, event) = dispatchJournal.events[dispatchJournal.written]
            if transitions > number { return }
            dispatchJournal.written += 1
            try taskRows.write(event)
            try unitRows.write(event)
            guard options.publishes else { continue }
            var row = CloudEvents.task(event, options: options)
            row.sequence = try store.append(outbox: row)
            result.events.append(row)
        }
    }

    /// Writes everything that is not written yet.
    func writeDispatch(into result: inout Committed) throws(StoreError) {
        guard hasDispatchChanges else { return }
        try writeDispatch(beforeTransition: .max, into: &result)
        try writeUnits(withFixes: false)
        for task in dispatcher.takeChanged() { try taskRows.write(task, kind: dispatcher.settings.kind(task.kind)) }
    }

    func writeServerClock() throws(StoreError) {
        try clockRow.write([.integer(1), .integer(clockCorrection), .integer(serverClock.milliseconds)])
    }
}
