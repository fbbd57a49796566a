import Telemetry
import Testing

@testable import Dispatching

@Suite struct FeedbackTests {
    private let good: [String: ActionValue] = [
        "instrument": .text("AWA6228+ 001"), "laeq": .number(52.1), "period_s": .number(600), "limit": .number(55),
        "verdict": .text("within"), "measures": .list(["leaflet handed over"]), "photographs": .list(["p/1.jpg"]),
    ]

    private func read(_ changes: [String: ActionValue?], _ template: FeedbackTemplate = .noise) -> Result<Feedback, ActionRefusal> {
        var fields = good
        for (name, value) in changes { fields[name] = value }
        let action = Action("task.feedback", subject: "t1", author: "王", fields: fields)
        do throws(ActionRefusal) { return .success(try Feedback.read(action, template: template)) } catch { return .failure(error) }
    }

    @Test func theGoodOneIsTakenAsItIs() throws {
        let feedback = try read([:]).get()
        #expect(feedback.measured == 52.1 && feedback.corrected == 52.1 && feedback.verdict == .within)
        #expect(feedback.measures == ["leaflet handed over"] && feedback.photographs == ["p/1.jpg"])
    }

    @Test func theBackgroundIsTakenOff() throws {
        // domain: at a difference of 3 / 5 / 10 dB the correction is −3.02 / −1.65 / −0.46 dB.
        for (difference, correction) in [(3.0, -3.0), (5, -1.7), (10, -0.5)] {
            let feedback = try read(["laeq": .number(58), "background": .number(58 - difference), "verdict": .text(58 + correction > 55 ? "exceeded" : "within")]).get()
            #expect(abs(feedback.corrected! - (58 + correction)) < 0.051)
        }
    }

    @Test(arguments: [
        ("laeq", ActionValue.number(400), "from 10 to 160 dB(A), not 400"), ("laeq", .number(9.9), "from 10 to 160"),
        ("limit", .number(0), "from 10 to 160"), ("background", .number(50), "measure again"),
        ("background", .number(60), "measure again"), ("verdict", .text("exceeded"), "within the limit of 55.0"),
    ])
    func impossibleValuesAreRefused(field: String, value: ActionValue, words: String) {
        guard case .failure(let refusal) = read([field: value]) else {
            Issue.record("\(field) \(value) was taken")
            return
        }
        #expect(refusal.cause == .invalid && refusal.field == field && refusal.message.contains(words), "\(refusal)")
    }

    @Test func overTheLimitIsNotWithinIt() {
        guard case .failure(let refusal) = read(["laeq": .number(61)]) else { return #expect(Bool(false), "it was taken") }
        #expect(refusal.field == "verdict" && refusal.message.contains("61.0 dB(A) is over the limit of 55.0"))
    }

    @Test(arguments: ["instrument", "laeq", "period_s", "limit", "verdict"])
    func whatIsMissingIsNamed(field: String) {
        guard case .failure(let refusal) = read([field: ActionValue?.none]) else {
            Issue.record("\(field) was not missed")
            return
        }
        #expect(refusal.field == field)
    }

    @Test func nothingMeasuredNeedsWords() throws {
        guard case .failure(let refusal) = read(["verdict": .text("gone"), "laeq": ActionValue?.none]) else {
            Issue.record("it was taken")
            return
        }
        #expect(refusal.field == "text")
        #expect(try read(["verdict": .text("gone"), "laeq": ActionValue?.none, "text": .text("quiet")]).get().verdict == .gone)
    }

    @Test func otherKindsAreReportedInWords() throws {
        #expect(try read(["text": .text("moved away")], .general).get().text == "moved away")
        guard case .failure(let refusal) = read([:], .general) else {
            Issue.record("no words were taken")
            return
        }
        #expect(refusal.field == "text")
    }
}
