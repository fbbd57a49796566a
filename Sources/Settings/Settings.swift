public import Dispatching
public import Rules
import Foundation
public import Telemetry

/// Checked settings: what `patrol.yaml` says, with the environment's overrides, defaults filled in, paths resolved.
public struct Settings: Sendable {
    public struct Broker: Sendable {
        public var url = "mqtt://127.0.0.1:1883"
        public var clientID = "patrol-1"
        public var keepAliveSeconds = 60
        public var username: String?
        public var password: String?
        public var ca: String?
        public var certificate: String?
        public var key: String?
    }

    public enum Clock: String, Sendable, CaseIterable { case wall, readings }
    public enum FullPolicy: String, Sendable, CaseIterable { case wait, drop }

    public var broker = Broker()
    public var storePath: String
    /// Beyond this size of the write-ahead log an alarm is raised.
    public var walCapBytes: Int64 = 256 << 20
    /// Rows kept of the table `reject`, the newest.
    public var rejectRows: Int64 = 1_000_000
    public var listenHost = "127.0.0.1"
    public var listenPort = 8080
    public var timezone = "Asia/Shanghai"
    public var topicRoot = "patrol/v1"
    public var devices: [DeviceRecord]?
    /// Whether devices that the devices file does not have are registered too.
    public var registersUnknownDevices = false
    /// Areas, sites, fences, calendars, permits, limits and units.
    public var world = World(zone: LocalZone(identifier: "Asia/Shanghai") ?? .utc)
    public var rules: [RuleDefinition] = []
    public var qos0WhenFull = FullPolicy.wait
    public var futureAllowanceMilliseconds: Int64 = 60_000
    public var backfillAllowanceMilliseconds: Int64 = 600_000
    public var retention = Retention(
        Retention.Ages(rawMilliseconds: 30 * 86_400_000, historyMilliseconds: 365 * 86_400_000, minuteMilliseconds: 365 * 86_400_000))
    /// Events older than this leave the stream of the consumers; nil keeps all.
    public var eventRetentionMilliseconds: Int64? = 30 * 86_400_000
    public var outlets = OutletSettings()
    public var clock = Clock.wall
    public var rollups = Rollups()
    public var dispatch = DispatchSettings()

    /// Whether a change of ``files`` reads the rules again, as SIGHUP does.
    public var reloadsOnChange = false
    /// The files and folders that rules and the district come from, with the settings' own.
    public var files: [String] = []

    public init(storePath: String) { self.storePath = storePath }
}
