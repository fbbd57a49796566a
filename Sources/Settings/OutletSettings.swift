/// Where events go besides the broker and who asks for them: the section `outlets` of the settings.
public struct OutletSettings: Sendable {
    /// A text that no log can show.
    public struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible {
        public let text: String

        public init(_ text: String) { self.text = text }

        public var description: String { "(secret)" }
        public var debugDescription: String { description }
    }

    /// Which events; an empty list asks nothing.
    public struct Choice: Sendable, Equatable {
        public var types: [String] = [], areas: [String] = [], severities: [String] = [], rules: [String] = []
    }

    /// Where requests go.
    public struct Receiver: Sendable {
        public var url = ""
        /// A bearer token for the receiver.
        public var token: Secret?
        public var timeoutMilliseconds: Int64 = 10_000
        public var allowsPrivateAddresses = false
        public var caFile: String?
    }

    public struct Webhook: Sendable {
        public var name = ""
        public var receiver = Receiver()
        public var choice = Choice()
        /// Keys of Standard Webhooks; each signs.
        public var secrets: [Secret] = []
        public var retryForMilliseconds: Int64 = 3 * 86_400_000
        public var maxInFlight = 8
        public var beginsWithOldest = false
        /// Of another task system: how it is spoken to.
        public var adapter: String?
    }

    /// A Prometheus Alertmanager; its url is without `/api/v2/alerts`.
    public struct Alertmanager: Sendable {
        public var name = ""
        public var receiver = Receiver()
        public var choice = Choice()
        /// Open alerts are told again so often.
        public var resendMilliseconds: Int64 = 60_000
    }

    public var webhooks: [Webhook] = []
    /// Other task systems: webhooks with an adapter, whose answers come back.
    public var systems: [Webhook] = []
    /// Names of the adapters that there are.
    public static let adapters = ["cloudevents", "ticket"]
    public var alertmanagers: [Alertmanager] = []
    /// Streams (`/api/v1/stream`) open at a time.
    public var streamReaders = 4096

    public init() {}
}
