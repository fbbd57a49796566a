import ArgumentParser
import Foundation
import Ingest
import Mosquitto
import Pipeline
import Simulation
import Telemetry

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Publishes a simulated district, or a recording, to a broker over real MQTT.",
        discussion: """
            EXAMPLES
              patrol simulate --broker mqtt://127.0.0.1:1883 --duration 60s
              patrol simulate --broker mqtt://127.0.0.1:1883 --from meters.csv.gz --kind noise --gateway city --period 60s
            """)

    @Option(help: "The broker.") var broker = "mqtt://127.0.0.1:1883"
    @Option(help: "A recording to publish, as fast as it goes; as for 'patrol replay'.") var from: String?
    @Option(help: "CSV: the kind of the rows.") var kind = "noise"
    @Option(help: "CSV: the gateway that brings them.") var gateway = "recording"
    @Option(help: "CSV: how long a reading holds, for example 60s.") var period: String?
    @Option(help: "The district's seed: the same gives the same messages.") var seed: UInt64 = 1
    @Option(help: "The district: how long, for example 10m.") var duration = "60s"

    func run() throws {
        guard let address = BrokerAddress(url: broker) else {
            throw Exit.fail("--broker is mqtt://host:port or mqtts://host:port, not '\(broker)'", Exit.usage)
        }
        let feeder: Feeder
        do {
            feeder = try Feeder(connection: ConnectionOptions(address: address, clientID: "patrol-simulate-\(getpid())"))
        } catch {
            throw Exit.fail("\(error)", Exit.broker)
        }
        guard feeder.waitUntilConnected(seconds: 10) else {
            throw Exit.fail("the broker at \(address) cannot be reached; is it running?", Exit.broker)
        }
        if let from {
            try publish(from, feeder)
        } else {
            guard let milliseconds = Self.milliseconds(duration) else {
                throw Exit.fail("--duration \(duration): write for example 60s", Exit.usage)
            }
            var district = District(seed: seed, start: ServerClock.now)
            let end = ServerClock.now + milliseconds
            while ServerClock.now < end {
                for message in district.messages(until: ServerClock.now) {
                    feeder.send(topic: message.topic, payload: Array(message.payload.utf8))
                }
                usleep(100_000)
            }
        }
        let left = feeder.drain(seconds: 60)
        print("\(feeder.sentCount) messages published to \(address)")
        if left > 0 { throw Exit.fail("\(left) messages were not acknowledged by the broker", Exit.broker) }
    }

    private func publish(_ path: String, _ feeder: Feeder) throws {
        var options = RecordingOptions()
        guard let kind = Kind(name: kind) else { throw Exit.fail("no kind '\(kind)'", Exit.usage) }
        options.kind = kind
        options.gateway = gateway
        if let period {
            guard let seconds = ReplayCommand.seconds(period) else {
                throw Exit.fail("--period \(period): write a number of seconds, for example 60s", Exit.usage)
            }
            options.period = seconds
        }
        do {
            try feeder.send(recording: try Recording(path: path, options: options))
        } catch let error as RecordingError {
            throw Exit.fail(error.description, Exit.usage)
        }
    }

    static func milliseconds(_ text: String) -> Int64? {
        ReplayCommand.seconds(text).flatMap(Double.init).map { Int64($0 * 1000) }
    }
}
