import Delivery
import Hummingbird
import Store

/// JSON text, member by member.
enum JSONText {
    /// A JSON string (RFC 8259 §7).
    static func quoted(_ text: String) -> String { JSONObject.quoted(text) }

    static func value(_ value: StoreValue) -> String {
        switch value {
        case .null: "null"
        case .integer(let number): "\(number)"
        // JSON has no infinity.
        case .real(let number): number.isFinite ? "\(number)" : "null"
        case .text(let text): quoted(text)
        }
    }

    static func page(_ page: StorePage) -> String {
        let keys = page.columns.map { quoted($0) + ":" }
        var text = "{\"items\":["
        for (index, row) in page.rows.enumerated() {
            text += index == 0 ? "{" : ",{"
            for (column, key) in keys.enumerated() {
                if column > 0 { text += "," }
                text += key
                text += value(row[column])
            }
            text += "}"
        }
        return text + "],\"next\":\(page.next.map { quoted($0.description) } ?? "null")}"
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
