public import Hummingbird
public import Logging

/// What the server is told by the pipeline, each time it is asked.
public struct StatusSource: Sendable {
    /// Reasons why it is not ready; empty when it is.
    public var troubles: @Sendable () -> [String]
    /// Metrics in the Prometheus text format 0.0.4.
    public var metrics: @Sendable () -> String

    public init(troubles: @escaping @Sendable () -> [String], metrics: @escaping @Sendable () -> String) {
        self.troubles = troubles
        self.metrics = metrics
    }

    /// With metrics that the server writes out.
    public init(troubles: @escaping @Sendable () -> [String], families: @escaping @Sendable () -> [MetricFamily]) {
        self.init(troubles: troubles, metrics: { families().map(\.text).joined() })
    }
}

/// `/healthz`, `/readyz` and `/metrics`.
enum StatusRoutes {
    static func add(to router: Router<BasicRequestContext>, _ source: StatusSource) {
        router.get("healthz") { _, _ in Reply.text("ok\n") }
        router.get("readyz") { _, _ -> Response in
            let troubles = source.troubles()
            let reasons = troubles.map(JSONText.quoted).joined(separator: ",")
            return Reply.json(
                "{\"ready\":\(troubles.isEmpty),\"reasons\":[\(reasons)]}", status: troubles.isEmpty ? .ok : .serviceUnavailable)
        }
        router.get("metrics") { _, _ in
            Reply.text(source.metrics(), type: "text/plain; version=0.0.4; charset=utf-8")
        }
    }
}

/// The status routes alone, without a store.
public enum StatusServer {
    public static func application(
        _ source: StatusSource, host: String, port: Int, logger: Logger
    ) -> some ApplicationProtocol {
        let router = Router(options: .autoGenerateHeadEndpoints)
        StatusRoutes.add(to: router, source)
        return Application(
            router: router,
            configuration: ApplicationConfiguration(address: .hostname(host, port: port), serverName: "patrol"),
            logger: logger)
    }
}
