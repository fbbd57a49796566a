import Foundation
import Telemetry

/// JSON lines: the native payload of one reading a line, with its `device`, `kind`, `gateway` and `received_ts` beside the
/// payload's own keys. The line itself is the payload: the decoder passes over keys that it does not know.
extension Recording {
    private struct Names: Decodable {
        var device: String?
        var kind: String?
        var gateway: String?
        var received_ts: Int64?
    }

    func jsonLine(_ line: UnsafeRawBufferPointer, _ body: (Message) throws -> Bool) throws -> Bool {
        let names: Names
        do {
            names = try JSONDecoder().decode(Names.self, from: unsafe Data(line))
        } catch {
            problem("no JSON object with the texts device, kind and gateway and the whole number received_ts")
            return true
        }
        guard let device = names.device, !device.isEmpty else {
            problem("the device is missing")
            return true
        }
        let topic = Array("\(options.topicRoot)/in/\(names.gateway ?? options.gateway)/\(names.kind ?? options.kind.name)/\(device)".utf8)
        let received = names.received_ts.map(Timestamp.init(milliseconds:))
        return unsafe try topic.withUnsafeBytes { unsafe try body(Message($0, line, received)) }
    }
}
