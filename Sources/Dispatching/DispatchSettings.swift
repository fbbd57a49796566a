/// What a district decides about its tasks.
public struct DispatchSettings: Sendable, Equatable {
    /// From when a clock of a task runs.
    public enum ClockStart: String, Sendable, CaseIterable {
        case created, accepted, assigned, acknowledged
        case setOut = "set_out"
        case onScene = "on_scene"

        var stage: TaskStage? { TaskStage(rawValue: rawValue) }
    }

    /// One of the three clocks.
    public struct Clock: Sendable, Equatable {
        public var start = ClockStart.created
        /// It stops when this stage is reached, or a later one.
        public var stop: TaskStage
        public var limitMilliseconds: Int64
        /// A warning so long before it is over; 0 gives none.
        public var warnMilliseconds: Int64

        public init(start: ClockStart = .created, stop: TaskStage, limitMilliseconds: Int64, warnMilliseconds: Int64) {
            self.start = start
            self.stop = stop
            self.limitMilliseconds = limitMilliseconds
            self.warnMilliseconds = warnMilliseconds
        }
    }

    public struct Kind: Sendable, Equatable {
        /// The district's 1315: respond within 1 minute, set out within 3, dispose within 15.
        public var respond = Clock(stop: .acknowledged, limitMilliseconds: 60_000, warnMilliseconds: 15_000)
        public var setOut = Clock(stop: .setOut, limitMilliseconds: 180_000, warnMilliseconds: 45_000)
        public var dispose = Clock(stop: .disposed, limitMilliseconds: 900_000, warnMilliseconds: 180_000)
        /// A suspended task's clocks stand still.
        public var pausesWhileSuspended = false
        public var feedback = FeedbackTemplate.general
        /// Closing needs a check by another person than the one who reported what was found.
        public var needsCheck = false
        /// An alert of the same situation within so long after the matter was settled reopens the task.
        public var reopenMilliseconds: Int64 = 3_600_000
        /// What a unit must be able to do.
        public var capabilities: Set<String> = []
        /// A unit's camera must be heard and record.
        public var needsCamera = false
        /// An alert that still fires so long after the matter was settled reopens the task.
        public var stillFiringMilliseconds: Int64 = 600_000

        public init() {}

        public subscript(_ clock: TaskClock) -> Clock {
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
    }

    public var kinds: [String: Kind] = [:]
    /// By code; empty where the district has no catalogue.
    public var matters: [String: Matter] = [:]
    /// Of every kind that has no settings of its own.
    public var otherKinds = Kind()

    public var mode = Mode.automatic
    /// A unit that has not acknowledged within so long is told so, and the next is sent.
    public var unitAcknowledgeMilliseconds: Int64 = 30_000
    /// Where no unit can be sent it is looked again after so long.
    public var lookAgainMilliseconds: Int64 = 30_000
    /// A unit whose newest fix is older is not sent.
    public var fixAgeMilliseconds: Int64 = 120_000
    public var accuracyMetres = 100.0
    /// A camera that was not heard for longer does not work.
    public var cameraAgeMilliseconds: Int64 = 180_000
    /// Where none of the area can be sent, others are.
    public var widens = true
    /// Leads of one matter so near and so soon after each other are one task, and a lead so near to a site is of it.
    public var joinMilliseconds: Int64 = 3_600_000
    public var joinMetres = 100.0
    public var siteMetres = 50.0
    /// By travel time instead of distance.
    public var travel: Travel?
    /// Units so little farther than the nearest (longer than the quickest) are as good; of these `tie` says who goes.
    public var fairMetres = 1.0, fairSeconds = 1.0
    public var tie = UnitBoard.Tie.idle
    /// Of the files that say all this; empty where there are none.
    public var fingerprint = ""
    public var escalation: [Step] = []
    public var priority: [PriorityLine] = []
    public var receivers: [Receiver] = []

    public init() {}

    /// A kind whose name begins with `noise` asks for a measured level unless it is set otherwise.
    public func kind(_ name: String) -> Kind {
        if let kind = kinds[name] { return kind }
        var kind = otherKinds
        if name.hasPrefix("noise") { kind.feedback = .noise }
        return kind
    }
}

/// The three clocks of a task.
public enum TaskClock: Int, Sendable, CaseIterable {
    case respond, setOut, dispose

    public var name: String { ["respond", "set_out", "dispose"][rawValue] }
}
