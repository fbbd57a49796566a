public import Telemetry

extension RejectReason {
    /// What to do, for the integrator of the gateway.
    public var hint: String {
        switch self {
        case .malformed: "send a JSON object or an array of objects, each key once"
        case .type: "the field has another type; see the native payload"
        case .range: "the value is impossible for this field"
        case .missing: "the field must be there"
        case .future: "the time lies ahead of the server's: set the device's clock"
        case .tooOld: "the time is older than the readings that are kept"
        case .seqConflict: "the same device, ts and seq came with other values: count seq up"
        case .unknownDevice: "add the device to the devices file"
        case .wrongGateway: "the device belongs to another gateway"
        case .tooLarge: "split the message"
        case .limit: "too many: see the documented limits"
        case .unsupported: "this version does not read that"
        }
    }
}
