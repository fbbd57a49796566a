/// Where a task stands: the stages of the district's dispatch (上报 … 办结) and those beside the straight way.
public enum TaskStage: String, Sendable, CaseIterable {
    case reported, accepted, assigned, acknowledged
    case setOut = "set_out"
    case onScene = "on_scene"
    case disposed, feedback, verified, closed
    case returned, transferred, suspended, cancelled, reopened

    /// Somebody still has to do something.
    public var isOpen: Bool { self != .closed && self != .cancelled }

    /// A unit is on it: from its assignment until the matter is settled.
    public var occupiesUnit: Bool {
        switch self {
        case .assigned, .acknowledged, .setOut, .onScene: true
        default: false
        }
    }

    /// Somebody has to be found who goes.
    public var needsUnit: Bool {
        switch self {
        case .reported, .accepted, .returned, .reopened: true
        default: false
        }
    }

    /// How far along the straight way; nil beside it. A clock stops at a stage or at any later one.
    public var progress: Int? {
        switch self {
        case .reported: 0
        case .accepted: 1
        case .assigned: 2
        case .acknowledged: 3
        case .setOut: 4
        case .onScene: 5
        case .disposed: 6
        case .feedback: 7
        case .verified: 8
        case .closed: 9
        case .returned, .transferred, .suspended, .cancelled, .reopened: nil
        }
    }
}
