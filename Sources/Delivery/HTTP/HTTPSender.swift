import AsyncHTTPClient
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Where requests go, and what a receiver may do to us.
public struct HTTPReceiver: Sendable {
    public var url: String
    /// A bearer token.
    public var token: SecretText?
    /// For everything: connecting, sending, the head of the answer and what is read of its body.
    public var timeout: Duration = .seconds(10)
    public var allowsPrivateAddresses = false
    /// Certificates that are trusted instead of the system's.
    public var caFile: String?
    public var connections = 8

    public init(url: String) { self.url = url }
}

/// A token that no log can show.
public struct SecretText: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible {
    let text: String

    public init(_ text: String) { self.text = text }

    public var description: String { "(secret)" }
    public var debugDescription: String { description }
}

/// The effect that all outlets over HTTP share: one POST and its answer. Redirects are not followed, the address is judged
/// before it is connected to, and a body without an end is not read to its end.
final class HTTPSender: Sendable {
    /// Of an answer's body so much is read (another system may answer with its whole case); the rest is not waited for.
    static let answerBytes = 65_536

    struct Answer: Sendable {
        var code: Int
        var retryAfter: String?
        /// The beginning of the body, ``answerBytes`` at most.
        var body: [UInt8] = []

        /// The body for people.
        var text: String { HTTPSender.excerpt(body) }
        var words: String { "HTTP \(code)" + (text.isEmpty ? "" : ": \(text)") }
    }

    /// Why there was no answer, in words.
    struct Failure: Error, Sendable { var words: String }

    private struct Held {
        var client: HTTPClient?
        /// The address to which the client's name is pinned.
        var address = ""
    }

    private let receiver: HTTPReceiver
    private let host: String
    private let guardian: AddressGuard
    private let held = Mutex(Held())

    init(_ receiver: HTTPReceiver) {
        self.receiver = receiver
        host = URL(string: receiver.url)?.host ?? ""
        guardian = AddressGuard(host: host, allowsPrivate: receiver.allowsPrivateAddresses)
    }

    /// - Parameter url: another address of the same host; nil is the receiver's.
    func post(
        _ body: [UInt8], type: String, headers: [(String, String)] = [], url: String? = nil
    ) async -> Result<Answer, Failure> {
        let address: String
        switch await guardian.address() {
        case .refused(let why): return .failure(Failure(words: why))
        case .address(let found): address = found
        }
        var request = HTTPClientRequest(url: url ?? receiver.url)
        request.method = .POST
        request.headers.add(name: "content-type", value: type)
        request.headers.add(name: "user-agent", value: "patrol")
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let token = receiver.token { request.headers.add(name: "authorization", value: "Bearer \(token.text)") }
        request.body = .bytes(body)
        let client = client(for: address)
        let work = Task { [request] in try await exchange(client, request) }
        let alarm = Task { [limit = receiver.timeout] in
            try await Task.sleep(for: limit)
            work.cancel()
        }
        defer { alarm.cancel() }
        return await withTaskCancellationHandler {
            do { return .success(try await work.value) } catch { return .failure(Failure(words: describe(error))) }
        } onCancel: {
            work.cancel()
        }
    }

    private func exchange(_ client: HTTPClient, _ request: HTTPClientRequest) async throws -> Answer {
        let response = try await client.execute(request, timeout: .nanoseconds(Int64(receiver.timeout / .nanoseconds(1))))
        var answer = Answer(
            code: Int(response.status.code), retryAfter: response.headers.first(name: "retry-after"))
        // A short body is read, so that the connection can be used again; whatever becomes of it, the head has spoken.
        do {
            for try await part in response.body {
                answer.body.append(contentsOf: part.readableBytesView.prefix(HTTPSender.answerBytes - answer.body.count))
                if answer.body.count >= HTTPSender.answerBytes { break }
            }
        } catch {}
        return answer
    }

    private func describe(_ error: any Error) -> String {
        let isTimeout = (error as? HTTPClientError).map {
            [.cancelled, .deadlineExceeded, .connectTimeout, .readTimeout].contains($0)
        }
        if error is CancellationError || isTimeout == true { return "no answer within \(receiver.timeout)" }
        if let error = error as? HTTPClientError { return error.shortDescription }
        if let error = error as? NIOConnectionError { return "no connection to \(error.host):\(error.port)" }
        return String("\(error)".prefix(200))
    }

    /// The beginning of a body for people: one line, nothing that moves a terminal's cursor.
    static func excerpt(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes.prefix(200), as: UTF8.self)
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }))
            .trimmingCharacters(in: .whitespaces)
    }

    /// The client whose connections go to `address`; another one when the name leads elsewhere.
    private func client(for address: String) -> HTTPClient {
        let (client, old) = held.withLock { held -> (HTTPClient, HTTPClient?) in
            if let client = held.client, held.address == address { return (client, nil) }
            var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
            configuration.httpVersion = .http1Only
            configuration.decompression = .disabled
            configuration.timeout.connect = .nanoseconds(Int64(receiver.timeout / .nanoseconds(1)))
            configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = max(receiver.connections, 1)
            configuration.connectionPool.retryConnectionEstablishment = false
            if address != host { configuration.dnsOverride = [host: address] }
            if let file = receiver.caFile {
                var tls = TLSConfiguration.makeClientConfiguration()
                tls.trustRoots = .file(file)
                configuration.tlsConfiguration = tls
            }
            let made = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
            let old = held.client
            held = Held(client: made, address: address)
            return (made, old)
        }
        if let old { Task { try? await old.shutdown() } }
        return client
    }

    func close() async {
        let client = held.withLock { held in
            defer { held = Held() }
            return held.client
        }
        try? await client?.shutdown()
    }
}
