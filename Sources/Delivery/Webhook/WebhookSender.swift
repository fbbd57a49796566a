import Foundation
import Telemetry

/// The effects of a webhook: one signed POST, and what its answer means for the event.
struct WebhookSender: Sendable {
    static let type = "application/cloudevents+json; charset=utf-8"

    private let http: HTTPSender
    private let options: WebhookOptions
    private let hears: @Sendable (Action) async -> ActionAnswer

    init(options: WebhookOptions, hears: @escaping @Sendable (Action) async -> ActionAnswer) {
        http = HTTPSender(options.receiver)
        self.options = options
        self.hears = hears
    }

    /// - Returns: what came of it, and the receiver's answer in words; nil where it is not told of this event.
    func send(_ event: StreamEvent) async -> (WebhookState.Outcome, String?) {
        guard let adapter = options.adapter else {
            let (outcome, answer) = await post(id: event.id, TaskDocument(type: WebhookSender.type, body: event.json))
            return (outcome, answer.words)
        }
        guard let document = adapter.document(for: event) else { return (.taken, nil) }
        let (outcome, answer) = await post(id: event.id, document)
        guard outcome == .taken else { return (outcome, answer.words) }
        do throws(OutletProblem) {
            guard let said = try adapter.answer(answer.body) else { return (.taken, answer.words) }
            var action = Action("task.external", subject: event.attributes.subject, author: options.name, fields: said.fields)
            if let number = event.data["number"] as? NSNumber { action.fields["seen"] = .number(number.doubleValue) }
            switch await hears(action) {
            case .done: return (.taken, answer.words)
            case .refused(let refusal) where refusal.cause == .unavailable: return (.failed(refusal.message), refusal.message)
            case .refused(let refusal): throw OutletProblem("its answer cannot be used: \(refusal)")
            }
        } catch {
            return (.refused(error.description), error.description)
        }
    }

    /// - Returns: what came of it, and the receiver's answer in words and bytes.
    func post(id: String, _ document: TaskDocument) async -> (WebhookState.Outcome, (words: String, body: [UInt8])) {
        let seconds = Int64(Date().timeIntervalSince1970)
        var headers = [("webhook-id", id), ("webhook-timestamp", "\(seconds)")]
        if !options.keys.isEmpty {
            headers.append(
                ("webhook-signature", WebhookSignature.header(id: id, seconds: seconds, body: document.body, keys: options.keys)))
        }
        switch await http.post(document.body, type: document.type, headers: headers) {
        case .failure(let failure): return (.failed(failure.words), (failure.words, []))
        case .success(let answer):
            let outcome = WebhookAnswer.outcome(code: answer.code, retryAfter: answer.retryAfter, now: Date())
            return (outcome, (outcome == .taken ? "HTTP \(answer.code)" : answer.words, answer.body))
        }
    }

    func close() async { await http.close() }
}

/// What an HTTP answer means for an event. Pure.
enum WebhookAnswer {
    /// - Parameter retryAfter: seconds, or a date (RFC 9110 §10.2.3).
    static func outcome(code: Int, retryAfter: String?, now: Date) -> WebhookState.Outcome {
        let pause = retryAfter.flatMap { milliseconds(retryAfter: $0, now: now) }
        switch code {
        case 200..<300: return .taken
        case 410: return .gone
        case 429: return .busy(afterMilliseconds: pause)
        case 503 where pause != nil: return .busy(afterMilliseconds: pause)
        case 300..<400: return .failed("HTTP \(code): redirects are not followed; give the address that it leads to")
        case 400, 413, 415, 422: return .refused("HTTP \(code)")
        default: return .failed("HTTP \(code)")
        }
    }

    static func milliseconds(retryAfter text: String, now: Date) -> Int64? {
        let text = text.trimmingCharacters(in: .whitespaces)
        if let seconds = Int64(text) { return (0...31_536_000).contains(seconds) ? seconds * 1000 : nil }
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(secondsFromGMT: 0)
        format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        return format.date(from: text).map { max(0, Int64($0.timeIntervalSince(now) * 1000)) }
    }
}
