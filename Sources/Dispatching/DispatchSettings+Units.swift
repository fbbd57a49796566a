public import Telemetry

extension DispatchSettings {
    /// Who decides which unit goes.
    public enum Mode: String, Sendable, CaseIterable {
        /// Patrol sends the nearest.
        case automatic
        /// Patrol proposes it, and the operator confirms.
        case proposal
        case manual
    }

    /// Tells a level of the command chain when a task is not so far yet after a time.
    public struct Step: Sendable, Equatable {
        /// Since the task was made, or reopened.
        public var afterMilliseconds: Int64
        public var unless: TaskStage
        public var level: Area.Level

        public init(afterMilliseconds: Int64, unless: TaskStage, level: Area.Level) {
            self.afterMilliseconds = afterMilliseconds
            self.unless = unless
            self.level = level
        }
    }

    /// Somebody who is told of tasks that escalate.
    public struct Receiver: Sendable, Equatable {
        public var name: String
        public var level: Area.Level
        /// Of the tasks there and below; of all where nil.
        public var area: String?
        public var shift: HourRange?

        public init(name: String, level: Area.Level, area: String? = nil, shift: HourRange? = nil) {
            self.name = name
            self.level = level
            self.area = area
            self.shift = shift
        }

        func holds(_ taskArea: String, in areas: AreaTree) -> Bool {
            guard let area else { return true }
            return areas.isEmpty ? taskArea.hasPrefix(Area.shortCode(area)) : areas.isIn(taskArea, area)
        }
    }
}
