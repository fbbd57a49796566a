import Rules
import Telemetry

/// The silences that stand, which alerts they hold back, and what has happened to them since the last write.
struct SilenceBook {
    enum Step {
        case expired(number: Int64, Silence)
        /// Another silence holds the alert back now.
        case moved(alert: String, silence: String)
        /// None does any more: the alert speaks as if it fired now.
        case speaks(AlertSnapshot, at: Timestamp)
    }

    /// In the order in which they were made.
    var standing: [(number: Int64, silence: Silence)] = []
    /// Firing alerts that are held back, with the silence's id.
    var silenced: [String: String] = [:]
    /// Of the batch's transitions by number: the silence.
    var ofTransitions: [Int: String] = [:]
    /// Each with the numbers of the batch's transitions and of tasks' events before it: one order for all.
    var steps: [(transitions: Int, events: Int, step: Step)] = []

    /// Whether a transition must be looked at.
    var isInUse: Bool { !standing.isEmpty || !silenced.isEmpty }

    /// By the wall clock, `distantFuture` where none stands.
    var nextEnd: Timestamp { standing.map(\.silence.endsAt).min() ?? .distantFuture }

    /// The first that silences an alert at a moment of the wall clock.
    func match(_ alert: Alert, at moment: Timestamp, _ areas: AreaTree) -> Silence? {
        standing.first { $0.silence.holds(for: alert, at: moment, areas: areas) }?.silence
    }
}
