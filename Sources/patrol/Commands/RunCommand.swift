import API
import ArgumentParser
import Foundation
import Logging
import Mosquitto
import Pipeline
import ServiceLifecycle
import Settings
import Store
import Telemetry

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs the pipeline on your broker until it is told to stop.",
        discussion: """
            SIGTERM and Ctrl-C end it cleanly: what was read is committed and acknowledged first. SIGHUP (or 'patrol rules
            reload') reads the rules, dispatch.yaml, matters.yaml and the files around them again, all or
            nothing; with 'reload_on_change: true' a change of them does it too.

            EXAMPLES
              patrol run --config patrol.yaml
              PATROL_BROKER_URL=mqtt://10.0.0.5:1883 patrol run
            """)

    @Option(help: "The settings file.") var config = "patrol.yaml"

    func run() async throws {
        let settings = try Exit.onProblems { try Settings.load(path: config) }
        try await Serve.run(settings: settings, config: config)
    }
}

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks the settings and everything they name; all problems at once.",
        discussion: """
            Problems print as path:line:column: message; the exit code is then 1.

            EXAMPLES
              patrol check
              patrol check /etc/patrol/patrol.yaml
            """)

    @Argument(help: "The settings file.") var config = "patrol.yaml"

    func run() throws {
        do {
            let settings = try Settings.load(path: config)
            print(
                """
                \(config) is well: broker \(settings.broker.url), store \(settings.storePath), \
                \(settings.rules.count) rules, \(settings.devices.map { "\($0.count) devices" } ?? "any device")\(world(settings.world))\(settings.dispatch.matters.isEmpty ? "" : ", \(settings.dispatch.matters.count) matters")
                """)
        } catch {
            for problem in error.all { print(problem) }
            throw Exit.problems
        }
    }

    /// What the files of places and times hold, those that are there.
    private func world(_ world: World) -> String {
        let counts = [
            (world.areas.areas.count, "areas"), (world.sites.all.count, "sites"), (world.fences.all.count, "fences"),
            (world.calendars.count, "calendars"), (world.permits.all.count, "permits"), (world.units.count, "units"),
        ]
        return counts.filter { $0.0 > 0 }.map { ", \($0.0) \($0.1)" }.joined()
    }
}

/// The pipeline with its HTTP server, until a signal.
enum Serve {
    /// - Parameter config: the settings file that SIGHUP reads again.
    static func run(settings: Settings, config: String? = nil, more: [any Service] = [], logLevel: Logger.Level = .info) async throws {
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = label == "patrol" ? logLevel : .error
            return handler
        }
        FileLimit.raise()
        let logger = Logger(label: "patrol")
        let pipeline: LivePipeline
        do {
            pipeline = try Exit.onStoreFailure { try LivePipeline(settings: settings, logger: logger) }
        } catch let error as MosquittoError {
            throw Exit.fail("\(error)", Exit.broker)
        }
        if !Port.isFree(settings.listenPort, host: settings.listenHost) {
            throw Exit.fail(
                "http.listen \(settings.listenHost):\(settings.listenPort): the port is taken; choose another or end who has it",
                Exit.settings)
        }
        var options = HTTPServerOptions(
            host: settings.listenHost, port: settings.listenPort, timezone: settings.timezone,
            areaNames: settings.world.areas.names)
        options.topicRoot = settings.topicRoot
        let access = TokenFile(host: settings.listenHost, port: settings.listenPort)
        let server = HTTPServer(
            options: options,
            status: pipeline.statusSource,
            store: try Exit.onStoreFailure { try StoreReader(path: settings.storePath) }, outlets: pipeline.outlets,
            actions: ActionGate(token: access.token) { await pipeline.submit($0) }, logger: Logger(label: "http"))
        do {
            try access.write(besideStore: settings.storePath)
        } catch {
            throw Exit.fail("\(TokenFile.path(ofStore: settings.storePath)): the token file cannot be written (\(error.localizedDescription)); give the user write permission for the folder", Exit.store)
        }
        defer { TokenFile.remove(besideStore: settings.storePath) }
        let hangups = config.map { reloads(of: $0, into: pipeline, logger) }
        defer { hangups?.cancel() }
        let watch = config.flatMap { settings.reloadsOnChange ? changes(of: $0, settings.files, into: pipeline, logger) : nil }
        defer { watch?.cancel() }
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: server, successTerminationBehavior: .gracefullyShutdownGroup),
                    .init(service: pipeline, successTerminationBehavior: .gracefullyShutdownGroup),
                ] + more.map { .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup) },
                gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "services")))
        do {
            try await Exit.onStoreFailureAsync { try await group.run() }
        } catch let error as MosquittoError {
            throw Exit.fail("\(error)", Exit.broker)
        } catch let error as HTTPServerError {
            throw Exit.fail("\(error)", Exit.settings)
        }
    }
}

extension Serve {
    /// Reads the settings again at each SIGHUP. What is broken is said, and the old rules go on.
    private static func reloads(
        of config: String, into pipeline: LivePipeline, _ logger: Logger
    ) -> any DispatchSourceSignal {
        signal(SIGHUP, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global())
        source.setEventHandler { _ = reload(config, into: pipeline, logger) }
        source.resume()
        return source
    }

    /// Looks at the files from time to time and reads the settings again where they have changed.
    private static func changes(
        of config: String, _ files: [String], into pipeline: LivePipeline, _ logger: Logger
    ) -> Task<Void, Never> {
        Task.detached {
            var watch = FileWatch(paths: files)
            while (try? await Task.sleep(for: watchInterval)) != nil {
                guard watch.poll() else { continue }
                logger.info("the rules' files have changed")
                if let files = reload(config, into: pipeline, logger) { watch.paths = files }
            }
        }
    }

    private static let watchInterval = Duration.seconds(1)

    /// All or nothing; the files that the settings name now, nil where something is broken.
    private static func reload(_ config: String, into pipeline: LivePipeline, _ logger: Logger) -> [String]? {
        do throws(Problems) {
            let settings = try Settings.load(path: config)
            pipeline.reload(settings)
            return settings.files
        } catch {
            for problem in error.all { logger.error("\(problem)") }
            logger.error("\(error.all.count) problems in \(config): the rules stay as they were")
            return nil
        }
    }
}

enum Port {
    /// Whether nobody listens there.
    static func isFree(_ port: Int, host: String) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return true }
        defer { close(descriptor) }
        var on: Int32 = 1
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, 4)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = unsafe inet_addr(host == "localhost" ? "127.0.0.1" : host)
        if address.sin_addr.s_addr == INADDR_NONE { return true }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// A port of loopback that nobody has.
    static func free() -> Int {
        (20_000...60_000).lazy.map { _ in Int.random(in: 20_000...60_000) }.first { isFree($0, host: "127.0.0.1") } ?? 18_830
    }
}
