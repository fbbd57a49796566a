/// Why a reading or a message was refused: the closed list of the contract, extended by decision only.
@frozen
public enum RejectReason: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    case malformed, type, range, missing, future, tooOld, seqConflict, unknownDevice, wrongGateway, tooLarge, limit
    case unsupported

    /// As written in the `reject` table, the rejects topic and metrics.
    public var name: String {
        switch self {
        case .malformed: "malformed"
        case .type: "type"
        case .range: "range"
        case .missing: "missing"
        case .future: "future"
        case .tooOld: "too_old"
        case .seqConflict: "seq_conflict"
        case .unknownDevice: "unknown_device"
        case .wrongGateway: "wrong_gateway"
        case .tooLarge: "too_large"
        case .limit: "limit"
        case .unsupported: "unsupported"
        }
    }
}
