/// Every bound that more than one module relies on. ``relationsHold`` says how they depend on each other; a test
/// asserts it.
public enum Limits {
    /// Ids of gateways and devices, text values. Longer is refused.
    public static let idBytes = 64
    public static let textBytes = 64
    /// A topic longer than this is refused before it is read.
    public static let topicBytes = 256
    /// A payload longer than this is refused as `too_large`.
    public static let payloadBytes = 1 << 20
    /// Readings in one message; more are refused as `limit`.
    public static let readingsPerMessage = 10_000
    /// JSON nested deeper than this is refused.
    public static let nesting = 32
    /// Devices one gateway may bring into being, and devices in all.
    public static let devicesPerGateway = 20_000
    public static let devices = 200_000
    /// Corners of one ring of a polygon, periods of one calendar.
    public static let ringCorners = 20_000
    public static let calendarPeriods = 50_000
    /// A payload's part kept with its reject.
    public static let rejectExcerptBytes = 1024
    /// What another system says of a task, in one message.
    public static let externalBytes = 2560
    /// Slots of the ring, and the slots after which a batch is committed.
    public static let ringSlots = 1 << 16
    public static let batchSlots = 1 << 14
    /// Slots one record may take besides its first.
    public static let tailSlots = 24
    /// The words of a lead, and the reference to its picture.
    public static let leadTextBytes = 2000
    public static let leadPictureBytes = 500

    public static var relationsHold: Bool {
        ringSlots & (ringSlots - 1) == 0
            && batchSlots * 2 <= ringSlots
            && readingsPerMessage * 2 + tailSlots + 2 <= ringSlots / 2
            && (idBytes + externalBytes + 127) / 128 <= tailSlots
            && (rejectExcerptBytes + topicBytes + 3 * idBytes + 127) / 128 <= tailSlots
            && (2 * textBytes + 127) / 128 <= tailSlots
            && (6 * idBytes + leadTextBytes + leadPictureBytes + 127) / 128 <= tailSlots
            && devicesPerGateway <= devices
    }
}
