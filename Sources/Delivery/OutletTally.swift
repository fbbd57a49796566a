import Foundation

/// What an outlet counts since the start and remembers of the other side's last word, for its report.
struct OutletTally: Sendable {
    var sent: Int64 = 0, failures: Int64 = 0, given: Int64 = 0
    private(set) var lastAnswer: String?
    private var lastAnswerAt: Int64?

    mutating func note(_ answer: String) {
        lastAnswer = answer
        lastAnswerAt = OutletTally.wall
    }

    /// UTC milliseconds.
    static var wall: Int64 { Int64(Date().timeIntervalSince1970 * 1000) }

    /// - Parameters:
    ///   - last: number of the newest event.
    ///   - otherwise: the condition where it is not paused.
    ///   - nextAttempt: milliseconds until then.
    func report(
        _ name: String, _ progress: OutletProgress, last: Int64, paused: String?, otherwise: OutletReport.Condition, inFlight: Int,
        nextAttempt: Int64? = nil
    ) -> OutletReport {
        let lag = max(0, last - progress.delivered)
        var report = OutletReport(
            name: name, condition: paused != nil ? .paused : otherwise, delivered: progress.delivered, lagEvents: lag,
            lagSeconds: OutletLag.seconds(events: lag, oldestAt: progress.oldestAt), inFlight: inFlight)
        report.reason = paused
        (report.sent, report.failures, report.given) = (sent, failures, given)
        (report.lastAnswer, report.lastAnswerAt) = (lastAnswer, lastAnswerAt)
        report.nextAttempt = nextAttempt.map { OutletTally.wall + max(0, $0) }
        return report
    }
}
