// What evaluating rules costs, without a store: `rule-bench FILE DEVICES ROUNDS`, as tools/bench calls it. Each device, a
// noise meter, gives a reading a second in turn. Prints nanoseconds a reading, the alerts that fired and the readings.
import Foundation
import Rules
import Settings
import Telemetry

func fail(_ message: String) -> Never {
    FileHandle.standardError.write(Data("rule-bench: \(message)\n".utf8))
    exit(2)
}

guard CommandLine.arguments.count == 4, let devices = UInt32(CommandLine.arguments[2]), let rounds = Int(CommandLine.arguments[3]) else {
    fail("rule-bench FILE DEVICES ROUNDS")
}
guard let zone = LocalZone(identifier: "Asia/Shanghai") else { fail("no time zones here") }
let world = World(zone: zone)
let rules: RuleSet
do throws(Problems) {
    rules = RuleSet(try RuleFile.load([CommandLine.arguments[1]], world: world))
} catch {
    fail("\(error)")
}
var run = RuleRun(rules: rules, world: world)
for number in 0..<devices { run.add(device: Device(number: number, kind: .noise, id: "meter-\(number)", gateway: "gw")) }

/// A level between 50 and 74 dB that depends on device and round.
func level(_ device: UInt32, _ round: Int) -> Double {
    50 + Double(((device &* 2_654_435_761 &+ UInt32(truncatingIfNeeded: round) &* 40_503) >> 16) % 25)
}
func pass(_ rounds: Range<Int>, _ devices: UInt32, _ run: inout RuleRun) {
    var reading = Reading(kind: .noise, periodMilliseconds: 1000)
    for round in rounds {
        let clock = Timestamp(milliseconds: 1_780_000_000_000 + Int64(round) * 1000)
        reading.ts = clock
        reading.received = clock
        for device in 0..<devices {
            reading.device = device
            reading.set(NoiseValue.laeq, level(device, round))
            run.take(copy reading, clock: clock)
        }
    }
}

// Windows fill and states are made before the clock runs.
pass(0..<60, devices, &run)
let time = ContinuousClock().measure { pass(60..<60 + rounds, devices, &run) }
let nanoseconds = (time / .nanoseconds(1)) / Double(rounds * Int(devices))
print(nanoseconds, run.alerts.count, rounds * Int(devices))
