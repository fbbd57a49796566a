import Foundation

/// The effects of a webhook: one signed POST, and what its answer means for the event.
struct WebhookSender: Sendable {
    private let http: HTTPSender
    private let keys: [WebhookKey]

    init(options: WebhookOptions) {
        http = HTTPSender(options.receiver)
        keys = options.keys
    }

    /// - Returns: what came of it, and the receiver's answer in words.
    func send(id: String, body: [UInt8]) async -> (WebhookState.Outcome, String) {
        let seconds = Int64(Date().timeIntervalSince1970)
        var headers = [("webhook-id", id), ("webhook-timestamp", "\(seconds)")]
        if !keys.isEmpty {
            headers.append(("webhook-signature", WebhookSignature.header(id: id, seconds: seconds, body: body, keys: keys)))
        }
        switch await http.post(body, type: "application/cloudevents+json; charset=utf-8", headers: headers) {
        case .failure(let failure): return (.failed(failure.words), failure.words)
        case .success(let answer):
            let outcome = WebhookAnswer.outcome(code: answer.code, retryAfter: answer.retryAfter, now: Date())
            return (outcome, outcome == .taken ? "HTTP \(answer.code)" : answer.words)
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
