import Glibc
import Telemetry

/// What an officer reports about what was found, by the kind of the task.
public enum FeedbackTemplate: String, Sendable, CaseIterable {
    /// In words.
    case general
    /// With an instrument's value.
    case noise
}

public struct Feedback: Sendable, Equatable {
    public enum Verdict: String, Sendable, CaseIterable {
        case within, exceeded
        /// Nothing to be measured any more.
        case gone
    }

    /// Of a joint task: whose part it is.
    public var department: String?
    public var text: String?
    public var instrument: String?
    /// dB(A), over ``periodSeconds``.
    public var measured: Double?
    public var periodSeconds: Double?
    /// The background's level, dB(A), measured without the source.
    public var background: Double?
    /// ``measured`` less the background.
    public var corrected: Double?
    public var limit: Double?
    public var verdict: Verdict?
    public var measures: [String] = []
    /// References, not the pictures.
    public var photographs: [String] = []

    /// Beyond these no hand-held sound level meter of IEC 61672-1 measures.
    static let levels = 10.0...160.0
    /// Too near to the background to say anything of the source (HJ 706-2014 §6): measure again.
    static let leastDifference = 3.0

    /// The feedback that an action brings.
    static func read(_ action: Action, template: FeedbackTemplate) throws(ActionRefusal) -> Feedback {
        var feedback = Feedback()
        feedback.text = action.text("text")
        feedback.measures = action.list("measures")
        feedback.photographs = action.list("photographs")
        feedback.instrument = action.text("instrument")
        feedback.measured = action.number("laeq")
        feedback.periodSeconds = action.number("period_s")
        feedback.background = action.number("background")
        feedback.limit = action.number("limit")
        feedback.verdict = action.text("verdict").flatMap(Verdict.init)
        switch template {
        case .general:
            if feedback.text?.isEmpty ?? true { throw missing("text", "say in words what was found") }
        case .noise: try feedback.checkNoise()
        }
        return feedback
    }

    private static func missing(_ field: String, _ what: String) -> ActionRefusal {
        ActionRefusal(.invalid, "feedback needs '\(field)': \(what)", field: field)
    }

    private mutating func checkNoise() throws(ActionRefusal) {
        guard let verdict else { throw Feedback.missing("verdict", "within, exceeded or gone") }
        if verdict == .gone && measured == nil {
            if text?.isEmpty ?? true { throw Feedback.missing("text", "nothing was measured, so say in words what was found") }
            return
        }
        guard instrument?.isEmpty == false else { throw Feedback.missing("instrument", "its type and number") }
        guard let measured else { throw Feedback.missing("laeq", "the measured level in dB(A)") }
        guard periodSeconds != nil else { throw Feedback.missing("period_s", "how long it was measured") }
        guard let limit else { throw Feedback.missing("limit", "the limit in dB(A) that applies there") }
        for (name, value) in [("laeq", measured), ("limit", limit), ("background", background ?? measured - 10)] {
            guard Feedback.levels.contains(value) else {
                throw ActionRefusal(
                    .invalid,
                    "\(name) is a level from \(Int(Feedback.levels.lowerBound)) to \(Int(Feedback.levels.upperBound)) dB(A), not \(value)",
                    field: name)
            }
        }
        corrected = measured
        if let background {
            guard measured - background >= Feedback.leastDifference else {
                throw ActionRefusal(
                    .invalid,
                    "the background of \(background) dB(A) is less than \(Feedback.leastDifference) dB below the \(measured) measured: "
                        + "that says nothing of the source; measure again",
                    field: "background")
            }
            // Ls = 10·lg(10^(0.1·Lm) − 10^(0.1·Lb))
            let source = 10 * log10(pow(10, 0.1 * measured) - pow(10, 0.1 * background))
            corrected = (source * 10).rounded() / 10
        }
        let isOver = corrected! > limit
        guard verdict == .gone || isOver == (verdict == .exceeded) else {
            throw ActionRefusal(
                .invalid, "\(corrected!) dB(A) is \(isOver ? "over" : "within") the limit of \(limit): the verdict cannot be '\(verdict.rawValue)'",
                field: "verdict")
        }
    }
}
