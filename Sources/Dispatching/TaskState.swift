public import Telemetry

/// A task as it stands: all that its next step depends on. A row of the table `task`.
public struct TaskState: Sendable, Equatable {
    /// One of the three clocks.
    public struct Running: Sendable, Equatable {
        /// Nil until it has started.
        public var due: Timestamp?
        public var stoppedAt: Timestamp?
        public var isWarned = false
        public var isBreached = false

        public init() {}

        public var isRunning: Bool { due != nil && stoppedAt == nil }
    }

    public var id: String
    /// In the order in which tasks were made.
    public var number: Int64
    /// What a later alert or lead must have in common to join this task: its kind and its site or device.
    public var situation: String
    public var kind: String
    public var area: String
    public var site: String?
    public var lat: Double?, lon: Double?
    /// The first alert.
    public var alertID: String?
    /// `info`, `warning` or `critical`.
    public var severity: String
    /// Of ``priorities``.
    public var priority = 3
    public var createdAt: Timestamp
    public var stage = TaskStage.reported
    /// The stage to which a suspended task returns.
    public var stageBefore: TaskStage?
    public var suspendedUntil: Timestamp?
    public var suspendedAt: Timestamp?
    public var unit: String?
    /// To whom it was transferred.
    public var department: String?
    public var respond = Running()
    public var setOut = Running()
    public var dispose = Running()
    /// Who brought it to its stage, and when.
    public var lastBy: String
    public var lastAt: Timestamp
    /// Who reported what was found.
    public var feedbackBy: String?
    /// When the matter was last settled.
    public var disposedAt: Timestamp?
    public var mergedInto: String?
    /// Alerts of the situation that fire now.
    public var firing: [String] = []
    /// Events on record.
    public var events: Int64 = 0
    /// The unit must have acknowledged by then; nil where none is waited for.
    public var unitDue: Timestamp?
    /// The unit that Patrol proposes to the operator.
    public var proposed: String?
    /// It was said that no unit can be sent.
    public var isUnserved = false
    /// When the task was made or last reopened.
    public var roundAt: Timestamp
    /// Steps of the escalation that are done in this round.
    public var escalated = 0
    /// Units that were asked in this round and did not answer or gave it back.
    public var tried: [String] = []
    /// Nobody looks at it any more after this: a settled task whose time to reopen is over.
    public var forgetAt: Timestamp?
    /// What a lead said.
    public var subject: String?
    /// Of a joint task: what each department has to report.
    public var parts: [Part] = []
    /// Of a one-key dispatch: all units that were sent.
    public var crew: [Member] = []
    /// References of its leads, the newest.
    public var leads: [String] = []

    public init(
        id: String, number: Int64, situation: String, kind: String, area: String, severity: String, createdAt: Timestamp,
        by author: String
    ) {
        self.id = id
        self.number = number
        self.situation = situation
        self.kind = kind
        self.area = area
        self.severity = severity
        self.createdAt = createdAt
        lastBy = author
        lastAt = createdAt
        roundAt = createdAt
    }

    /// A department's part of a joint task.
    public struct Part: Sendable, Equatable {
        public var department: String
        /// Who reported what was found for it.
        public var by: String?

        public init(department: String, by: String? = nil) {
            self.department = department
            self.by = by
        }
    }

    /// One of many units that were sent to one place.
    public struct Member: Sendable, Equatable {
        public var unit: String
        /// ``TaskStage/assigned``, ``TaskStage/acknowledged``, ``TaskStage/setOut``, ``TaskStage/onScene`` or
        /// ``TaskStage/returned``.
        public var stage = TaskStage.assigned
        public var at: Timestamp

        public init(unit: String, stage: TaskStage = .assigned, at: Timestamp) {
            self.unit = unit
            self.stage = stage
            self.at = at
        }
    }

    /// The units that can be sent nowhere else.
    var occupied: Set<String> {
        guard stage.occupiesUnit else { return [] }
        return Set(crew.filter { $0.stage.occupiesUnit }.map(\.unit)).union(unit.map { [$0] } ?? [])
    }

    /// Leads kept with the task: a lead that comes again is found among them.
    static let keptLeads = 200

    mutating func note(lead reference: String) {
        leads.append(reference)
        if leads.count > TaskState.keptLeads { leads.removeFirst() }
    }

    public subscript(_ clock: TaskClock) -> Running {
        get {
            switch clock {
            case .respond: respond
            case .setOut: setOut
            case .dispose: dispose
            }
        }
        set {
            switch clock {
            case .respond: respond = newValue
            case .setOut: setOut = newValue
            case .dispose: dispose = newValue
            }
        }
    }

    // MARK: Clocks

    /// Starts the clocks that run from here on and stops those for which the stage was waited.
    mutating func move(clocksTo stage: TaskStage, at: Timestamp, kind: DispatchSettings.Kind) {
        for clock in TaskClock.allCases {
            let rule = kind[clock]
            if self[clock].due == nil, rule.start == .created || TaskState.isReached(rule.start.stage, by: stage) {
                self[clock].due = at + rule.limitMilliseconds
            }
            if self[clock].stoppedAt == nil, stage == .cancelled || TaskState.isReached(rule.stop, by: stage) {
                self[clock].stoppedAt = at
            }
        }
    }

    private static func isReached(_ wanted: TaskStage?, by stage: TaskStage) -> Bool {
        guard let wanted = wanted?.progress, let progress = stage.progress else { return false }
        return progress >= wanted
    }

    /// A reopened task's clocks run anew.
    mutating func restartClocks(at: Timestamp, kind: DispatchSettings.Kind) {
        for clock in TaskClock.allCases { self[clock] = Running() }
        move(clocksTo: .reported, at: at, kind: kind)
    }

    /// The clocks have stood still since the suspension.
    mutating func shiftClocks(by milliseconds: Int64) {
        for clock in TaskClock.allCases where self[clock].isRunning { self[clock].due = self[clock].due! + milliseconds }
    }

    // MARK: What is due

    enum Due: Sendable, Equatable {
        case warning(TaskClock)
        case breach(TaskClock)
        case unitSilent
        case lookAgain
        case escalation
        case suspensionOver
        case stillFiring
        case forget
    }

    /// The first step of the escalation that is not done and whose stage the task has not reached.
    func nextStep(_ settings: DispatchSettings) -> Int? {
        settings.escalation.indices.dropFirst(escalated).first { index in
            guard let progress = stage.progress, let wanted = settings.escalation[index].unless.progress else { return true }
            return progress < wanted
        }
    }

    /// What comes next by itself and when; of two at one moment the one that stands first here.
    func next(_ settings: DispatchSettings) -> (at: Timestamp, what: Due)? {
        let kind = settings.kind(self.kind)
        var found: (at: Timestamp, what: Due)?
        func consider(_ at: Timestamp?, _ what: Due) {
            guard let at, found.map({ at < $0.at }) ?? true else { return }
            found = (at, what)
        }
        let isPaused = stage == .suspended && kind.pausesWhileSuspended
        if !isPaused {
            for clock in TaskClock.allCases where self[clock].isRunning {
                let running = self[clock]
                let warn = kind[clock].warnMilliseconds
                if warn > 0 && !running.isWarned { consider(running.due! + -warn, .warning(clock)) }
                if !running.isBreached { consider(running.due, .breach(clock)) }
            }
        }
        if stage == .assigned { consider(unitDue, .unitSilent) }
        if stage.needsUnit { consider(unitDue, .lookAgain) }
        if stage.isOpen, stage != .suspended, let step = nextStep(settings) {
            // A task that falls back behind a step whose time is over takes it now.
            consider(max(roundAt + settings.escalation[step].afterMilliseconds, lastAt), .escalation)
        }
        if stage == .suspended { consider(suspendedUntil, .suspensionOver) }
        if let disposedAt, !firing.isEmpty, (stage.progress ?? 0) >= TaskStage.disposed.progress! {
            consider(disposedAt + kind.stillFiringMilliseconds, .stillFiring)
        }
        consider(forgetAt, .forget)
        return found
    }
}

/// Something that happened to a task: a row of `task_event` and an event for the consumers.
public struct TaskEvent: Sendable, Equatable {
    /// The task after it.
    public var task: TaskState
    /// The stage's name, or what happened besides: `respond_warning`, `respond_breached`, `joined`, `comment` …
    public var what: String
    public var from: TaskStage?
    public var at: Timestamp
    public var who: String
    public var role: Action.Role
    public var why: String?
    /// Where it was done from.
    public var lat: Double?, lon: Double?
    public var feedback: Feedback?
    /// What another system has said of it.
    public var external: ExternalReport?
    /// The unit it is about, where that is one of many.
    public var unit: String?
    /// Visits that were planned.
    public var plans: [VisitPlan] = []
    /// A planned visit that is due.
    public var begun: VisitPlan?
    /// What asked for the task, where that is new.
    public var source: TaskSource?
    /// The unit's choice, with who else was considered.
    public var choice: UnitChoice?
    /// Who was told of an escalation, and of which level they are.
    public var level: Area.Level?
    public var told: [String] = []

    public init(
        task: TaskState, what: String, from: TaskStage? = nil, at: Timestamp, who: String, role: Action.Role, why: String? = nil
    ) {
        self.task = task
        self.what = what
        self.from = from
        self.at = at
        self.who = who
        self.role = role
        self.why = why
    }

    /// The event's number among those of its task, from 1.
    public var number: Int64 { task.events }
}
