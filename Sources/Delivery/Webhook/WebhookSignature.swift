import Crypto
import Foundation

/// A secret that no log can show.
public struct WebhookKey: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible {
    let bytes: [UInt8]

    /// `whsec_` and 24 to 64 bytes in base64 (Standard Webhooks, "Signature scheme"); the prefix may be missing.
    /// - Returns: nil where the text is no such key.
    public init?(_ text: String) {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        let coded = trimmed.hasPrefix("whsec_") ? String(trimmed.dropFirst(6)) : trimmed
        guard let data = Data(base64Encoded: coded), (24...64).contains(data.count) else { return nil }
        bytes = Array(data)
    }

    public var description: String { "(secret)" }
    public var debugDescription: String { description }
}

/// Signatures of Standard Webhooks 1.0: HMAC-SHA256 over id, time and body.
public enum WebhookSignature {
    /// - Parameters:
    ///   - seconds: since 1970.
    ///   - keys: each signs, so that a receiver may know the old or the new one while they are changed.
    public static func header(id: String, seconds: Int64, body: [UInt8], keys: [WebhookKey]) -> String {
        let content = Array("\(id).\(seconds).".utf8) + body
        return keys.map { key in
            let code = HMAC<SHA256>.authenticationCode(for: content, using: SymmetricKey(data: key.bytes))
            return "v1," + Data(code).base64EncodedString()
        }.joined(separator: " ")
    }
}
