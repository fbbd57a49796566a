import Delivery
import Hummingbird
import Store

/// JSON text, member by member.
enum JSONText {
    /// A JSON string (RFC 8259 §7).
    static func quoted(_ text: String) -> String { JSONObject.quoted(text) }

    static func page(_ page: StorePage) -> String {
        let keys = page.columns.enumerated().map { index, column in Array(((index == 0 ? "{" : ",") + quoted(column) + ":").utf8) }
        var text = Array("{\"items\":[".utf8)
        text.reserveCapacity(page.rows.count * keys.count * 24)
        for (index, row) in page.rows.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            for (value, key) in zip(row, keys) {
                text += key
                append(value, to: &text)
            }
            text.append(UInt8(ascii: "}"))
        }
        text += "],\"next\":\(page.next.map { quoted($0.description) } ?? "null")}".utf8
        return String(decoding: text, as: UTF8.self)
    }

    private static func append(_ value: StoreValue, to text: inout [UInt8]) {
        switch value {
        case .integer(let number): text += number.description.utf8
        case .real(let number) where number.isFinite: text += number.description.utf8
        // JSON has no infinity.
        case .null, .real: text += "null".utf8
        case .text(let string): text += quoted(string).utf8
        }
    }
}

/// Responses of the server's few shapes.
enum Reply {
    static func text(_ text: String, type: String = "text/plain; charset=utf-8", status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: type, .cacheControl: "no-store", .xContentTypeOptions: "nosniff"],
            body: .init(byteBuffer: ByteBuffer(string: text)))
    }

    static func json(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
        Reply.text(text + "\n", type: "application/json; charset=utf-8", status: status)
    }

    /// What was wrong with the request, or why it cannot be answered now.
    static func problem(_ status: HTTPResponse.Status, _ message: String) -> Response {
        json("{\"error\":\(JSONText.quoted(message))}", status: status)
    }

    static func problem(_ error: StoreError) -> Response {
        switch error.cause {
        case .input: problem(.badRequest, error.detail)
        default: problem(.serviceUnavailable, error.description)
        }
    }
}
