import ArgumentParser
import Foundation
import Mosquitto
import Settings
import Store

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Looks at the running system: store, accounting, broker, disk, clock, limits.",
        discussion: """
            Each line says what was found and, where something needs attention, what to do. The exit code is then 1.

            EXAMPLES
              patrol doctor
              patrol doctor --config /etc/patrol/patrol.yaml --format json
            """)

    @Option(help: "table or json.") var format = "table"
    @OptionGroup var options: StoreOptions

    func run() throws {
        Output.ignoreBrokenPipe()
        guard format == "table" || format == "json" else {
            throw Exit.fail("--format is table or json, not '\(format)'", Exit.usage)
        }
        let path = try options.path()
        var findings = DoctorFindings()
        let isBalanced = findings.look(atStore: path)
        findings.look(atOutletsOf: path)
        findings.look(atDiskOf: path)
        let settings = try options.settings()
        if let settings { findings.look(atBroker: settings.broker.url) }
        let host = settings.flatMap { BrokerAddress(url: $0.broker.url)?.host }
        findings.lookAtBrokerLimits(
            beside: path, usesSystemBroker: host.map { ["127.0.0.1", "localhost", "::1"].contains($0) } ?? false)
        findings.lookAtClock()
        findings.lookAtFileLimit()
        findings.lookAtVersions()
        let isHealthy = findings.all.allSatisfy(\.isGood)
        if format == "json" {
            let list = findings.all.map {
                JSONLine.text([("name", .text($0.name)), ("ok", .bool($0.isGood)), ("text", .text($0.text))])
            }
            Output.line(
                JSONLine.text([
                    ("ok", .bool(isHealthy)), ("balanced", .bool(isBalanced)),
                    ("findings", .raw("[\(list.joined(separator: ","))]")),
                ]))
        } else {
            for finding in findings.all {
                let name = finding.name.padding(toLength: 13, withPad: " ", startingAt: 0)
                Output.line("\(finding.isGood ? "ok  " : "FAIL") \(name) \(finding.text)")
            }
        }
        if !isHealthy { throw Exit.problems }
    }
}

extension Port {
    /// Whether a TCP connection can be made within two seconds.
    static func answers(host: String, port: Int) -> Bool {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, "\(port)", &hints, &found) == 0, let first = unsafe found else { return false }
        defer { unsafe freeaddrinfo(first) }
        let descriptor = unsafe socket(first.pointee.ai_family, first.pointee.ai_socktype, 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 2, tv_usec: 0)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        return unsafe connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0
    }
}
