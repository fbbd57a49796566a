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
    /// Jumps of the wall clock and leads, each with its place among the readings.
    var inputs: [(afterInput: Int64, clock: Timestamp, action: Action)] = []

    mutating func endBatch() {
        events.removeAll(keepingCapacity: true)
        (written, seenTransitions) = (0, 0)
        inputs.removeAll()
    }
}

extension Engine {
    /// Tasks as the store has them.
    func restoreDispatch() throws(StoreError) {
        for task in try taskRows.open() { dispatcher.restore(task) }
        for plan in try taskRows.plans() { dispatcher.restore(plan) }
        let row = try store.rows("SELECT correction, at, boot, wall_offset, dispatch FROM server_clock")[0]
        // Where no clock runs, the server's own clock is as good as any.
        clockCorrection = dispatcher.count == 0 ? 0 : row[0].integer
        serverClock = options.clock == .wall ? Timestamp(milliseconds: row[1].integer) : state.clock
        dispatchJournal.endBatch()
        compareClocks(boot: row[2].text, offset: row[3].integer)
        if !options.isAtRest, options.dispatch.fingerprint != row[4].text {
            note(Engine.patrolInput("dispatch.settings", ["hash": .text(options.dispatch.fingerprint)]))
        }
        dispatchFingerprint = options.isAtRest ? row[4].text : options.dispatch.fingerprint
        refreshNextDue()
    }

    /// Since the store was last written the wall clock may have jumped: seen by its difference to the steady clock, within
    /// one start of the machine. Over a restart of the machine nobody knows, and what the wall says has passed.
    private func compareClocks(boot: String, offset: Int64) {
        guard options.clock == .wall, wallOffset == nil else { return }
        let now = options.machine.wallOffset()
        wallOffset = now
        let step = now - offset
        guard dispatcher.count > 0, !boot.isEmpty, boot == options.machine.boot, abs(step) >= MachineClock.stepMilliseconds else { return }
        clockCorrection -= step
        note(Engine.patrolInput("clock.step", ["milliseconds": .number(Double(step))]))
    }

    // MARK: The clock of tasks

    /// Time moves on with a reading's arrival: what was due before it happens. In steady state two comparisons.
    /// - Parameter isJudged: the reading may yet be judged, which fires timers again at a start; else they are noted.
    /// - Returns: whether timers have fired and are not noted.
    @inline(__always)
    @discardableResult
    func letTimePass(to received: Timestamp, isJudged: Bool) -> Bool {
        let server = max(serverClock, options.clock == .wall ? received + clockCorrection : state.clock)
        var hasFired = false
        if server.milliseconds >= nextDue || alerts.isDue(by: state.clock) {
            hasFired = letHappen(until: server).timers
            if hasFired && !isJudged {
                noteTimers()
                hasFired = false
            }
        }
        serverClock = server
        return hasFired
    }

    /// Everything that time alone brings up to the engine's clock (alerts' timers) and up to `server` (tasks' clocks), in
    /// the order of the moments at which it was due, so that it does not depend on how often it is looked for.
    @inline(never)
    private func letHappen(until server: Timestamp) -> (timers: Bool, anything: Bool) {
        let lead = server - state.clock
        var timers = false, anything = false
        while true {
            let hasTimer = !options.isAtRest && alerts.now < state.clock && alerts.isDue(by: state.clock)
            // One that was set into the past is due with the next moment.
            let timer = hasTimer ? max(Timestamp(milliseconds: alerts.nextDue), alerts.now + 1) : .distantFuture
            let hasClock = nextDue <= server.milliseconds
            if hasClock && (!hasTimer || nextDue <= (timer + lead).milliseconds) {
                let moment = Timestamp(milliseconds: nextDue)
                anything = dispatcher.advance(to: moment) || anything
                noteDispatch()
                if endSilences(at: moment, now: server) { anything = true }
            } else if hasTimer {
                timers = true
                alerts.advance(to: timer)
                guard alerts.transitionCount != dispatchJournal.seenTransitions else { continue }
                anything = true
                serverClock = server
                dispatchTransitions()
            } else {
                return (timers, anything)
            }
        }
    }

    /// The wall clock has jumped: what has been running runs on as if it had not.
    func stepClock(milliseconds: Int64) {
        guard options.clock == .wall else { return }
        clockCorrection -= milliseconds
        wallOffset = wallOffset.map { $0 + milliseconds }
        note(Engine.patrolInput("clock.step", ["milliseconds": .number(Double(milliseconds))]))
        refreshNextDue()
    }

    /// Time without a reading, by the server's steady clock: what is due happens and is logged as an input, because a
    /// reading that arrived before may still be on its way.
    /// - Parameter tick: the clock of tasks now; nil where something that has arrived waits to be processed.
    func letTimePass(_ tick: Timestamp?) throws(StoreError) {
        let server = options.clock == .wall ? max(serverClock, tick ?? serverClock) : serverClock
        guard server.milliseconds >= nextDue || !options.isAtRest && alerts.isDue(by: state.clock) else { return }
        let (timers, anything) = letHappen(until: server)
        if timers { noteTimers() }
        guard anything, options.clock == .wall, tick != nil else { return }
        serverClock = server
        try log(Engine.patrolInput("clock.tick"), at: serverClock, after: state.input)
    }

    /// Whether something would happen.
    func isDue(at now: Timestamp) -> Bool { options.clock == .wall && now.milliseconds >= nextDue }

    /// An input between two readings, to be logged with its place.
    func note(_ action: Action) { dispatchJournal.inputs.append((state.input, serverClock, action)) }

    /// Logs what came between the readings of the batch.
    func writeInputs() throws(StoreError) {
        if dispatchJournal.inputs.isEmpty { return }
        for input in dispatchJournal.inputs { try log(input.action, at: input.clock, after: input.afterInput) }
        dispatchJournal.inputs.removeAll()
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
            if silences.isInUse && isHeldBack(snapshot, number: dispatchJournal.seenTransitions - 1) { continue }
            guard !snapshot.isEscalation, let kind = options.rules.definitions[snapshot.rule].taskKind else { continue }
            let device = table.devices[Int(snapshot.device)]
            switch snapshot.state {
            case .firing:
                let place = fencePlace(snapshot).map { ($0.latitude, $0.longitude) } ?? device.lat.flatMap { lat in device.lon.map { (lat, $0) } }
                dispatcher.alertFired(alert(snapshot), kind: kind, place: place, at: serverClock)
            case .resolved: dispatcher.alertResolved(alert(snapshot), kind: kind)
            case .pending: break
            }
            noteDispatch()
        }
    }

    /// Takes what the dispatcher has to say at this place among the alerts' transitions.
    func noteDispatch() {
        refreshNextDue()
        guard dispatcher.hasEvents else { return }
        for event in dispatcher.takeEvents() { dispatchJournal.events.append((dispatchJournal.seenTransitions, event)) }
    }

    // MARK: Commit

    var hasDispatchChanges: Bool {
        dispatchJournal.written < dispatchJournal.events.count || dispatcher.hasChanged || !silences.steps.isEmpty
    }

    /// Writes the events that came before the transition with this number (from 0) of the batch.
    func writeDispatch(beforeTransition number: Int, into result: inout Committed) throws(StoreError) {
        while true {
            if !silences.steps.isEmpty { try writeSilences(beforeTransition: number, into: &result) }
            guard dispatchJournal.written < dispatchJournal.events.count else { return }
            let (transitions, event) = dispatchJournal.events[dispatchJournal.written]
            if transitions > number { return }
            dispatchJournal.written += 1
            try taskRows.write(event)
            try unitRows.write(event)
            try publish(CloudEvents.task(event, options: options), into: &result)
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
        var (boot, offset): (String?, Int64?)
        if options.clock == .wall, let known = wallOffset {
            // A jump that the source has not reported yet is left for it.
            let now = options.machine.wallOffset()
            if abs(now - known) < MachineClock.stepMilliseconds { wallOffset = now }
            (boot, offset) = (options.machine.boot, wallOffset)
        }
        try store.write(
            clock: serverClock, correctionMilliseconds: clockCorrection, boot: boot, wallOffsetMilliseconds: offset,
            dispatch: dispatchFingerprint)
    }
}
