import ArgumentParser
import Dispatch
import Foundation
import Ingest
import Pipeline
import Rules
import Settings
import Store
import Synchronization
import Telemetry

struct RulesBacktestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backtest",
        abstract: "What alerts rules would have raised over a store or a recording.",
        discussion: """
            The readings run through the same engine as live ones, in the order in which they came, with the clock of their
            arrival. Nothing is written. Without a devices file in the settings the devices have no site, area or zone.

            EXAMPLES
              patrol rules backtest rules/ --from patrol.db --config patrol.yaml
              patrol rules backtest new.yaml --from last-month.db --against rules/
              patrol rules backtest rules/ --from meters.csv.gz --period 60s --format json
            """)

    @OptionGroup var sources: RuleSources
    @OptionGroup var source: ReadingSource
    @Option(help: "Other rules: what is new, gone and moved against them.") var against: [String] = []
    @Option(help: "table, or json: a line for each alert, then the summary.") var format = "table"

    func run() throws {
        Output.ignoreBrokenPipe()
        guard format == "table" || format == "json" else {
            throw Exit.fail("--format is table or json, not '\(format)'", Exit.usage)
        }
        let loaded = try sources.load()
        let others = against.isEmpty ? nil : try Exit.onProblems { try RuleFile.load(against, world: loaded.settings?.world) }
        let store = try source.open()
        defer { store.close() }
        let run = try store.backtest(rules: loaded.rules, settings: loaded.settings, world: loaded.world)
        let report = BacktestReport(run, rules: loaded.rules, zone: loaded.world.zone)
        var difference: BacktestDifference?
        if let others {
            let other = try store.backtest(rules: others, settings: loaded.settings, world: loaded.world)
            difference = BacktestDifference(report, BacktestReport(other, rules: others, zone: loaded.world.zone))
        }
        for line in format == "json" ? report.json + (difference?.json ?? []) : report.table + (difference?.table ?? []) {
            Output.line(line)
        }
    }
}

/// Where a backtest or an explanation takes its readings.
struct ReadingSource: ParsableArguments {
    @Option(help: "A store, or a recording (text or CSV, plain or gzip'd).") var from: String
    @Option(help: "CSV: the kind of the rows (noise, vehicle, bodycam).") var kind = "noise"
    @Option(help: "CSV: how long a reading holds, for example 60s.") var period: String?

    func open() throws -> ReadingStore {
        guard FileManager.default.fileExists(atPath: from) else {
            throw Exit.fail("--from \(from): there is no such file", Exit.usage)
        }
        if ReadingSource.isStore(from) { return ReadingStore(path: from, folder: nil) }
        var options = RecordingOptions()
        guard let kind = Kind(name: kind) else {
            throw Exit.fail("no kind '\(kind)'; there are \(Kind.allCases.map(\.name).joined(separator: ", "))", Exit.usage)
        }
        options.kind = kind
        if let period {
            guard let seconds = ReplayCommand.seconds(period) else {
                throw Exit.fail("--period \(period): write a number of seconds, for example 60s", Exit.usage)
            }
            options.period = seconds
        }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("patrol-backtest-\(UUID().uuidString)").path
        let store = ReadingStore(path: folder + "/readings.db", folder: folder)
        let isTerminal = isatty(2) == 1
        let result = try Exit.onStoreFailure {
            do {
                return try Replay.run(recording: from, options: options, into: store.path, rules: RuleSet(), isScratch: true) { messages, _ in
                    guard isTerminal else { return }
                    FileHandle.standardError.write(Data("\rreading: \(messages / 1000) thousand messages".utf8))
                }
            } catch let error as RecordingError {
                store.close()
                throw Exit.fail(error.description, Exit.usage)
            }
        }
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        if result.problemCount > 0 {
            FileHandle.standardError.write(Data("\(result.problemCount) lines were no messages; the rest is read\n".utf8))
        }
        return store
    }

    private static func isStore(_ path: String) -> Bool {
        guard let handle = FileHandle(forReadingAtPath: path) else { return false }
        defer { try? handle.close() }
        return (try? handle.read(upToCount: 15)).map { $0 == Data("SQLite format 3".utf8) } ?? false
    }
}

/// Readings to run rules over; a recording's lie in a folder of their own that ``close()`` takes away.
struct ReadingStore {
    let path: String
    let folder: String?

    func close() {
        if let folder { try? FileManager.default.removeItem(atPath: folder) }
    }

    /// The devices as the store has them, with what the settings' devices file says of them now.
    func devices(_ settings: Settings?) throws -> [Device] {
        let stored = try Exit.onStoreFailure { try ReadingRun(path: path).devices() }
        let records = Dictionary((settings?.devices ?? []).map { ("\($0.kind.name) \($0.id)", $0) }) { first, _ in first }
        return stored.map { device in
            guard let record = records["\(device.kind.name) \(device.id)"] else { return device }
            return Device(
                number: device.number, kind: device.kind, id: device.id, gateway: device.gateway, name: record.name,
                area: record.area, site: record.site, zone: record.zone, lat: record.lat, lon: record.lon,
                team: record.team, tags: record.tags)
        }
    }

    /// Runs the rules over all readings, in the order in which they were stored; rules that do not know of each other side
    /// by side.
    func backtest(rules: [RuleDefinition], settings: Settings?, world: World) throws -> Backtest {
        let devices = try devices(settings)
        let parts = RuleSet.independent(rules, parts: ProcessInfo.processInfo.activeProcessorCount)
        let done = Mutex<[(number: Int, result: Result<Backtest, any Error>)]>([])
        DispatchQueue.concurrentPerform(iterations: parts.count) { number in
            let result = Result { try run(parts[number], of: rules, devices, world, isFirst: number == 0) }
            done.withLock { $0.append((number, result)) }
        }
        var whole = Backtest(alerts: [], devices: devices, readings: 0, end: .distantPast)
        for part in try done.withLock({ $0 }).map({ try $0.result.get() }) {
            whole.alerts += part.alerts
            (whole.readings, whole.end) = (part.readings, part.end)
        }
        whole.alerts.sort { a, b in
            (a.last.firedAt ?? a.last.startedAt, a.last.rule, a.last.device) < (b.last.firedAt ?? b.last.startedAt, b.last.rule, b.last.device)
        }
        return whole
    }

    /// - Parameter isFirst: tells of damage and of how far it is.
    private func run(
        _ part: [Int], of rules: [RuleDefinition], _ devices: [Device], _ world: World, isFirst: Bool
    ) throws -> Backtest {
        var run = RuleRun(rules: RuleSet(part.map { rules[$0] }), world: world)
        for device in devices { run.add(device: device) }
        var clock = Timestamp.distantPast
        var count = 0
        let isTerminal = isFirst && isatty(2) == 1
        try Exit.onStoreFailure {
            try ReadingRun(path: path).forEach(damaged: { if isFirst { Exit.warn($0) } }) { reading, text in
                clock = max(clock, reading.received)
                run.take(copy reading, text: text, clock: clock)
                count += 1
                if isTerminal && count & 0x3FFFF == 0 {
                    FileHandle.standardError.write(Data("\rbacktest: \(count / 1000) thousand readings".utf8))
                }
            }
        }
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        run.advance(to: clock)
        let alerts = run.alerts.map { alert in
            var alert = alert
            alert.last.rule = part[alert.last.rule]
            return alert
        }
        return Backtest(alerts: alerts, devices: devices, readings: count, end: clock)
    }
}

struct Backtest: Sendable {
    /// By the time at which they fired.
    var alerts: [RuleRun.Fired]
    var devices: [Device]
    var readings: Int
    var end: Timestamp
}
