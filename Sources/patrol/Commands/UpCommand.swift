import ArgumentParser
import Foundation
import Logging
import Mosquitto
import Pipeline
import Rules
import ServiceLifecycle
import Settings
import Simulation
import Store
import Telemetry

struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Everything on this machine: a mosquitto on loopback, the pipeline, alerts and tasks on the screen.",
        discussion: """
            Ctrl-C ends it all. The state stays in --state and is taken up again by the next 'patrol up'.

            EXAMPLES
              patrol up                         waits for your gateways
              patrol up --demo                  with a simulated district
              patrol up --demo --exit-after 60s
            """)

    @Flag(help: "Publish a simulated district.") var demo = false
    @Option(help: "End by itself after this time, for example 60s.") var exitAfter: String?
    @Option(help: "Folder of the store and the broker's persistence.") var state = "patrol-data"
    @Option(help: "Rule files or folders; without it a built-in set.") var rules: [String] = []
    @Option(help: "Settings whose rules, calendars, limits and places are used: Deploy/district/patrol.yaml.") var district: String?
    @Option(help: "Port of the broker; the next free one when it is taken.") var port = 1883
    @Option(help: "Port of the HTTP server; the next free one when it is taken.") var httpPort = 8080
    @Option(help: "Seed of the simulated district.") var seed: UInt64 = 1

    func run() async throws {
        let limit = try exitAfter.map { text in
            guard let milliseconds = SimulateCommand.milliseconds(text) else {
                throw Exit.fail("--exit-after \(text): write for example 60s", Exit.usage)
            }
            return milliseconds
        }
        let example = try self.district.map { path in try Exit.onProblems { try Settings.load(path: path) } }
        let definitions = try Exit.onProblems { try self.definitions(example) }
        let broker = try EmbeddedBroker(folder: state, port: freePort(port))
        defer { broker.stop() }
        var settings = Settings(storePath: "\(state)/patrol.db")
        settings.broker.url = "mqtt://127.0.0.1:\(broker.port)"
        settings.listenPort = freePort(httpPort)
        settings.rules = definitions
        if let example { settings.world = example.world }
        settings.registersUnknownDevices = true
        let district = District(seed: seed, start: ServerClock.now)
        if demo {
            settings.world.areas = district.areas
            settings.devices = district.devices.map {
                DeviceRecord(
                    kind: $0.kind, id: $0.id, gateway: $0.gateway, name: $0.name, area: $0.area, site: $0.site, lat: $0.lat,
                    lon: $0.lon, team: $0.team)
            }
            settings.world.sites = Sites(settings.world.sites.all + district.sites)
            // The patrol cars are sent to what the meters say.
            settings.world.units = district.devices.filter { $0.kind == .vehicle }.map {
                ResponseUnit(id: "unit-\($0.id)", kind: "car", device: $0.id, team: $0.team, areas: [$0.area], capabilities: ["noise"])
            }
        }
        Output.line(welcome(settings))
        var services: [any Service] = [ScreenService(storePath: settings.storePath)]
        if demo { services.append(DemoService(district: district, url: settings.broker.url)) }
        if let limit { services.append(TimerService(milliseconds: limit)) }
        try await Serve.run(settings: settings, more: services, logLevel: .warning)
        broker.stop()
        try summary(settings.storePath)
    }

    /// The rules of the example district are for its officers; for the screen one of the demo's own comes in place of its
    /// namesake, so that the first alerts come within seconds.
    private func definitions(_ example: Settings?) throws -> [RuleDefinition] {
        if !rules.isEmpty { return try RuleFile.load(rules, world: example?.world) }
        let own = try RuleFile.parse(District.rules, path: "built-in rules")
        guard let example else { return own }
        return example.rules.map { rule in demo ? own.first { $0.id == rule.id } ?? rule : rule }
    }

    private func freePort(_ wanted: Int) -> Int {
        (wanted..<wanted + 200).first { Port.isFree($0, host: "127.0.0.1") } ?? wanted
    }

    private func welcome(_ settings: Settings) -> String {
        let port = settings.broker.url.split(separator: ":").last.map(String.init) ?? "1883"
        let store = state == "patrol-data" ? "" : " --store \(settings.storePath)"
        return """
            Patrol is up: broker \(settings.broker.url), store \(settings.storePath), \
            http://127.0.0.1:\(settings.listenPort)/readyz
            \(demo ? "A simulated district of Yuhang publishes: 12 towns, 381 body cameras, 60 vehicles, 200 meters." : "Waiting for your gateways.")

            In another terminal:
              patrol tail\(store)
              patrol query readings --kind noise --limit 5\(store)
              mosquitto_pub -p \(port) -q 1 -t patrol/v1/in/my-gateway/noise/my-meter \\
                -m "{\\"ts\\": $(date +%s)000, \\"laeq\\": 74.2}"

            Alerts and tasks (Ctrl-C ends):
            """
    }

    private func summary(_ path: String) throws {
        let reader = try Exit.onStoreFailure { try StoreReader(path: path) }
        let text = try Exit.onStoreFailure {
            let counts = try reader.rows(
                """
                SELECT sum(received), sum(stored), sum(duplicate), sum(rejected), sum(dropped),
                  (SELECT count(*) FROM alert WHERE state <> 'pending'), (SELECT count(*) FROM task),
                  (SELECT count(*) FROM device) FROM message_count
                """).rows[0].map { $0.integer }
            return """

                \(counts[0]) readings received: \(counts[1]) stored, \(counts[2]) duplicate, \(counts[3]) rejected, \
                \(counts[4]) dropped
                \(counts[7]) devices, \(counts[5]) alerts, \(counts[6]) tasks in \(path)
                """
        }
        Output.line(text)
    }
}

/// Shows what is committed.
struct ScreenService: Service {
    let storePath: String

    func run() async throws {
        guard let reader = try? StoreReader(path: storePath), let zone = TimeZone(identifier: "Asia/Shanghai") else { return }
        await cancelWhenGracefulShutdown {
            var feed = EventFeed(reader: reader, timezone: zone, asJSON: false)
            _ = try? feed.begin(showing: 0, since: nil)
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(200))
                for line in (try? feed.next()) ?? [] { Output.line(line) }
            }
        }
    }
}

/// Ends everything when its time is over.
struct TimerService: Service {
    let milliseconds: Int64

    func run() async throws {
        await cancelWhenGracefulShutdown { try? await Task.sleep(for: .milliseconds(milliseconds)) }
    }
}

/// The simulated district, publishing over MQTT in real time.
struct DemoService: Service {
    let district: District
    let url: String

    func run() async throws {
        guard let address = BrokerAddress(url: url) else { return }
        let feeder = try Feeder(connection: ConnectionOptions(address: address, clientID: "patrol-demo"))
        _ = feeder.waitUntilConnected(seconds: 5)
        await cancelWhenGracefulShutdown { [district] in
            var district = district
            while !Task.isCancelled {
                for message in district.messages(until: ServerClock.now) {
                    feeder.send(topic: message.topic, payload: Array(message.payload.utf8))
                }
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
        _ = feeder.drain(seconds: 2)
    }
}
