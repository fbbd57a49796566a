public import Delivery
public import Hummingbird
public import Logging
import NIOCore
public import ServiceLifecycle
public import Store

/// Where the server listens and what it shows.
public struct HTTPServerOptions: Sendable {
    public var host: String
    public var port: Int
    /// IANA name of the zone in which the console shows times.
    public var timezone: String
    /// Names of areas by code (6, 9 or 12 digits), for people; empty where there is no `areas` file.
    public var areaNames: [String: String]
    /// A connection whose other end takes nothing for so long is closed.
    public var stallMilliseconds: Int64 = 10_000
    /// Of the MQTT topics, for their description.
    public var topicRoot = "patrol/v1"
    /// Where the system's package libjs-leaflet has its files.
    public var leafletFolder = "/usr/share/javascript/leaflet"

    public init(host: String, port: Int, timezone: String = "Asia/Shanghai", areaNames: [String: String] = [:]) {
        self.host = host
        self.port = port
        self.timezone = timezone
        self.areaNames = areaNames
    }
}

/// The one error of the module.
public struct HTTPServerError: Error, Sendable, CustomStringConvertible {
    public let host: String, port: Int
    /// What the system said.
    public let detail: String

    public var description: String {
        """
        http.listen \(host):\(port): the server cannot listen there (\(detail)); choose another address or port in \
        http: { listen: … }, or end who has it (ss -ltnp 'sport = :\(port)')
        """
    }
}

/// Status, data, events, actions and console over HTTP. Only the POST of an action changes something, and needs the
/// token.
public struct HTTPServer: Service {
    private let options: HTTPServerOptions
    private let status: StatusSource
    private let store: StoreReader
    private let outlets: Outlets
    private let actions: ActionGate?
    private let logger: Logger

    public init(
        options: HTTPServerOptions, status: StatusSource, store: StoreReader, outlets: Outlets, actions: ActionGate? = nil,
        logger: Logger
    ) {
        self.options = options
        self.actions = actions
        self.logger = logger
        self.status = status
        self.store = store
        self.outlets = outlets
    }

    /// Runs until the service group ends it.
    /// - Throws: ``HTTPServerError`` where it cannot listen.
    public func run() async throws {
        let application = HTTPServer.application(
            options: options, status: status, store: store, outlets: outlets, actions: actions, logger: logger)
        do {
            try await application.run()
        } catch let error as IOError {
            throw HTTPServerError(host: options.host, port: options.port, detail: error.description)
        } catch let error as SocketAddressError {
            throw HTTPServerError(host: options.host, port: options.port, detail: "\(error)")
        }
    }

    /// - Parameter onRunning: called with the port once it listens.
    static func application(
        options: HTTPServerOptions, status: StatusSource, store: StoreReader, outlets: Outlets, actions: ActionGate? = nil,
        logger: Logger, onRunning: @escaping @Sendable (Int) -> Void = { _ in }
    ) -> some ApplicationProtocol {
        Application(
            router: router(options: options, status: status, store: store, outlets: outlets, actions: actions),
            server: .http1(
                configuration: .init(additionalChannelHandlers: [StallGuard(milliseconds: options.stallMilliseconds)])),
            configuration: ApplicationConfiguration(
                address: .hostname(options.host, port: options.port), serverName: "patrol"),
            onServerRunning: { channel in onRunning(channel.localAddress?.port ?? options.port) },
            logger: logger)
    }

    /// The routes alone, for tests without sockets.
    public static func router(
        options: HTTPServerOptions, status: StatusSource, store: StoreReader, outlets: Outlets, actions: ActionGate? = nil
    ) -> Router<BasicRequestContext> {
        let router = Router(options: .autoGenerateHeadEndpoints)
        router.add(middleware: Methods(takesActions: actions != nil))
        let access = StoreAccess(store)
        StatusRoutes.add(to: router, status)
        DataRoutes.add(to: router, access)
        StreamRoutes.add(to: router, outlets)
        OutletRoutes.add(to: router, outlets)
        DocumentRoutes.add(to: router, topicRoot: options.topicRoot)
        if let actions { ActionRoutes.add(to: router, actions) }
        Console.add(to: router, options)
        return router
    }
}

/// GET and HEAD, and POST where an action is.
private struct Methods: RouterMiddleware {
    let takesActions: Bool

    func handle(
        _ request: Request, context: BasicRequestContext,
        next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        let mayChange = takesActions && request.method == .post
        guard request.method == .get || request.method == .head || mayChange else {
            return Methods.notAllowed
        }
        do {
            return try await next(request, context)
        } catch let error as StoreError {
            return Reply.problem(error)
        } catch let error as HTTPError where error.status == .notFound {
            if mayChange { return Methods.notAllowed }
            return Reply.problem(.notFound, "there is no such path; /api/v1/openapi.json lists those there are")
        }
    }

    private static var notAllowed: Response {
        var response = Reply.problem(
            .methodNotAllowed, "only GET and HEAD are answered here; /api/v1/openapi.json lists what is changed by POST")
        response.headers[.allow] = "GET, HEAD"
        return response
    }
}
